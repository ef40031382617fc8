"""One run from its seed to its end.

Owns      the order: steps, then calm, then what must hold at the end; the trace that tells two runs apart.
Promises  a run that fails names its invariant and the command that repeats exactly this run.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final
from unittest import mock

from headrace.engine import lane_runner
from sim import on_operations, on_the_flow, on_the_wire, what_happens
from sim.profile import Profile
from sim.tally import tally_of
from sim.steps import Step, draw_all, take
from sim.witness import Violation
from sim.world import World

__all__ = ["Run", "replay_line", "run_seed", "run_steps"]
_REGISTERED: Final = (on_operations, on_the_flow, on_the_wire, what_happens)  # invariants and steps, by import
STEPS: Final = 200
_RAM: Final = Path("/dev/shm")  # noqa: S108 - where there is one; a run's files are gone with it
_BLOCKS_AFTER: Final = 3


@dataclass(frozen=True, slots=True)
class Run:
    """`steps` with those of the calm at the end. `digest`: two runs with the same one were the same."""

    seed: int
    steps: int
    operations: int
    deaths: int
    digest: str
    violation: Violation | None
    tally: Counter[str]
    trace: tuple[str, ...] = ()


def replay_line(seed: int, steps: int) -> str:
    return f"headrace bench sim --seed {seed} --seeds 1 --steps {steps}"


def run_seed(seed: int, *, steps: int = STEPS, keep_trace: bool = False) -> Run:
    return run_steps(Profile.of_seed(seed), islice(draw_all(Random(f"steps {seed}")), steps), seed=seed, keep_trace=keep_trace)


def run_steps(profile: Profile, steps: Iterable[Step], *, seed: int, keep_trace: bool = False) -> Run:
    folder = _RAM if _RAM.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="headrace-sim-", dir=folder) as place, asyncio.Runner() as runner:
        return runner.run(_run(profile, steps, seed=seed, folder=Path(place), keep_trace=keep_trace))


async def _run(
    profile: Profile, steps: Iterable[Step], *, seed: int, folder: Path, keep_trace: bool
) -> Run:
    world = World(profile, folder, seed=seed)
    book = _Book(world, keep_trace)
    violation = None
    with mock.patch.object(lane_runner, "uuid4", lambda: _Named(world.next_batch())):
        try:
            await world.begin()
            for step in steps:
                book.begin(step)
                await take(world, step)
                book.end()
            await _finish(world, book)
        except Violation as found:
            violation = found
        finally:
            tally = tally_of(world, book.taken)
            await world.close()
    return Run(
        tally=tally,
        seed=seed,
        steps=book.steps,
        operations=len(world.wishes.all),
        deaths=world.deaths,
        digest=book.digest(),
        violation=violation,
        trace=tuple(book.lines),
    )


async def _finish(world: World, book: "_Book") -> None:
    """Faults stop; within a bounded number of blocks everything has its end."""
    await world.calm_down()
    book.begin(Step("calm", 0))
    await world.look()
    per_operation = 2 if world.profile.batched else 6
    bound = 40 + 3 * world.profile.confirmations + per_operation * len(world.unfinished())
    for _ in range(bound):
        if world.idle:
            break
        book.begin(Step("block", 0))
        await world.block()
        await world.look()
        book.end()
    for _ in range(_BLOCKS_AFTER):
        await world.block()
        await world.look()
    world.look_at_the_end()


class _Named:
    def __init__(self, name: str) -> None:
        self.hex = name


class _Book:
    """Writes down what happened, step by step."""

    def __init__(self, world: World, keep: bool) -> None:
        self._world, self._keep = world, keep
        self._hash = blake2b(digest_size=16)
        self.lines: list[str] = []
        self.steps = 0
        self.taken: Counter[str] = Counter()

    def begin(self, step: Step) -> None:
        self.steps += 1
        self.taken[step.name] += 1
        self._line(f"-- {self.steps} {step}")

    def end(self) -> None:
        world = self._world
        pool = b"".join(sorted(t.hash for t in world.chain.pool)).hex()
        asked = sum(world.node.calls.values())
        for line in world.trace:
            self._line(line)
        world.trace.clear()
        head = world.chain.head
        self._hash.update(f"{head.hash.hex()} {pool} {asked} {world.clock.now()}".encode())
        self._line(f"   block {head.number}, {len(world.chain.pool)} in the pool, {asked} questions")

    def digest(self) -> str:
        return self._hash.hexdigest()

    def _line(self, text: str) -> None:
        self._hash.update(text.encode())
        if self._keep:
            self.lines.append(text)

"""One run from its seed to its end.

Owns      the order: steps, then calm, then what must hold at the end; the digest that tells two runs apart.
Promises  a run that fails names the invariant; the same seed (or profile and steps) gives the same run.
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
from sim import on_operations, on_the_flow, on_the_wire, what_breaks, what_clients_do, what_the_chain_does
from sim.profile import Profile
from sim.steps import Step, draw_all, take
from sim.tally import tally_of
from sim.witness import Violation
from sim.world import World

# Invariants and steps are there by being imported; the order of steps follows from their names, not from this.
_REGISTERED: Final = (on_operations, on_the_flow, on_the_wire, what_breaks, what_clients_do, what_the_chain_does)
STEPS: Final = 200
_RAM: Final = Path("/dev/shm")  # where there is one; a run's files are gone with it
_BLOCKS_AFTER: Final = 3


@dataclass(frozen=True, slots=True)
class Run:
    """`steps` with those of the calm at the end. Two runs with the same `digest` were the same."""

    seed: int
    steps: int
    deaths: int
    digest: str
    violation: Violation | None
    tally: Counter[str]
    trace: tuple[str, ...] = ()


def replay_line(seed: int, steps: int) -> str:
    """The command that repeats exactly this run, and tells it."""
    return f"headrace bench sim --seed {seed} --seeds 1 --steps {steps} --trace"


def run_seed(seed: int, *, steps: int = STEPS, keep_trace: bool = False, only: str | None = None) -> Run:
    """`only`: the one invariant that is looked at (all, if None)."""
    drawn = islice(draw_all(Random(f"steps {seed}")), steps)
    return run_steps(Profile.of_seed(seed), drawn, seed=seed, keep_trace=keep_trace, only=only)


def run_steps(
    profile: Profile, steps: Iterable[Step], *, seed: int, keep_trace: bool = False, only: str | None = None
) -> Run:
    """`seed` gives the contents of operations."""
    folder = _RAM if _RAM.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="headrace-sim-", dir=folder) as place, asyncio.Runner() as runner:
        return runner.run(_run(profile, steps, Path(place), seed, keep_trace, only))


async def _run(
    profile: Profile,
    steps: Iterable[Step],
    folder: Path,
    seed: int,
    keep_trace: bool,
    only: str | None,
) -> Run:
    world = World(profile, folder, seed=seed, only=only)
    book = _Book(world, keep_trace)
    violation = None
    # Ids of batches are the one thing that the engine leaves to chance.
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
    return Run(seed, book.steps, world.deaths, book.digest(), violation, tally, tuple(book.lines))


async def _finish(world: World, book: "_Book") -> None:
    """Faults stop; within a bounded number of blocks everything has its end."""
    book.begin(Step("calm", 0))
    await world.calm_down()
    await world.look()
    per_operation = 2 if world.profile.batched else 6
    bound = 40 + 3 * world.profile.confirmations + per_operation * len(world.unfinished())
    for _ in range(bound):
        if world.idle:
            break
        book.begin(Step("block", 0))
        await world.resume_lanes()
        await world.block()
        await world.look()
        book.end()
    for _ in range(_BLOCKS_AFTER):
        await world.block()
        await world.look()
    world.look_at_the_end()


@dataclass(frozen=True, slots=True)
class _Named:
    """What uuid4 answers with, as far as it is looked at."""

    hex: str


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
        for line in world.trace:
            self._line(line)
        world.trace.clear()
        head = world.chain.head
        asked = sum(world.node.calls.values())
        pool = b"".join(sorted(t.hash for t in world.chain.pool)).hex()
        self._hash.update(f"{head.hash.hex()} {pool} {world.clock.now()}".encode())
        self._line(f"   block {head.number}, {len(world.chain.pool)} in the pool, {asked} questions")

    def digest(self) -> str:
        return self._hash.hexdigest()

    def _line(self, text: str) -> None:
        self._hash.update(text.encode())
        if self._keep:
            self.lines.append(text)

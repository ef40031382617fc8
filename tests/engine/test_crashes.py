"""The process dies at any door, and the end is the same."""

import itertools
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.tapped import Crashed, Fuse
from engine.test_mined_failures import other_task_first
from engine.test_sending import only_seen
from engine.test_separate import separate
from engine.world import BATCHED, GWEI, LANE, Settings, World, new_chain, open_world
from headrace.core.operation import Operation
from headrace.core.transaction import Cancel
from headrace.core.words import Nonce, Outcome
from headrace.testing.clock import HandClock
from headrace.testing.fake_node import FakeNode
from headrace.testing.pool_rules import NodeRules

SETTINGS = Settings(most=2, confirmations=2)


class Scene(ABC):
    """One chain and one store, however often the process dies. What is offered, what happens, how it must end."""

    rules: NodeRules | None = None
    settings = SETTINGS
    nonces_max = 4
    ends: Sequence[Outcome]

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, HandClock()
        self.contracts = new_chain(self.clock, rules=self.rules)
        self.node = FakeNode(self.contracts.chain)

    def open(self, **more: Any) -> Any:
        return open_world(
            self.folder,
            settings=self.settings,
            clock=self.clock,
            contracts=self.contracts,
            node=self.node,
            **more,
        )

    @abstractmethod
    async def offer(self, world: World) -> list[Operation]:
        """Before it begins."""

    @abstractmethod
    async def play(self, world: World) -> None:
        """What the process dies in."""

    async def check(self, world: World, operations: list[Operation]) -> None:
        assert [await world.outcome(o) for o in operations] == list(self.ends)


class FiveOperations(Scene):
    ends = (Outcome.LANDED, Outcome.LANDED, Outcome.REJECTED, Outcome.LANDED, Outcome.LANDED)

    async def offer(self, world: World) -> list[Operation]:
        good = [world.made.operation() for _ in range(2)]
        bad = world.made.operation(good=False)
        create, respond = separate(world)
        await world.add(*good, bad, create, respond)
        return [*good, bad, create, respond]


class Forgotten(FiveOperations):
    """A forgotten transaction, a reorg, then the end."""

    async def play(self, world: World) -> None:
        await world.flush()
        world.chain.pool.clear()
        await world.mine(2)
        world.chain.reorg(1, forget=True)
        await world.saw()
        await world.finish()


class Replaced(FiveOperations):
    """Fees explode, so that it must be replaced."""

    async def play(self, world: World) -> None:
        await world.flush()
        for _ in range(4):
            world.chain.set_next_base_fee(40 * GWEI)
            await world.mine()
        await world.finish()


class TooLate(Scene):
    """A client's deadline comes while its batch waits in the pool: a no-op, and the neighbour travels again."""

    async def offer(self, world: World) -> list[Operation]:
        late, good = world.made.operation(deadline=world.clock.now() + 40), world.made.operation()
        await world.add(late, good)
        return [late, good]

    async def play(self, world: World) -> None:
        await world.flush()
        await only_seen(world, blocks=4)
        await world.finish()

    async def check(self, world: World, operations: list[Operation]) -> None:
        late, good = operations
        # Where the process died before the no-op was sent, the batch may win: then it has landed, late.
        assert (await world.outcome(late) is Outcome.LANDED) == all(world.recorded(late))
        assert await world.outcome(late) in (Outcome.LANDED, Outcome.EXPIRED)
        assert await world.outcome(good) is Outcome.LANDED


class Gap(Scene):
    """As after the loss of a store: the ledger begins past a nonce that nobody's transaction holds."""

    ends = (Outcome.LANDED,)

    async def offer(self, world: World) -> list[Operation]:
        await world.store.adopt(chain=world.chain.id, lane=LANE, start=Nonce(1), now=world.clock.now())
        operation = world.made.operation()
        await world.add(operation)
        return [operation]

    async def play(self, world: World) -> None:
        await world.flush()
        await world.finish()


class Refused(Scene):
    """No node takes a batch as large as ours: a no-op, and smaller ones."""

    rules = NodeRules(raw_bytes_max=3_000)
    ends = (Outcome.LANDED, Outcome.LANDED)
    nonces_max = 5  # that a batch was refused is forgotten in a crash: it may be tried once more

    async def offer(self, world: World) -> list[Operation]:
        operations = [world.made.operation() for _ in range(2)]
        await world.add(*operations)
        return operations

    async def play(self, world: World) -> None:
        await world.flush()
        await world.finish()


class Reverted(Scene):
    """Mined with status 0, explained, and sent again."""

    settings = replace(SETTINGS, contracts=replace(BATCHED, strict_only=True))
    ends = (Outcome.CONFLICT, Outcome.LANDED)

    async def offer(self, world: World) -> list[Operation]:
        self.task = world.made.task()
        guilty, good = world.made.operation(task=self.task), world.made.operation()
        await world.add(guilty, good)
        return [guilty, good]

    async def play(self, world: World) -> None:
        await world.flush()
        await other_task_first(world, world.made.operation(), replace(self.task, timestamp=2))
        await world.finish()

    async def check(self, world: World, operations: list[Operation]) -> None:
        guilty, good = operations
        # Where the process died before the stranger came, nothing was in its way.
        assert await world.outcome(guilty) is (Outcome.LANDED if all(world.recorded(guilty)) else Outcome.CONFLICT)
        assert await world.outcome(good) is Outcome.LANDED


class Cancelled(Scene):
    """By hand: its operations are to end, or have landed before that."""

    async def offer(self, world: World) -> list[Operation]:
        operations = [world.made.operation() for _ in range(2)]
        await world.add(*operations)
        return operations

    async def play(self, world: World) -> None:
        await world.flush()
        trip = world.gateway.lane.trip_at(Nonce(0))
        assert trip is not None
        await world.gateway.lane.cancel(trip, Cancel.END)
        await world.finish()

    async def check(self, world: World, operations: list[Operation]) -> None:
        for operation in operations:
            landed = all(world.recorded(operation))
            assert await world.outcome(operation) is (Outcome.LANDED if landed else Outcome.CANCELLED)


SCENES = [Forgotten, Replaced, TooLate, Gap, Refused, Reverted, Cancelled]


async def survives(scene: Scene, doors: int) -> bool:
    """Whether it came to its end without reaching the door at which it was to die."""
    async with scene.open() as world:
        operations = await scene.offer(world)
    died = True
    with suppress(Crashed):
        async with scene.open(tap=Fuse(doors)) as world:
            await scene.play(world)
            died = False
    async with scene.open() as world:
        await world.finish()
        try:
            await scene.check(world, operations)
            nonces = world.sent_nonces()
            assert nonces == list(range(len(nonces)))
            assert len(nonces) <= scene.nonces_max, "nothing is sent twice"
        except AssertionError as error:
            error.add_note(f"after a crash at door {doors}")
            raise
    return not died


@pytest.mark.parametrize("kind", SCENES, ids=[scene.__name__ for scene in SCENES])
async def test_a_crash_before_or_after_any_save_and_any_send_ends_the_same(
    tmp_path: Path, kind: type[Scene]
) -> None:
    for doors in itertools.count():
        (tmp_path / str(doors)).mkdir()
        if await survives(kind(tmp_path / str(doors)), doors):
            break
    assert doors > 15, "it went through every door"


@pytest.mark.parametrize("kind", SCENES, ids=[scene.__name__ for scene in SCENES])
async def test_what_a_node_is_shown_is_on_the_disk_already(tmp_path: Path, kind: type[Scene]) -> None:
    """First sends, replacements, no-ops and fillers alike; looked up by another connection, so committed."""
    shown: list[bytes] = []

    def tap(when: str, what: str, args: tuple[Any, ...]) -> None:
        if (when, what) == ("before", "send"):
            with closing(sqlite3.connect(f"file:{tmp_path}/store.db?mode=ro", uri=True)) as db:
                assert db.execute("SELECT count(*) FROM attempts WHERE raw = ?", args).fetchone() == (1,)
            shown.append(args[0])

    scene = kind(tmp_path)
    async with scene.open() as world:
        await scene.offer(world)
    async with scene.open(tap=tap) as world:
        await scene.play(world)
    assert len(set(shown)) > 1


# ---- A restart


def plain(folder: Path) -> Scene:
    return Forgotten(folder)


async def test_a_restart_does_not_settle_what_is_mined_and_not_yet_final(tmp_path: Path) -> None:
    scene = plain(tmp_path)
    async with scene.open() as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine()
    async with scene.open() as world:
        assert (await world.account(operation)).state.value == "mined"
        assert world.gateway.lane.unsettled() == 1
        world.chain.reorg(1, forget=True)
        await world.saw()
        assert await world.outcome(operation) is None
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_what_a_reorg_undid_while_we_were_down_is_noticed_at_the_start(tmp_path: Path) -> None:
    scene = plain(tmp_path)
    async with scene.open() as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine()
    scene.contracts.chain.reorg(1, blocks=5, forget=True)
    async with scene.open() as world:
        assert (await world.account(operation)).state.value == "sent"
        assert len(world.chain.pool) == 1, "the same bytes are out again"
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.sent_nonces() == [0]


async def test_what_was_mined_and_made_final_while_we_were_down_is_settled(tmp_path: Path) -> None:
    scene = plain(tmp_path)
    async with scene.open() as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
    scene.contracts.chain.mine(10)
    async with scene.open() as world:
        assert await world.outcome(operation) is Outcome.LANDED

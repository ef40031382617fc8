"""The process dies at any door, and the end is the same."""

import itertools
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.tapped import Crashed, Fuse
from engine.test_separate import separate
from engine.world import GWEI, Settings, World, new_chain, open_world
from headrace.core.operation import Operation
from headrace.core.words import Outcome
from headrace.testing.clock import HandClock
from headrace.testing.fake_node import FakeNode

SETTINGS = Settings(most=2, confirmations=2)


class Scene:
    """One chain and one store, however often the process dies."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, HandClock()
        self.contracts = new_chain(self.clock)
        self.node = FakeNode(self.contracts.chain)

    def open(self, **more: Any) -> Any:
        return open_world(
            self.folder,
            settings=SETTINGS,
            clock=self.clock,
            contracts=self.contracts,
            node=self.node,
            **more,
        )

    async def plain(self, world: World) -> None:
        """Three good ones and a bad one; a forgotten transaction, a reorg, then the end."""
        await world.flush()
        world.chain.pool.clear()
        await world.mine(2)
        world.chain.reorg(1, forget=True)
        await world.saw()
        await world.finish()

    async def late(self, world: World) -> None:
        """Fees explode, so that it must be replaced."""
        await world.flush()
        for _ in range(4):
            world.chain.set_next_base_fee(40 * GWEI)
            await world.mine()
        await world.finish()


async def offer(scene: Scene) -> list[Operation]:
    async with scene.open() as world:
        good = [world.made.operation() for _ in range(2)]
        bad = world.made.operation(good=False)
        create, respond = separate(world)
        await world.add(*good, bad, create, respond)
        return [*good, bad, create, respond]


ENDS = [Outcome.LANDED, Outcome.LANDED, Outcome.REJECTED, Outcome.LANDED, Outcome.LANDED]


async def survives(folder: Path, play: str, doors: int) -> bool:
    """Whether it came to its end without reaching the door at which it was to die."""
    scene = Scene(folder)
    operations = await offer(scene)
    died = True
    with suppress(Crashed):
        async with scene.open(tap=Fuse(doors)) as world:
            await getattr(scene, play)(world)
            died = False
    async with scene.open() as world:
        await world.finish()
        assert [await world.outcome(o) for o in operations] == ENDS, f"after a crash at door {doors}"
        nonces = world.sent_nonces()
        assert nonces == list(range(len(nonces))), f"after a crash at door {doors}"
        assert len(nonces) <= 4, f"after a crash at door {doors}: nothing is sent twice"
    return not died


async def crash_everywhere(folder: Path, play: str) -> int:
    for doors in itertools.count():
        if await survives(folder / str(doors), play, doors):
            return doors
    raise AssertionError


async def test_a_crash_before_or_after_any_save_and_any_send_ends_the_same(tmp_path: Path) -> None:
    assert await crash_everywhere(tmp_path, "plain") > 40


async def test_a_crash_around_a_replacement_ends_the_same(tmp_path: Path) -> None:
    assert await crash_everywhere(tmp_path, "late") > 40


async def test_a_restart_does_not_settle_what_is_mined_and_not_yet_final(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
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
    scene = Scene(tmp_path)
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
    scene = Scene(tmp_path)
    async with scene.open() as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
    scene.contracts.chain.mine(10)
    async with scene.open() as world:
        assert await world.outcome(operation) is Outcome.LANDED

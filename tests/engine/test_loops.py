"""The loops as they run: time is moved by hand, work in the store's thread is waited for."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from engine.world import BLOCK_S, Settings, World, open_world
from headrace.core.flush import FlushPolicy
from headrace.core.words import Outcome
from headrace.testing.clock import settle


async def reached(there: Callable[[], Awaitable[bool]]) -> None:
    """Polls; the deadline is only for a test that would hang."""
    deadline = time.monotonic() + 10
    while not await there():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0)


@asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    gateway = world.gateway
    loops = [asyncio.create_task(loop.run()) for loop in (gateway.packer, gateway.watcher, gateway.intake)]
    try:
        yield
    finally:
        failed = [loop for loop in loops if loop.done()]
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)
        for loop in failed:
            loop.result()


async def at_rest(world: World) -> None:
    """The watcher knows the head, and what it started in the store is done."""
    await reached(lambda: _saw(world))
    for _ in range(5):
        await world.store.counts()
        await settle()


async def _saw(world: World) -> bool:
    return world.gateway.lane.head == world.chain.head


async def block(world: World) -> None:
    world.clock.advance(world.chain.head.timestamp + BLOCK_S - world.clock.now())
    world.node.mine()
    await at_rest(world)


async def sent(world: World) -> bool:
    return len(world.chain.pool) > 0


async def test_a_flush_waits_for_the_coming_block_and_takes_all_that_came_meanwhile(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world, running(world):
        for _ in range(4):
            await block(world)
        operations = [world.made.operation() for _ in range(6)]
        for operation in operations[:3]:
            await world.gateway.intake.admit(operation)
        world.clock.advance(4)
        await at_rest(world)
        for operation in operations[3:]:
            await world.gateway.intake.admit(operation)
        world.clock.advance(4)
        await at_rest(world)
        assert len(world.chain.pool) == 0, "waiting fills the batch, and costs no block"

        world.clock.advance(BLOCK_S - 8 - 0.3)
        await reached(lambda: sent(world))
        await block(world)
        assert {(await world.account(o)).state.value for o in operations} == {"mined"}
        for _ in range(3):
            await block(world)
        await reached(lambda: _all_landed(world, [o.id for o in operations]))
        assert world.sent_nonces() == [0]


async def _all_landed(world: World, ids: list[str]) -> bool:
    return {await world.outcome(i) for i in ids} == {Outcome.LANDED}


async def test_a_full_batch_goes_at_once(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(most=4)) as world, running(world):
        for _ in range(4):
            await block(world)
        await asyncio.gather(*(world.gateway.intake.admit(world.made.operation()) for _ in range(4)))
        await reached(lambda: sent(world))


async def test_by_interval_while_block_times_are_unknown(tmp_path: Path) -> None:
    settings = Settings(flush=FlushPolicy(mode="interval", interval_s=2))
    async with open_world(tmp_path, settings=settings) as world, running(world):
        await at_rest(world)
        await world.gateway.intake.admit(world.made.operation())
        world.clock.advance(1.9)
        await at_rest(world)
        assert len(world.chain.pool) == 0
        world.clock.advance(0.2)
        await reached(lambda: sent(world))


class OneMoreComes:
    """A store during whose first claim another operation is taken in; `then` happens right after that."""

    def __init__(self, world: World, then: Callable[[], Awaitable[None]] | None = None) -> None:
        self._world, self._store, self._came = world, world.gateway.packer._store, False
        self._then = then

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def claim_ready(self, **asked: object) -> object:
        claimed = await self._store.claim_ready(**asked)
        if claimed and not self._came:
            self._came = True
            await self._world.gateway.intake.admit(self._world.made.operation())
            if self._then is not None:
                await self._then()
        return claimed


async def test_by_interval_what_comes_during_a_flush_waits_for_the_next_one(tmp_path: Path) -> None:
    settings = Settings(flush=FlushPolicy(mode="interval", interval_s=2))
    async with open_world(tmp_path, settings=settings) as world, running(world):
        await at_rest(world)
        world.gateway.packer._store = OneMoreComes(world)
        await world.gateway.intake.admit(world.made.operation())
        world.clock.advance(2)
        await reached(lambda: sent(world))
        await at_rest(world)
        assert len(world.chain.pool) == 1, "it does not ride alone behind the flush that it missed"
        world.clock.advance(1.9)
        await at_rest(world)
        assert len(world.chain.pool) == 1
        world.clock.advance(0.1)
        await reached(lambda: _sent_two(world))


async def test_what_comes_during_a_flush_is_not_forgotten_when_a_head_comes_too(tmp_path: Path) -> None:
    settings = Settings(flush=FlushPolicy(mode="interval", interval_s=2))
    async with open_world(tmp_path, settings=settings) as world, running(world):
        await at_rest(world)
        world.gateway.packer._store = OneMoreComes(world, then=world.gateway.packer.recount)
        await world.gateway.intake.admit(world.made.operation())
        world.clock.advance(2)
        await reached(lambda: sent(world))
        await at_rest(world)
        world.clock.advance(2)  # and no other head, which would have it counted anew
        await reached(lambda: _sent_two(world))


async def _sent_two(world: World) -> bool:
    return len(world.chain.pool) == 2


async def test_a_hindrance_does_not_make_the_packer_spin(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(most=1)) as world, running(world):
        world.contracts.batch.callers = frozenset()
        await block(world)
        await asyncio.gather(*(world.gateway.intake.admit(world.made.operation()) for _ in range(3)))
        await reached(lambda: _hindered(world))
        before = world.node.calls["call"]
        await at_rest(world)
        await at_rest(world)
        assert world.node.calls["call"] - before <= 1
        world.contracts.batch.callers = frozenset([world.gateway.lane.address])
        await block(world)
        await reached(lambda: sent(world))


async def _hindered(world: World) -> bool:
    return world.gateway.packer.hindrance is not None

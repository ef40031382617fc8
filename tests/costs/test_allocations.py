"""What an operation takes of memory while it is under way, and that nothing of it is left when it is final.

Counted are blocks that our own code has allocated and that are still there; those of the fake chain, which never
forgets, are its own affair.
"""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import headrace
from engine.world import Settings, World, open_world

SOURCE = str(Path(headrace.__file__).parent)
OURS = [
    tracemalloc.Filter(True, f"{SOURCE}/*"),
    tracemalloc.Filter(False, f"{SOURCE}/testing/*"),
    tracemalloc.Filter(False, f"{SOURCE}/engine/watcher.py"),  # keeps the hashes of 256 blocks
]
A_ROUND = 120
ROUNDS = 4
# Measured: 10.8. Its fields as they were read from the store, and what its receipt shows.
UNDER_WAY_MOST = 12
LEFT_MOST = 0.1  # what a transaction leaves for a while, such as a gas sample, over its operations


@asynccontextmanager
async def traced() -> AsyncIterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def blocks_of_ours() -> int:
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces(OURS)
    return len(snapshot.traces)


async def land(world: World, count: int) -> int:
    """So many operations from intake to final. Answers the blocks that were held when all were mined."""
    before = blocks_of_ours()
    for _ in range(count // 60):
        # Made one after the other and let go at once: what holds them from here on is the engine.
        await asyncio.gather(*(world.gateway.intake.admit(world.made.operation()) for _ in range(60)))
    while world.gateway.packer.backlog():
        await world.flush()
        await world.mine()
    held = world.gateway.lane.held()
    assert held["operations"] == count, held
    world.news.clear()
    under_way = blocks_of_ours() - before
    await world.finish()
    world.news.clear()
    assert set(world.gateway.lane.held().values()) == {0}
    return under_way


async def test_an_operation_takes_few_allocations_and_leaves_none(tmp_path: Path) -> None:
    settings = Settings(confirmations=10, in_flight_max=16)
    async with traced(), open_world(tmp_path, settings=settings, gas_limit=10**9) as world:
        intake = asyncio.create_task(world.gateway.intake.run())
        await world.mine(3)
        for _ in range(2):
            await land(world, A_ROUND)  # whatever is made once is there
        before = blocks_of_ours()
        under_way = [await land(world, A_ROUND) for _ in range(ROUNDS)]
        left = blocks_of_ours() - before
        intake.cancel()
    assert max(under_way) / A_ROUND <= UNDER_WAY_MOST
    assert left / (ROUNDS * A_ROUND) <= LEFT_MOST

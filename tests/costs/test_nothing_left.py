"""What runs in the gateway's loop for the sake of operations, and what they leave behind there: nothing."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.test_loops import at_rest, block, reached, running, sent
from engine.world import BLOCK_S, World, open_world
from headrace.core.words import OperationId, Outcome
from headrace.operators.evaluation import TaskRequest
from headrace.testing.clock import HandClock, settle
from operators.office import Office, make_request, open_office

COUNTS = (1, 20)


@dataclass(frozen=True)
class Left:
    """In the loop of a test: its tasks, the timers that will still fire, and who sleeps by the clock."""

    tasks: int
    timers: int
    sleeping: int


async def what_is_there(clock: HandClock) -> Left:
    await settle()
    loop = asyncio.get_running_loop()
    timers = sum(not timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]
    return Left(len(asyncio.all_tasks()), timers, clock.sleeping)


async def blocks(world: World, count: int) -> None:
    for _ in range(count):
        await block(world)


async def all_landed(world: World, ids: list[OperationId]) -> bool:
    return {await world.outcome(id) for id in ids} == {Outcome.LANDED}


@pytest.mark.parametrize("count", COUNTS)
async def test_operations_wait_in_no_task_and_by_no_timer_and_leave_none(tmp_path: Path, count: int) -> None:
    async with open_world(tmp_path) as world, running(world):
        await blocks(world, 4)
        before = await what_is_there(world.clock)
        operations = [world.made.operation(created_block=2) for _ in range(count)]
        await asyncio.gather(*(world.gateway.intake.admit(operation) for operation in operations))
        await at_rest(world)
        waiting = await what_is_there(world.clock)
        assert waiting.tasks <= before.tasks + 1, "the packer's own wait for the moment of its flush"
        assert waiting.sleeping <= before.sleeping + 1
        world.clock.advance(BLOCK_S - 0.3)  # late in the block: what waits is sent
        await reached(lambda: sent(world))
        await blocks(world, 4)
        await reached(lambda: all_landed(world, [operation.id for operation in operations]))
        assert world.gateway.lane.unsettled() == 0
        assert await what_is_there(world.clock) == before


def requests(count: int) -> list[TaskRequest]:
    return [make_request(intent_signature=index.to_bytes(65, "big")) for index in range(count)]


@pytest.mark.parametrize("count", COUNTS)
async def test_answered_requests_leave_no_task_no_timer_and_nothing_at_the_desk(
    tmp_path: Path, count: int
) -> None:
    async with open_office(tmp_path) as office:
        before = await what_is_there(office.clock)
        asked = [
            office.desk.create(request, operation=OperationId(f"{index}"), timeout_s=30.0)
            for index, request in enumerate(requests(count))
        ]
        assert len(await asyncio.gather(*asked)) == count
        await at_the_desk_is_nobody(office)
        assert await what_is_there(office.clock) == before


@pytest.mark.parametrize("count", COUNTS)
async def test_callers_that_give_up_leave_no_task_and_no_timer_either(tmp_path: Path, count: int) -> None:
    async with open_office(tmp_path) as office:
        before = await what_is_there(office.clock)
        office.keep_quiet()
        asked = [
            asyncio.ensure_future(office.desk.create(request, operation=OperationId(f"{index}"), timeout_s=30.0))
            for index, request in enumerate(requests(count))
        ]
        await reached(lambda: under_way(office, count))
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await at_the_desk_is_nobody(office)
        assert await what_is_there(office.clock) == before


async def under_way(office: Office, count: int) -> bool:
    return office.desk.running() == count and office.asked() > 0


async def at_the_desk_is_nobody(office: Office) -> None:
    async def empty() -> bool:
        return office.desk.running() == 0

    await reached(empty)


async def test_the_packer_is_woken_by_the_first_operation_and_by_the_one_that_fills_its_batch(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        packer = world.gateway.packer
        await packer.recount()
        assert packer.due() == 0
        packer._full = 10

        def wakes(count: int) -> bool:
            packer._woken.clear()
            packer.noticed(count)
            return packer._woken.is_set()

        assert [wakes(1) for _ in range(12)] == [True, *[False] * 8, True, False, False]
        assert wakes(0), "there is room again"

import asyncio

import pytest

from headrace.api.patience import Patience


async def waiting(patience: Patience, forever: asyncio.Event) -> str:
    task = patience.begin()
    try:
        await forever.wait()
    except asyncio.CancelledError:
        if patience.end(task):
            return "late"
        raise
    assert not patience.end(task)
    return "in time"


async def test_who_waits_too_long_is_told_and_nobody_else() -> None:
    patience, never, soon = Patience(0.05), asyncio.Event(), asyncio.Event()
    soon.set()
    late, in_time = asyncio.create_task(waiting(patience, never)), asyncio.create_task(waiting(patience, soon))
    async with asyncio.timeout(20):
        assert await asyncio.gather(late, in_time) == ["late", "in time"]
    assert late.cancelling() == 0


async def test_those_that_come_later_have_their_own_time() -> None:
    patience, never = Patience(0.05), asyncio.Event()
    async with asyncio.timeout(20):
        first = asyncio.create_task(waiting(patience, never))
        assert await first == "late"
        second, third = (asyncio.create_task(waiting(patience, never)) for _ in range(2))
        assert await asyncio.gather(second, third) == ["late", "late"]


async def test_a_task_that_is_cancelled_by_somebody_else_is_cancelled() -> None:
    patience = Patience(60)
    task = asyncio.create_task(waiting(patience, asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_task_may_wait_again() -> None:
    patience, soon = Patience(60), asyncio.Event()
    soon.set()
    assert [await waiting(patience, soon) for _ in range(3)] == ["in time"] * 3

import asyncio

import pytest

from headrace.testing.clock import START, HandClock, settle


async def test_it_stands_still_until_it_is_moved() -> None:
    clock = HandClock()
    sleeper = asyncio.create_task(clock.sleep(5))
    await settle()
    assert clock.now() == START
    assert not sleeper.done()
    clock.advance(4.9)
    await settle()
    assert not sleeper.done()
    clock.advance(0.1)
    await sleeper
    assert clock.now() == START + 5


async def test_sleepers_wake_in_the_order_of_their_times_then_of_their_arrival() -> None:
    clock = HandClock()
    woken: list[str] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    tasks = [asyncio.create_task(sleep(n, s)) for n, s in (("c", 3), ("a", 1), ("b1", 2), ("b2", 2))]
    await settle()
    clock.advance(10)
    await asyncio.gather(*tasks)
    assert woken == ["a", "b1", "b2", "c"]


async def test_while_time_runs_each_sleeper_sees_its_own_wake_time_and_may_sleep_again() -> None:
    clock = HandClock(start=100.0)
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.now())

    ticking = asyncio.create_task(tick())
    await clock.run(35)
    assert ticks == [110.0, 120.0, 130.0]
    assert clock.now() == 135.0
    assert clock.next_wake == 140.0
    ticking.cancel()
    await settle()
    assert clock.sleeping == 0
    assert clock.next_wake is None


async def test_time_runs_only_until_what_was_waited_for_is_there() -> None:
    clock = HandClock(start=0.0)
    done = asyncio.Event()

    async def work() -> None:
        await clock.sleep(7)
        done.set()

    task = asyncio.create_task(work())
    assert await clock.run_until(done.is_set, at_most_s=60)
    assert clock.now() == 7.0
    assert not await clock.run_until(lambda: False, at_most_s=3)
    assert clock.now() == 10.0
    await task


async def test_a_sleep_of_nothing_only_lets_others_run() -> None:
    clock = HandClock()
    await clock.sleep(0)
    await clock.sleep(-1)
    assert clock.now() == START


async def test_tasks_that_never_rest_are_an_error_and_not_a_hang() -> None:
    clock = HandClock()

    async def spin() -> None:
        while True:
            await clock.sleep(0)

    spinning = asyncio.create_task(spin())
    with pytest.raises(RuntimeError, match="did not come to rest"):
        await settle()
    spinning.cancel()

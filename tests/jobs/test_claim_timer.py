"""One loop, runs that never overlap, and time that is handed in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headrace.jobs.claim_run import Findings
from headrace.jobs.claim_timer import ASKED, ClaimTimer
from headrace.jobs.schedule import Because, ClaimPolicy
from headrace.store import SqliteStore, open_store
from headrace.testing.clock import HandClock
from headrace.testing.outside import Outside
from jobs.making import NOW

POLICY = ClaimPolicy(interval_s=3600, initial_delay_s=60)


class Runner:
    """Runs as long as it is held."""

    def __init__(self) -> None:
        self.began = 0
        self.at_once, self.at_once_most = 0, 0
        self.free = asyncio.Event()
        self.free.set()
        self.began_one = asyncio.Event()
        self.findings = Findings()

    async def run(self) -> Findings:
        self.began += 1
        self.at_once += 1
        self.at_once_most = max(self.at_once, self.at_once_most)
        self.began_one.set()
        await self.free.wait()
        self.at_once -= 1
        return self.findings


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def clock(outside: Outside) -> HandClock:
    return HandClock(NOW, busy=outside.busy)


@pytest.fixture
async def store(tmp_path: Path, clock: HandClock, outside: Outside) -> AsyncIterator[SqliteStore]:
    async with open_store(tmp_path / "headrace.db", clock=clock) as store:
        yield outside.watch(store)


@asynccontextmanager
async def ticking(store: SqliteStore, clock: HandClock, runner: Runner) -> AsyncIterator[ClaimTimer]:
    timer = ClaimTimer(store=store, jobs=store, runner=runner, policy=POLICY, clock=clock)
    await timer.take_up()
    loop = asyncio.create_task(timer.run())
    try:
        yield timer
        assert not loop.done()
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    assert clock.sleeping == 0, "stopping cancels every timer"


async def test_the_first_run_comes_after_the_initial_delay_and_the_next_after_the_interval(
    store: SqliteStore, clock: HandClock
) -> None:
    runner = Runner()
    async with ticking(store, clock, runner):
        await clock.run(50)
        assert runner.began == 0
        await clock.run(20)
        assert runner.began == 1
        await clock.run(3500)
        assert runner.began == 1
        await clock.run(100)
        assert runner.began == 2
        reasons = [run.because for run in await store.claim_runs(limit=10)]
        assert reasons == [Because.INTERVAL.value, Because.STARTED.value]


async def test_a_run_that_is_asked_for_while_one_goes_on_is_that_one(store: SqliteStore, clock: HandClock) -> None:
    runner = Runner()
    runner.free.clear()
    async with ticking(store, clock, runner) as timer:
        first = await timer.settle_now()
        await asyncio.wait_for(runner.began_one.wait(), 10)
        second = await timer.settle_now()
        assert (first.begun, second.begun) == (True, False)
        assert second.run.number == first.run.number
        assert first.run.because == ASKED
        runner.free.set()
        await clock.run(1)
        third = await timer.settle_now()
        assert third.begun
        assert runner.at_once_most == 1


async def test_what_a_run_could_not_see_is_looked_at_again_soon_and_then_more_seldom(
    store: SqliteStore, clock: HandClock
) -> None:
    runner = Runner()
    runner.findings.miss("locks of 0x01 could not be read: no node answers")
    async with ticking(store, clock, runner) as timer:
        await clock.run(61)
        assert runner.began == 1
        assert timer.trouble is not None
        await clock.run(35)
        assert runner.began == 2
        await clock.run(35)
        assert runner.began == 2, "the pause grows"
        await clock.run(35)
        assert runner.began == 3
        runner.findings = Findings()
        await clock.run(150)
        assert runner.began == 4
        assert timer.trouble is None
        (newest, *_) = await store.claim_runs(limit=1)
        assert newest.because == Because.AGAIN.value


async def test_a_run_that_was_cut_off_by_a_crash_is_told_and_stands_in_nobodys_way(
    store: SqliteStore, clock: HandClock
) -> None:
    assert await store.begin_claim_run("before the crash", now=NOW) is not None
    await clock.run(100)
    runner = Runner()
    async with ticking(store, clock, runner) as timer:
        lost = (await store.claim_runs(limit=1))[0]
        assert lost.ended_at == NOW + 100
        assert (await timer.settle_now()).begun


async def test_who_stops_it_stops_every_timer(store: SqliteStore, clock: HandClock) -> None:
    """The original leaves the wait before the first run alive, and that run comes after the stop."""
    runner = Runner()
    timer = ClaimTimer(store=store, jobs=store, runner=runner, policy=POLICY, clock=clock)
    loop = asyncio.create_task(timer.run())
    await clock.run(30)
    assert (clock.sleeping, runner.began) == (1, 0), "it waits for the first run"
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    await clock.run(0)
    assert clock.sleeping == 0
    await clock.run(10_000)
    assert runner.began == 0

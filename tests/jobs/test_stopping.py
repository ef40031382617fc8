"""Nothing of claim runs is left when the service stops."""

import asyncio
from pathlib import Path

from headrace.jobs.claim_run import Findings
from headrace.jobs.claim_timer import ClaimTimer
from headrace.jobs.schedule import ClaimPolicy
from headrace.store import open_store
from headrace.testing.clock import HandClock
from headrace.testing.outside import Outside
from jobs.making import NOW


class Runner:
    def __init__(self) -> None:
        self.runs = 0

    async def run(self) -> Findings:
        self.runs += 1
        return Findings()


async def test_who_stops_it_stops_every_timer(tmp_path: Path) -> None:
    """The original stops the interval and not the wait before the first run, which comes after the stop."""
    outside, runner = Outside(), Runner()
    clock = HandClock(NOW, busy=outside.busy)
    async with open_store(tmp_path / "headrace.db", clock=clock) as opened:
        store = outside.watch(opened)
        timer = ClaimTimer(store=store, jobs=store, runner=runner, policy=ClaimPolicy(), clock=clock)
        task = asyncio.create_task(timer.run())
        await clock.run(30)
        assert (clock.sleeping, runner.runs) == (1, 0), "it waits for the first run"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await clock.run(0)
        assert clock.sleeping == 0
        await clock.run(10_000)
        assert runner.runs == 0

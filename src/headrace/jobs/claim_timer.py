"""Runs claim runs when they are due, or asked for.

Owns      the one loop from which runs are started.
Promises  runs never overlap, also not with those of another process on this store; whoever stops the loop stops
          everything: there is no timer besides it. A run that was cut off by a crash is told as such at start.
Leaves    when a run is due to `jobs.schedule`, what it does to `jobs.claim_run`.
"""

import asyncio
import logging
from typing import Final, Protocol

from headrace.core.ports import Clock
from headrace.core.ports.claim_runs import ClaimRun, ClaimRunStore
from headrace.core.ports.jobs import JobReader
from headrace.core.ports.settling import RunAsked
from headrace.jobs.claim_run import Findings
from headrace.jobs.schedule import ClaimPolicy, LastRun, NextRun, next_run

log = logging.getLogger(__name__)

# A job that ends may have a lock that expires soon: so often is looked whether one demands a run of its own.
LOOK_EVERY_S: Final = 15.0
ASKED: Final = "it was asked for"


class Runner(Protocol):
    async def run(self) -> Findings: ...


class ClaimTimer:
    def __init__(
        self, *, store: ClaimRunStore, jobs: JobReader, runner: Runner, policy: ClaimPolicy, clock: Clock
    ) -> None:
        self._store, self._jobs, self._runner = store, jobs, runner
        self._policy, self._clock = policy, clock
        self._asked: ClaimRun | None = None
        self._woken = asyncio.Event()
        self._last: LastRun | None = None
        self._trouble: str | None = None
        self._next_run: NextRun | None = None

    @property
    def trouble(self) -> str | None:
        """Why the newest run came to nothing, for people."""
        return self._trouble

    @property
    def next_run(self) -> NextRun | None:
        """As far as is known now; None before the first look."""
        return self._next_run

    async def settle_now(self) -> RunAsked:
        """As `core.ports.settling.Settlement.settle_now`."""
        run = await self._store.begin_claim_run(ASKED, now=self._clock.now())
        if run is not None:
            self._asked = run
            self._woken.set()
            return RunAsked(run, begun=True)
        newest = await self._store.claim_runs(limit=1)
        return RunAsked(newest[0], begun=False)

    async def take_up(self) -> None:
        """At start, before a run can be asked for."""
        await self._store.end_lost_claim_run(now=self._clock.now())

    async def run(self) -> None:
        started_at = self._clock.now()
        while True:
            run = await self._next(started_at)
            if run is not None:
                await self._carry_out(run)

    async def _next(self, started_at: float) -> ClaimRun | None:
        """The run that is due now; None: look again."""
        self._woken.clear()
        if self._asked is not None:
            run, self._asked = self._asked, None
            return run
        now = self._clock.now()
        first = await self._jobs.first_expiry(after=now + self._policy.margin_s)
        due = next_run(
            started_at=started_at,
            last=self._last,
            expiries=[] if first is None else [first],
            now=now,
            policy=self._policy,
        )
        self._next_run = due
        if due.at <= now:
            begun = await self._store.begin_claim_run(due.because.value, now=now)
            if begun is not None:
                return begun
        # One goes on: it was asked for just now.
        await self._woken_or(min(max(due.at - now, 1.0), LOOK_EVERY_S))
        return None

    async def _carry_out(self, run: ClaimRun) -> None:
        findings = await self._runner.run()
        now = self._clock.now()
        counts = {what: count for what, count in findings.counts.items() if count}
        await self._store.end_claim_run(run.number, counts=counts, troubles=findings.told(), now=now)
        missed = 0 if not findings.again else 1 if self._last is None else self._last.missed + 1
        self._last = LastRun(began_at=run.began_at, ended_at=now, missed=missed)
        self._trouble = None if findings.missed is None else f"claim run {run.number}: {findings.missed}"
        log.info(
            "claim run %d: %s", run.number, ", ".join(f"{n} {what}" for what, n in counts.items()) or "nothing"
        )
        for trouble in findings.told():
            log.warning("claim run %d: %s", run.number, trouble)

    async def _woken_or(self, seconds: float) -> None:
        waits: set[asyncio.Task[object]] = {
            asyncio.create_task(self._woken.wait()),
            asyncio.create_task(self._clock.sleep(seconds)),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

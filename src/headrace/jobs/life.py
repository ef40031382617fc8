"""Starts jobs, takes reports about them, notes wishes to stop them, and shows them.

Owns      what happens when two speak about one job at once, or one says a thing twice.
Promises  the same request is one job; the same report is one step; a stop is not lost to a report.
Leaves    what is legal to `jobs.starting` and `jobs.reporting`, who may ask to `api`, locks to the claim runs.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final

from headrace.core.errors import FixTheRequest, OtherContent, TryLater
from headrace.core.job import Job, JobEvent, JobId
from headrace.core.ports.compute import Report
from headrace.core.ports.jobs import JobCursor, JobFilter, JobStore, SettlementChange
from headrace.core.settlement import Due, NeedsHelp, NoLock
from headrace.jobs.reporting import take
from headrace.jobs.starting import StartRequest, make_job

_READINGS_MAX: Final = 5  # of a job that others keep changing while we decide
_PAGE_MAX: Final = 1000


class Stop(Enum):
    ASKED_NOW = "noted: the compute engine stops it"
    ASKED_BEFORE = "noted already"
    OVER = "its run is over: there is nothing to stop"


class JobLife:
    """`claim_duration_timeout_s`: how much longer than the longest run a job's lock lives."""

    def __init__(self, store: JobStore, *, claim_duration_timeout_s: int) -> None:
        self._store = store
        self._claim_duration_timeout_s = claim_duration_timeout_s

    async def start(self, request: StartRequest, *, now: float) -> Job:
        """The new job, or the one that this very request made before. Raises FixTheRequest, and OtherContent if
        the id belongs to another request; then nothing is stored."""
        job = make_job(request, claim_duration_timeout_s=self._claim_duration_timeout_s, now=now)
        already = await self._store.add_job(job)
        if already is None:
            return job
        if already.content != job.content:
            raise OtherContent(f"job {job.id} is already here, with other content", job=job.id)
        return already

    async def report(self, report: Report, *, now: float) -> Job:
        """The job after it. Saying it twice is saying it once. Raises FixTheRequest, or TryLater."""
        for _ in range(_READINGS_MAX):
            job = await self.job(report.job)
            try:
                step = take(job, report, now=now)
            except FixTheRequest:
                if await self._said_before(report):
                    return job
                raise
            if step is None:
                return job
            if await self._store.step_job(step):
                return await self.job(report.job)
        raise TryLater(f"job {report.job} is being changed by others all the time")

    async def request_stop(self, job: JobId, *, now: float) -> Stop:
        """Raises FixTheRequest if there is no such job."""
        if await self._store.request_stop(job, now=now):
            return Stop.ASKED_NOW
        found = await self.job(job)
        return Stop.OVER if found.result is not None else Stop.ASKED_BEFORE

    async def try_again(self, job: JobId, *, now: float) -> Job:
        """By word of a person, a payment that needed one is due again. Raises FixTheRequest."""
        return await self._help(job, Due("tried again by a person"), now=now)

    async def give_up(self, job: JobId, reason: str, *, now: float) -> Job:
        """By word of a person, a payment that needed one ends without proof: nothing can be had. The job stays in
        the status that it has. Raises FixTheRequest."""
        return await self._help(job, NoLock(reason), now=now)

    async def job(self, job: JobId) -> Job:
        """Raises FixTheRequest if there is no such job."""
        found = await self._store.job(job)
        if found is None:
            raise FixTheRequest(f"there is no job {job[:140]!r}", job=job[:140])
        return found

    async def history(self, job: JobId) -> Sequence[JobEvent]:
        """Oldest first. Raises FixTheRequest if there is no such job."""
        await self.job(job)
        return await self._store.job_history(job)

    async def jobs(
        self, filter: JobFilter, *, limit: int, cursor: JobCursor | None = None
    ) -> tuple[Sequence[Job], JobCursor | None]:
        """Newest first, with the cursor of the next page. Raises FixTheRequest."""
        if not 1 <= limit <= _PAGE_MAX:
            raise FixTheRequest(f"limit: {limit}; 1 to {_PAGE_MAX} are possible", field="limit")
        return await self._store.list_jobs(filter, limit=limit, cursor=cursor)

    async def _help(self, job: JobId, after: Due | NoLock, *, now: float) -> Job:
        found = await self.job(job)
        if found.result is None:
            raise FixTheRequest(f"job {job} still runs: its payment is no matter before that is over", job=job)
        if isinstance(after, Due) and found.lock is None:
            raise FixTheRequest(f"no lock of job {job} is known: there is nothing to try again", job=job)
        if isinstance(found.settlement, NeedsHelp):
            change = SettlementChange(job=job, before=found.settlement, after=after)
            if await self._store.change_settlements([change], now=now):
                return await self.job(job)
            found = await self.job(job)
        raise FixTheRequest(
            f"the payment of job {job} is {found.settlement.state.value}: nobody needs to help", job=job
        )

    async def _said_before(self, report: Report) -> bool:
        return report.at is not None and await self._store.was_reported(report.job, report.status, at=report.at)

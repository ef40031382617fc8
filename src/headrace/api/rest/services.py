"""What `/v1` needs of the rest, as the app hands it in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from headrace.core.job import Job, JobEvent
from headrace.core.ports.compute import ComputeEngine, Report
from headrace.core.ports.jobs import JobCursor, JobFilter
from headrace.core.ports.settling import Settlement
from headrace.core.terms import JobId
from headrace.jobs.life import Stop
from headrace.jobs.schedule import ClaimPolicy, NextRun


class JobBook(Protocol):
    """`jobs.life.JobLife`."""

    async def job(self, job: JobId) -> Job: ...

    async def jobs(
        self, filter: JobFilter, *, limit: int, cursor: JobCursor | None = None
    ) -> tuple[Sequence[Job], JobCursor | None]: ...

    async def history(self, job: JobId) -> Sequence[JobEvent]: ...

    async def report(self, report: Report, *, now: float) -> Job: ...

    async def request_stop(self, job: JobId, *, now: float) -> Stop: ...


class JobsByHand(Protocol):
    """`app.job_office`: what a person decides about a payment that nothing else can end. Raises FixTheRequest."""

    async def retry(self, job: JobId) -> Job:
        """Its payment is due again."""
        ...

    async def give_up(self, job: JobId, reason: str) -> Job:
        """Its payment ends without proof."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobServices:
    """`by_hand` is for the operator's own door (`api.control`), never for clients. `engine`: of ours, if there is
    one; environments that are not its own have an engine elsewhere. `next_run` answers when claims are due next,
    as far as it is known now; it must not block."""

    book: JobBook
    settlement: Settlement
    by_hand: JobsByHand | None = None
    engine: ComputeEngine | None = None
    policy: ClaimPolicy = field(default_factory=ClaimPolicy)
    next_run: Callable[[], NextRun | None] = lambda: None

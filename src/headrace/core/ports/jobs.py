"""What jobs and their settlement need of a store. Every method is durable when it returns, and one commit."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NewType, Protocol

from headrace.core.job import Job, JobEvent, JobStatus, Result, RunTimes
from headrace.core.operation import Operation
from headrace.core.ports.storage import Added
from headrace.core.settlement import Lock, Settlement, SettlementState
from headrace.core.terms import JobId
from headrace.core.words import Address, OperationId

JobCursor = NewType("JobCursor", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A job goes from one status to another (or stays, and is seen running). `run` as it is now; `result` if that
    was the run's end. `at` as reported, `received_at` by our own clock; both in unix seconds."""

    job: JobId
    before: JobStatus
    after: JobStatus
    at: float
    received_at: float
    run: RunTimes
    result: Result | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementChange:
    """From one state of a payment to another."""

    job: JobId
    before: Settlement
    after: Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs; an empty one means all. `created_from` in unix seconds."""

    statuses: Collection[JobStatus] = ()
    environments: Collection[str] = ()
    owners: Collection[Address] = ()
    created_from: float | None = None


class JobReader(Protocol):
    async def job(self, job: JobId) -> Job | None: ...

    async def job_of_operation(self, operation: OperationId) -> Job | None:
        """The job that this operation is settling (Claiming)."""
        ...

    async def was_reported(self, job: JobId, status: JobStatus, *, at: float) -> bool:
        """Whether its history has this very event."""
        ...

    async def job_history(self, job: JobId) -> Sequence[JobEvent]:
        """Oldest first."""
        ...

    async def list_jobs(
        self, filter: JobFilter, *, limit: int, cursor: JobCursor | None = None
    ) -> tuple[Sequence[Job], JobCursor | None]:
        """Newest first, with the cursor of the next page (None on the last). Raises FixTheRequest for a cursor
        that is none of ours."""
        ...

    async def jobs_to_settle(
        self, states: Collection[SettlementState], *, limit: int, after: JobId | None = None
    ) -> Sequence[Job]:
        """Those whose payment is in one of `states` (none of the settled ones), oldest first, from behind `after`.
        Of every environment: one that is no longer offered has its payments too."""
        ...

    async def first_expiry(self, *, after: float) -> int | None:
        """When the first lock after that moment expires whose payment is due. Unix seconds."""
        ...


class JobStore(JobReader, Protocol):
    async def add_job(self, job: Job) -> Job | None:
        """Saves it and answers None; or answers with the one that is already here under this id."""
        ...

    async def step_job(self, step: Step) -> bool:
        """Takes the step if the job is still in `before`; else nothing is written and the answer is False. A run's
        end makes its payment due if it is locked. Only columns of the run are written: a stop that is asked for
        meanwhile stays."""
        ...

    async def request_stop(self, job: JobId, *, now: float) -> bool:
        """True if it is noted now: the run is not over, and nobody asked before."""
        ...

    async def record_lock(self, job: JobId, lock: Lock, *, now: float) -> bool:
        """The lock as it was mined, or was mined again elsewhere after a reorg: the payment is unsettled from now
        on, or due if the run is over already. False if the payment is under way or settled."""
        ...

    async def record_no_lock(self, job: JobId, reason: str, *, now: float) -> bool:
        """The lock that was awaited will never come: the payment ends without one, and the run, which has not
        begun, ends as JOB_QUEUED_EXPIRED. False if it is not awaited (any more)."""
        ...

    async def change_settlements(self, changes: Sequence[SettlementChange], *, now: float) -> Sequence[JobId]:
        """Takes each change whose job is still as in `before`, and answers for which. A proven end takes a job
        from JOB_SETTLE to JOB_FINISHED; any other status stays what it is."""
        ...

    async def begin_settling(
        self, changes: Sequence[tuple[SettlementChange, Operation]], *, now: float
    ) -> Sequence[Added | None]:
        """Changes to Claiming, each with its operation, all in one commit and in the order given. Answers for
        each: FRESH or SAME, both are saved; any other, the operation could not be added and the job stays as it
        is; None, the job was no longer as in `before`."""
        ...

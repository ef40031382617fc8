"""Between jobs and whoever runs them: what an engine is asked, what it needs of jobs, and what it reports.

An outside engine says the same `Report`s through `POST /v1/jobs/{id}/events`; an engine of ours hands them over
without HTTP. Neither has another way to move a job.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from headrace.core.job import Job, JobStatus
from headrace.core.ports.jobs import JobCursor, JobFilter
from headrace.core.terms import JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`at`: since when the job is in this status, in unix seconds by the engine's clock; None where the engine
    does not know (it was down, the container was gone): a run is billed only for what is known."""

    job: JobId
    status: JobStatus
    at: float | None = None
    detail: str = ""
    exit_code: int | None = None
    out_of_memory: bool = False


class JobDesk(Protocol):
    """Where an engine of ours finds its jobs and reports about them. `jobs.life.JobLife` is one."""

    async def job(self, job: JobId) -> Job:
        """Raises FixTheRequest if there is no such job."""
        ...

    async def jobs(
        self, filter: JobFilter, *, limit: int, cursor: JobCursor | None = None
    ) -> tuple[Sequence[Job], JobCursor | None]:
        """Newest first, with the cursor of the next page. `limit` up to 1000."""
        ...

    async def report(self, report: Report, *, now: float) -> Job:
        """The job after it: a stop that was asked for is on it. Raises FixTheRequest, or TryLater."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFile:
    """`index` counts what is there, from 0. `bytes_` is its size."""

    filename: str
    bytes_: int
    type: Literal["algorithmLog", "output", "publishLog"]
    index: int


class ComputeEngine(Protocol):
    """An engine of ours, as seen by whoever takes requests. It finds its jobs in the store: being told is what
    makes it quick, not what makes it sure."""

    @property
    def environment(self) -> str:
        """Jobs of this environment are its own. Nobody else may report about them."""
        ...

    def check(self, algorithm: bytes, *, max_duration_s: int) -> None:
        """Before such a job is stored or a lock asked for. Raises FixTheRequest for an algorithm that it cannot
        run, NeedsOperator where it runs nothing (there is no sandbox), TryLater while too many wait."""
        ...

    def tell(self, job: JobId) -> None:
        """This job is new, or its lock is mined, or a stop is asked for. Never blocks, never fails; a job that
        is none of its own is passed over."""
        ...

    async def results(self, job: JobId) -> Sequence[ResultFile]:
        """What it published of this job; nothing yet: none."""
        ...

    async def result(self, job: JobId, index: int) -> tuple[ResultFile, Path]:
        """One of them, and the file that has its bytes. Raises FixTheRequest if there is no such result."""
        ...

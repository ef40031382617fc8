"""Life of one compute job: from a request to results, told in the numbers that compute engines use.

Owns      statuses with their numbers and texts, the map between them, which of them end a run, which are paid.
Promises  how a run ended is written once and never overwritten, whatever becomes of its payment.
Leaves    the payment to `core.settlement`, its price to `core.terms`, what a report means to `headrace.jobs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from headrace.core.settlement import Lock, Settlement, SettlementState
from headrace.core.terms import JobId, Terms
from headrace.core.words import Address

__all__ = ["Job", "JobEvent", "JobId", "JobStatus", "Result", "RunTimes"]  # and the tables below


class JobStatus(IntEnum):
    """Where a job is. 71 comes before 70: it was added later."""

    JOB_STARTED = 0  # taken; a paid one waits for its lock here
    JOB_QUEUED = 1
    JOB_QUEUED_EXPIRED = 2
    PULL_IMAGE = 10
    PULL_IMAGE_FAILED = 11
    BUILD_IMAGE = 12
    BUILD_IMAGE_FAILED = 13
    VULNERABLE_IMAGE = 14
    CONFIGURING_VOLUMES = 20
    VOLUME_CREATION_FAILED = 21
    CONTAINER_CREATION_FAILED = 22
    PROVISIONING = 30
    DATA_PROVISIONING_FAILED = 31
    ALGORITHM_PROVISIONING_FAILED = 32
    DATA_UPLOAD_FAILED = 33
    RUNNING_ALGORITHM = 40
    ALGORITHM_FAILED = 41
    DISK_QUOTA_EXCEEDED = 42
    FILTERING_RESULTS = 50
    PUBLISHING_RESULTS = 60
    RESULTS_FETCH_FAILED = 61
    RESULTS_UPLOAD_FAILED = 62
    JOB_FINISHED = 70
    JOB_SETTLE = 71

    @property
    def text(self) -> str:
        return TEXT[self]

    def __str__(self) -> str:
        return f"{self.value} ({self.text.strip()})"


TEXT: Final[Mapping[JobStatus, str]] = {
    JobStatus.JOB_STARTED: "Job started",
    JobStatus.JOB_QUEUED: "Job queued",
    JobStatus.JOB_QUEUED_EXPIRED: "Job expired in queue",
    JobStatus.PULL_IMAGE: "Pulling algorithm image",
    JobStatus.PULL_IMAGE_FAILED: "Pulling algorithm image failed",
    JobStatus.BUILD_IMAGE: "Building algorithm image",
    JobStatus.BUILD_IMAGE_FAILED: "Building algorithm image failed",
    JobStatus.VULNERABLE_IMAGE: "Image has vulnerabilities",
    JobStatus.CONFIGURING_VOLUMES: "Configuring volumes",
    JobStatus.VOLUME_CREATION_FAILED: "Volume creation failed",
    JobStatus.CONTAINER_CREATION_FAILED: "Container creation failed",
    JobStatus.PROVISIONING: "Provisioning data",
    JobStatus.DATA_PROVISIONING_FAILED: "Data provisioning failed",
    JobStatus.ALGORITHM_PROVISIONING_FAILED: "Algorithm provisioning failed",
    JobStatus.DATA_UPLOAD_FAILED: "Data upload to container failed",
    # The space at its end belongs to it: clients of existing engines compare whole texts.
    JobStatus.RUNNING_ALGORITHM: "Running algorithm ",
    JobStatus.ALGORITHM_FAILED: "Failed to run algorithm",
    JobStatus.DISK_QUOTA_EXCEEDED: "Error: disk quota exceeded",
    JobStatus.FILTERING_RESULTS: "Filtering results",
    JobStatus.PUBLISHING_RESULTS: "Publishing results",
    JobStatus.RESULTS_FETCH_FAILED: "Failed to get outputs folder from container",
    JobStatus.RESULTS_UPLOAD_FAILED: "Failed to upload results to storage",
    JobStatus.JOB_FINISHED: "Job finished",
    JobStatus.JOB_SETTLE: "Job settling",
}

# The map of a job's life. The diagram in docs/architecture.md and tests are made from this table.
NEXT: Final[Mapping[JobStatus, frozenset[JobStatus]]] = {
    JobStatus.JOB_STARTED: frozenset(
        {
            JobStatus.JOB_QUEUED,
            JobStatus.JOB_QUEUED_EXPIRED,  # its lock never came, or it was stopped before anything began
            JobStatus.PULL_IMAGE,
            JobStatus.BUILD_IMAGE,
            JobStatus.CONFIGURING_VOLUMES,  # no image is needed
        }
    ),
    JobStatus.JOB_QUEUED: frozenset(
        {
            JobStatus.JOB_QUEUED_EXPIRED,
            JobStatus.PULL_IMAGE,
            JobStatus.BUILD_IMAGE,
            JobStatus.CONFIGURING_VOLUMES,
        }
    ),
    JobStatus.JOB_QUEUED_EXPIRED: frozenset(),
    JobStatus.PULL_IMAGE: frozenset({JobStatus.PULL_IMAGE_FAILED, JobStatus.CONFIGURING_VOLUMES}),
    JobStatus.PULL_IMAGE_FAILED: frozenset(),
    JobStatus.BUILD_IMAGE: frozenset({JobStatus.BUILD_IMAGE_FAILED, JobStatus.CONFIGURING_VOLUMES}),
    JobStatus.BUILD_IMAGE_FAILED: frozenset(),
    JobStatus.VULNERABLE_IMAGE: frozenset(),
    JobStatus.CONFIGURING_VOLUMES: frozenset(
        {
            JobStatus.VULNERABLE_IMAGE,
            JobStatus.VOLUME_CREATION_FAILED,
            JobStatus.CONTAINER_CREATION_FAILED,
            JobStatus.DATA_PROVISIONING_FAILED,
            JobStatus.PROVISIONING,
            JobStatus.PUBLISHING_RESULTS,  # building took all of its time
        }
    ),
    JobStatus.VOLUME_CREATION_FAILED: frozenset(),
    JobStatus.CONTAINER_CREATION_FAILED: frozenset(),
    JobStatus.PROVISIONING: frozenset(
        {
            JobStatus.DATA_PROVISIONING_FAILED,
            JobStatus.ALGORITHM_PROVISIONING_FAILED,
            JobStatus.DATA_UPLOAD_FAILED,
            JobStatus.RUNNING_ALGORITHM,
        }
    ),
    JobStatus.DATA_PROVISIONING_FAILED: frozenset(),
    JobStatus.ALGORITHM_PROVISIONING_FAILED: frozenset(),
    JobStatus.DATA_UPLOAD_FAILED: frozenset(),
    JobStatus.RUNNING_ALGORITHM: frozenset(
        {
            JobStatus.CONFIGURING_VOLUMES,  # its container is gone: from there again
            JobStatus.ALGORITHM_FAILED,
            JobStatus.DISK_QUOTA_EXCEEDED,
            JobStatus.FILTERING_RESULTS,
            JobStatus.PUBLISHING_RESULTS,
        }
    ),
    JobStatus.ALGORITHM_FAILED: frozenset(),
    JobStatus.DISK_QUOTA_EXCEEDED: frozenset(),
    JobStatus.FILTERING_RESULTS: frozenset({JobStatus.PUBLISHING_RESULTS, JobStatus.RESULTS_FETCH_FAILED}),
    JobStatus.PUBLISHING_RESULTS: frozenset(
        {
            JobStatus.RESULTS_FETCH_FAILED,
            JobStatus.RESULTS_UPLOAD_FAILED,
            JobStatus.JOB_SETTLE,  # a paid job
            JobStatus.JOB_FINISHED,  # a free one
        }
    ),
    JobStatus.RESULTS_FETCH_FAILED: frozenset(),
    JobStatus.RESULTS_UPLOAD_FAILED: frozenset(),
    JobStatus.JOB_FINISHED: frozenset(),
    JobStatus.JOB_SETTLE: frozenset({JobStatus.JOB_FINISHED}),  # with proof that its payment is settled
}

# The run is over. What can still happen is settlement.
FINISHED: Final = frozenset({JobStatus.JOB_SETTLE, JobStatus.JOB_FINISHED})
FAILED: Final = frozenset(s for s, following in NEXT.items() if not following) - FINISHED
RUN_OVER: Final = FINISHED | FAILED

# Ends of a run that used what was paid for. A paid job in any other end pays nothing: its lock is released.
BILLED: Final = frozenset(
    {
        JobStatus.ALGORITHM_FAILED,
        JobStatus.DISK_QUOTA_EXCEEDED,
        JobStatus.RESULTS_FETCH_FAILED,
        JobStatus.RESULTS_UPLOAD_FAILED,
        JobStatus.JOB_SETTLE,
    }
)

# What may be reported of a paid job before its lock is mined.
BEFORE_THE_LOCK: Final = frozenset({JobStatus.JOB_QUEUED, JobStatus.JOB_QUEUED_EXPIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimes:
    """In unix seconds, by the compute engine's clock. None: not yet, or the engine does not know.

    `seen_running_at` is the last moment at which the algorithm was known to run."""

    build_started_at: float | None = None
    build_ended_at: float | None = None
    started_at: float | None = None
    seen_running_at: float | None = None
    stopped_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How the run ended, whatever becomes of the payment. An algorithm that exits with another code than 0 has
    run: its job is finished, not failed."""

    status: JobStatus
    at: float
    detail: str = ""
    exit_code: int | None = None
    out_of_memory: bool = False

    def __post_init__(self) -> None:
        assert self.status in RUN_OVER, self

    @property
    def finished(self) -> bool:
        return self.status in FINISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that is known of one job. Times in unix seconds.

    `content` is a digest of what was asked (32 bytes): same id with other content is refused. `metadata` is JSON
    text of the client; `algorithm` is what the compute engine is to run, in its own form. `terms` None: it is
    free. `lock` is there once it is mined. `claims` counts the operations that were made to settle it.
    """

    id: JobId
    content: bytes
    owner: Address
    environment: str
    created_at: float
    max_duration_s: int
    queue_max_wait_s: int
    metadata: str | None
    algorithm: bytes
    terms: Terms | None
    settlement: Settlement
    status: JobStatus = JobStatus.JOB_STARTED
    status_at: float
    run: RunTimes = RunTimes()
    stop_requested_at: float | None = None
    result: Result | None = None
    lock: Lock | None = None
    claims: int = 0

    def __post_init__(self) -> None:
        assert (self.terms is None) == (self.settlement.state is SettlementState.FREE), self.id
        assert (self.result is None) == (self.status not in RUN_OVER), self.id

    @property
    def is_free(self) -> bool:
        return self.terms is None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One line of a job's history: a status it took, or a state of its payment. `at` is when it was so (a
    compute engine's clock for statuses), `received_at` when we learned of it; both in unix seconds."""

    at: float
    received_at: float
    status: JobStatus | None = None
    settlement: SettlementState | None = None
    detail: str = ""

"""What the gateway's doors need of the rest, as the app hands it in.

Owns      the ports of `api` (each no wider than its use), and the limits of the doors.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from headrace.api.rest.services import JobServices
from headrace.api.topics import Topics
from headrace.core.errors import HeadraceError
from headrace.core.operation import Account, Ending, Operation, Stage
from headrace.core.ports import Added, Clock, Evaluation, LaneAccount
from headrace.core.words import ChainId, Nonce, OperationId, Outcome, Selector
from headrace.operators.evaluation import Answer, TaskRequest


class TaskDesk(Protocol):
    """`operators.desk.Desk`."""

    async def create(self, request: TaskRequest, *, operation: OperationId | None, timeout_s: float) -> Answer: ...

    async def send(self, request: TaskRequest, *, operation: OperationId | None) -> Evaluation: ...

    async def cancel(self, operation: OperationId) -> None: ...

    async def end_late(self, evaluation: Evaluation) -> bool: ...


class Admission(Protocol):
    """`engine.intake.Intake`."""

    async def admit(self, operation: Operation) -> Added:
        """FRESH or SAME once it is durable. Raises OtherContent, TryLater, FixTheRequest."""
        ...

    async def admit_all(self, operations: Sequence[Operation]) -> Sequence[Added | HeadraceError]:
        """Of each what `admit` answers or raises."""
        ...


class AccountReader(Protocol):
    """Of `core.ports.Reader`."""

    async def account(self, operation: OperationId) -> Account | None: ...

    async def list_accounts(
        self,
        *,
        workload: str | None = None,
        stage: Stage | None = None,
        outcome: Outcome | None = None,
        limit: int,
        cursor: int | None = None,
    ) -> tuple[Sequence[Account], int | None]: ...


class EvaluationReader(Protocol):
    """Of `core.ports.EvaluationStore`."""

    async def evaluation(self, operation: OperationId) -> Evaluation | None: ...

    async def evaluation_about(self, subject: bytes) -> Evaluation | None: ...


class Cancel(Protocol):
    """Ends an operation in the store, and those that come after it, unless it is sealed or done already. Answers
    with every ending it wrote; the news of them is told by `api`."""

    async def __call__(self, operation: OperationId) -> Sequence[Ending]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A `headrace_submit`, but for its payload's meaning. `deadline` and `received_at` in unix seconds."""

    id: OperationId
    kind: str
    payload: object
    received_at: float
    after: OperationId | None
    deadline: float | None


class Acceptor(Protocol):
    """Turns the payloads of one workload into operations: hex and JSON end here."""

    @property
    def kinds(self) -> Sequence[str]: ...

    def accept(self, submission: Submission) -> Operation:
        """`submission.kind` is one of `kinds`. Raises FixTheRequest with the path of the field."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneReport:
    """A lane as `headrace_lanes` shows it. `help_wanted`: what a person must do. `chain_nonces`: the account's
    next nonce by the newest block, and with the node's pool; None where the chain did not say."""

    account: LaneAccount
    help_wanted: str | None = None
    balance_wei: int | None = None
    chain_nonces: tuple[Nonce, Nonce] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of the doors. What is over a limit is told so at once."""

    body_bytes_max: int = 1 << 20
    bodies_bytes_max: int = 64 << 20  # of all bodies that are being read or worked on
    body_read_s: float = 30.0
    depth_max: int = 32
    batch_max: int = 100
    calls_max: int = 4_096  # being worked on
    task_timeout_max_s: float = 120.0
    wait_timeout_max_s: float = 120.0
    list_max: int = 500
    sockets_max: int = 1_000
    socket_idle_s: float = 60.0  # without subscription or message
    socket_close_s: float = 2.0  # for a last word to a slow reader, then the connection is cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """`desk` None: this gateway records no tasks for clients. `jobs` None: it settles no compute jobs.
    `quorum_numbers`, `threshold_percent`: of this deployment, and the defaults of a task request.
    `recorded_kind`: the kind of the operation that ends a task request (recording `separate`: respond).
    `readiness` answers why the gateway is not ready; it must not block. `unknown_reverts`: how often each selector
    came, since the start, that no known ABI has."""

    desk: TaskDesk | None
    intake: Admission
    acceptors: Mapping[str, Acceptor]
    cancel: Cancel
    reader: AccountReader
    evaluations: EvaluationReader
    topics: Topics
    readiness: Callable[[], Sequence[str]]
    lanes: Callable[[], Awaitable[Sequence[LaneReport]]]
    clock: Clock
    chain: ChainId
    threshold_percent: int
    quorum_numbers: bytes = b"\x00"
    recorded_kind: str = "create_and_respond"
    jobs: JobServices | None = None
    unknown_reverts: Callable[[], Mapping[Selector, int]] = dict
    limits: Limits = field(default_factory=Limits)

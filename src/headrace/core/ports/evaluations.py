"""What the desk needs of a store: the off-chain answer to one task request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.core.operation import Operation
from headrace.core.words import (
    OperationId,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A task built for a request, and what the operators made of it.

    `task` as the workload encodes it; `request` and `result` are opaque to the store (result None while open).
    `resume` says that somebody was told yes: it goes on after a crash. Times in unix seconds.
    """

    operation: OperationId
    content: bytes
    subject: bytes
    request: bytes
    task: bytes
    resume: bool
    received_at: float
    result: bytes | None = None


class EvaluationStore(Protocol):
    async def begin_evaluation(self, evaluation: Evaluation) -> Evaluation | None:
        """Saves it and answers None; or answers with the one that is already here under this id.
        Raises SubjectTaken if another id has the same subject, OtherContent if a submitted operation has this
        id."""
        ...

    async def conclude_evaluation(
        self, operation: OperationId, *, result: bytes, operations: Sequence[Operation]
    ) -> None:
        """The answer, and the operations that follow from it, in one commit. Written once: if there is a
        result already, nothing changes."""
        ...

    async def evaluation(self, operation: OperationId) -> Evaluation | None: ...

    async def evaluation_about(self, subject: bytes) -> Evaluation | None: ...

    async def open_evaluations(self) -> Sequence[Evaluation]:
        """Those with `resume` and no result, oldest first."""
        ...


class SubjectTaken(Exception):
    """Another id already has this subject."""

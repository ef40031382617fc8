"""What waiters, topics and (later) webhooks hear."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from headrace.core.operation import Operation
from headrace.core.words import (
    Address,
    BatchId,
    BlockNumber,
    Nonce,
    OperationId,
    Outcome,
    Revert,
    TxHash,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationNews:
    """An operation ended, or went back to the queue."""

    operation: OperationId
    what: Literal["queued", "done"]
    at: float
    outcome: Outcome | None = None
    reason: str = ""
    revert: Revert | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNews:
    """Something happened to a transaction, and so to all that ride in it. `retracted`: it was mined, and its
    block was uncled. `without_effect`: mined, but these operations of it did nothing."""

    batch: BatchId
    lane: Address
    nonce: Nonce
    what: Literal["batched", "sent", "mined", "retracted", "settled"]
    operations: Sequence[Operation]
    at: float
    transaction: TxHash
    block: BlockNumber | None = None
    gas_used: int | None = None
    without_effect: Collection[OperationId] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationNews:
    """The off-chain answer to a task request took a step. `subject` is the task id."""

    subject: bytes
    what: Literal["evaluating", "certified", "refused", "failed"]
    at: float
    data: Mapping[str, object]


News = OperationNews | BatchNews | EvaluationNews


class Announce(Protocol):
    def __call__(self, news: News) -> None:
        """Never blocks, never fails: who does not listen in time is closed by whoever delivers."""
        ...

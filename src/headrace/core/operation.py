"""Life of one operation: from a client's wish to an outcome the chain agrees with.

Owns      the words for where an operation is, the map of states, and what ends or returns it to the queue.
Promises  an outcome is written once; nothing leaves `DONE`.
Leaves    which operations travel together to `core.packing`, the transaction they ride in to `core.transaction`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from headrace.core.words import (
    Address,
    BatchId,
    BlockHash,
    BlockNumber,
    ChainId,
    Nonce,
    OperationId,
    Outcome,
    Revert,
    TxHash,
)


class Stage(Enum):
    """Where an operation is in the store."""

    WAITING = "waiting"  # for the operation it comes after
    QUEUED = "queued"
    CLAIMED = "claimed"  # taken by a lane, not yet sealed: goes back to the queue in a crash
    SEALED = "sealed"  # rides in a signed transaction
    DONE = "done"


# The map of an operation's life. The diagram in docs/architecture.md and a test are made from this table.
NEXT: Final[Mapping[Stage, frozenset[Stage]]] = {
    Stage.WAITING: frozenset({Stage.QUEUED, Stage.DONE}),
    Stage.QUEUED: frozenset({Stage.CLAIMED, Stage.WAITING, Stage.DONE}),
    Stage.CLAIMED: frozenset({Stage.QUEUED, Stage.WAITING, Stage.SEALED, Stage.DONE}),
    Stage.SEALED: frozenset({Stage.QUEUED, Stage.WAITING, Stage.DONE}),
    Stage.DONE: frozenset(),
}


class State(Enum):
    """Where an operation is, as a client sees it: its stage, and that of the transaction it rides in."""

    QUEUED = "queued"
    BATCHED = "batched"
    SENT = "sent"
    MINED = "mined"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a client asks to happen on chain, once.

    `content` is a digest of what was asked (32 bytes): same id with other content is refused.
    `subject` is the key under which the chain will show the effect (for tasks the 32-byte task id).
    `form` is how it travels now; it starts as the kind and changes when part of the work is already on chain.
    `deadline` in unix seconds; `deadline_block` is the last block it may land in.
    `wait_until` bounds the wait for `after`, in unix seconds.
    `sender`: the only account that may send it; None where any lane may.
    """

    id: OperationId
    content: bytes
    workload: str
    kind: str
    form: str
    chain: ChainId
    subject: bytes
    payload: bytes
    received_at: float
    after: OperationId | None = None
    wait_until: float | None = None
    deadline: float | None = None
    deadline_block: BlockNumber | None = None
    retries: int = 0  # transient failures of its own that it has spent
    sender: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an operation ends, and why."""

    operation: OperationId
    outcome: Outcome
    reason: str = ""
    revert: Revert | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """An operation goes back to the queue (never from DONE). `form` where it travels differently from now on."""

    operation: OperationId
    reason: str
    form: str | None = None
    retries: int = 0  # its new count
    not_before: float | None = None  # unix seconds
    revert: Revert | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ride:
    """The transaction an operation rides in. Block fields are there once it is mined."""

    batch: BatchId
    lane: Address
    nonce: Nonce
    index: int
    hash: TxHash  # the mined attempt, else the newest
    attempts: int
    block: BlockNumber | None
    block_hash: BlockHash | None
    gas_share: int
    cost_share_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that is known of one operation, for those who ask. Times in unix seconds."""

    operation: Operation
    stage: Stage
    state: State
    outcome: Outcome | None
    reason: str
    revert: Revert | None
    ride: Ride | None
    batched_at: float | None
    sent_at: float | None
    mined_at: float | None
    done_at: float | None

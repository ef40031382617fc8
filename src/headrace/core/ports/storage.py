"""What the engine needs of a store. Every method is durable when it returns, and one commit."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from headrace.core.lanes import LaneRecord
from headrace.core.operation import Ending, Operation, Return
from headrace.core.ports.reading import LaneAccount
from headrace.core.transaction import Settled, Transaction, Void
from headrace.core.words import (
    Address,
    BlockNumber,
    ChainId,
    Nonce,
    OperationId,
)


class Added(Enum):
    FRESH = "saved now"
    SAME = "already here, with this content"
    OTHER_CONTENT = "already here, with other content"
    SUBJECT_TAKEN = "an unfinished operation of this kind has the same subject"
    NO_PREDECESSOR = "there is no operation that it names in `after`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A line in somebody's story: an operation id, a batch id, or a transaction as `lane/nonce`."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """`ready`: operations that a lane could claim now; a store may stop counting where there are more than a lane
    seals between two looks. `backlog`: those that are neither sealed nor done (waiting, queued, at rest, claimed).
    `overdue`: one of these can no longer land, see `OperationStore.end_overdue`."""

    ready: int
    backlog: int
    overdue: bool


class OperationStore(Protocol):
    async def add_operations(self, operations: Sequence[Operation]) -> Sequence[Added]:
        """Saves each that is new; answers for each, and what one of them lacks is no matter of the others. An
        operation whose `after` is not done yet starts WAITING; one whose `after` ended without effect starts and
        ends as cancelled (FRESH too: its account tells)."""
        ...

    async def claim_ready(
        self, *, chain: ChainId, lane: Address, workload: str, most: int, now: float
    ) -> Sequence[Operation]:
        """Oldest first. Two claimers never get the same operation. Skips those that may not travel yet, and those
        that have another sender."""
        ...

    async def release(self, operations: Collection[OperationId]) -> None:
        """Claimed ones go back to the queue as if nothing had happened."""
        ...

    async def judge(
        self, endings: Sequence[Ending], returns: Sequence[Return], *, now: float, notes: Sequence[Note] = ()
    ) -> Sequence[Ending]:
        """Ends some, returns others; an operation that is done stays as it is. Those that waited for one that
        ended without effect end as cancelled; those that waited for one whose effect is there are queued.
        Answers with every ending it wrote, the cancelled followers included. A note about an operation that is
        returned for the reason that it has already is not written again."""
        ...

    async def end_overdue(self, *, now: float, head: BlockNumber, chain: ChainId) -> Sequence[Ending]:
        """Ends as expired whatever is not sealed and can no longer land: deadline, deadline_block <= head,
        wait_until (which does not count while the predecessor is sealed: it may be mined, or again, any time)."""
        ...

    async def cancel(self, operation: OperationId, *, now: float) -> Sequence[Ending]:
        """Ends it as cancelled, and all that come after it, unless it is sealed or done already (then nothing is
        written). Answers with every ending it wrote, its own first."""
        ...

    async def look(
        self, *, chain: ChainId, lane: Address, workloads: Sequence[str], now: float, head: BlockNumber | None
    ) -> Waiting:
        """What waits on this chain, in one question. Without `head` no deadline in blocks is overdue."""
        ...


class TransactionStore(Protocol):
    async def next_nonce(self, *, chain: ChainId, lane: Address) -> Nonce:
        """From the ledger: one past the highest it has, but never below the lane's adopted start."""
        ...

    async def adopt(self, *, chain: ChainId, lane: Address, start: Nonce, now: float) -> None:
        """Nonces of this lane begin here, if that is higher than what the ledger would give."""
        ...

    async def seal(
        self,
        transaction: Transaction,
        *,
        chain: ChainId,
        lane: Address,
        workload: str,
        form: str,
        operations: Sequence[OperationId],
        notes: Sequence[Note] = (),
    ) -> None:
        """Batch, nonce and signed bytes in one commit. Raises NonceUsed if the nonce has an owner already, and
        NotClaimed if one of the operations is not claimed by this lane, and LaneDrained if it has operations and
        the lane is drained; then nothing is saved."""
        ...

    async def record(
        self,
        transaction: Transaction,
        *,
        chain: ChainId,
        lane: Address,
        now: float,
        notes: Sequence[Note] = (),
        without_effect: Collection[OperationId] = (),
    ) -> None:
        """The transaction as it is now, every attempt of it. Newly mined: followers of its operations are
        queued, except of those `without_effect`. No longer mined: followers that are not sealed wait again."""
        ...

    async def settle(
        self,
        transaction: Settled | Void,
        *,
        chain: ChainId,
        lane: Address,
        endings: Sequence[Ending],
        returns: Sequence[Return],
        now: float,
        notes: Sequence[Note] = (),
    ) -> Sequence[Ending]:
        """The final state of a transaction and what became of its operations, in one commit.
        Answers as `OperationStore.judge`."""
        ...

    async def transaction_at(self, *, chain: ChainId, lane: Address, nonce: Nonce) -> Transaction | None:
        """What the ledger has for a nonce, final or not."""
        ...

    async def unsettled(self, *, chain: ChainId, lane: Address) -> Sequence["Voyage"]:
        """Lowest nonce first."""
        ...

    async def release_claims(self, *, chain: ChainId, lane: Address) -> int:
        """After a crash: what was claimed and never sealed is queued again."""
        ...

    async def foreign_lanes(self, *, chain: ChainId, lanes: Collection[Address]) -> Sequence[LaneAccount]:
        """Lanes, of any chain, that are not `lanes` of `chain` and have claims or unsettled transactions. One
        that has neither in flight nor mined has claims only."""
        ...

    async def release_foreign_claims(self, *, chain: ChainId, lanes: Collection[Address]) -> int:
        """What lanes other than `lanes` of `chain` have claimed is queued again."""
        ...


class LaneStore(Protocol):
    """What a person says about a lane. It holds across restarts."""

    async def drain(self, *, chain: ChainId, lane: Address, now: float, notes: Sequence[Note] = ()) -> bool:
        """From now on the lane seals no batch. False where it was drained already: then nothing is written."""
        ...

    async def resume(self, *, chain: ChainId, lane: Address, now: float, notes: Sequence[Note] = ()) -> bool:
        """It seals batches again. False where it was not drained: then nothing is written."""
        ...

    async def begin_at(
        self, *, chain: ChainId, lane: Address, start: Nonce, now: float, notes: Sequence[Note] = ()
    ) -> None:
        """Nonces of this lane go on from here, also where that is lower than what was adopted before. Raises
        NonceUsed where the ledger has this nonce or a higher one; then nothing is written."""
        ...

    async def lane_record(self, *, chain: ChainId, lane: Address) -> LaneRecord:
        """Of a lane that nothing is known of too: it begins at 0."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Voyage:
    """A transaction and the operations that ride in it, in the batch's order."""

    transaction: Transaction
    workload: str
    form: str
    operations: Sequence[Operation]


class NonceUsed(Exception):
    """This lane already has a transaction with that nonce."""


class NotClaimed(Exception):
    """An operation that was to be sealed is not claimed by this lane (any more)."""


class LaneDrained(Exception):
    """A batch was to be sealed by a lane that is drained."""

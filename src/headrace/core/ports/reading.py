"""What people ask of the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.core.lanes import LaneState, state_of
from headrace.core.operation import Account, Stage
from headrace.core.transaction import Transaction
from headrace.core.words import (
    Address,
    BatchId,
    ChainId,
    Nonce,
    OperationId,
    Outcome,
    Selector,
    TxHash,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a story. `at` in unix seconds."""

    at: float
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One transaction of a lane, as people ask for it."""

    chain: ChainId
    lane: Address
    transaction: Transaction
    workload: str
    form: str
    operations: Sequence[OperationId]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneAccount:
    chain: ChainId
    lane: Address
    next_nonce: Nonce
    in_flight: int
    mined: int
    settled: int
    drained_at: float | None = None  # unix seconds

    @property
    def state(self) -> LaneState:
        return state_of(drained_at=self.drained_at, unsettled=self.in_flight + self.mined)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownRevert:
    """How many operations have, as their last revert, one that no known ABI could read. `selector` is empty for
    data that is shorter than one; `example` is the newest of them."""

    selector: Selector
    operations: int
    example: OperationId


class Reader(Protocol):
    async def account(self, operation: OperationId) -> Account | None: ...

    async def accounts_about(self, subject: bytes) -> Sequence[Account]: ...

    async def list_accounts(
        self,
        *,
        workload: str | None = None,
        stage: Stage | None = None,
        outcome: Outcome | None = None,
        limit: int,
        cursor: int | None = None,
    ) -> tuple[Sequence[Account], int | None]:
        """Newest first, with the cursor of the next page (None on the last)."""
        ...

    async def ledger_entry(
        self,
        *,
        batch: BatchId | None = None,
        hash: TxHash | None = None,
        lane: Address | None = None,
        nonce: Nonce | None = None,
    ) -> LedgerEntry | None:
        """By batch id, by the hash of any of its attempts, or by nonce (of that lane, or of the only one)."""
        ...

    async def lines(self, subject: str) -> Sequence[Line]:
        """What was noted about an operation id, a batch id, or `lane/nonce`, oldest first."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """Operations by stage, outcomes by name."""
        ...

    async def unknown_reverts(self, *, limit: int) -> Sequence[UnknownRevert]:
        """The most frequent first."""
        ...

    async def lanes(self) -> Sequence[LaneAccount]: ...

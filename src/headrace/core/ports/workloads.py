"""What the engine must know of a family of contracts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from headrace.core.operation import Operation
from headrace.core.words import (
    Address,
    BlockNumber,
    Receipt,
    Revert,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Call:
    """A contract call: where to, and what."""

    to: Address
    data: bytes


class Effect(Enum):
    DONE = "the chain shows it"
    FAILED = "it was tried and reverted"
    OTHER = "something else happened to its subject instead, for good"
    UNSEEN = "the receipt shows none of these"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a receipt shows of one operation. `revert` where it FAILED; `reason` where it is OTHER."""

    effect: Effect
    revert: Revert | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GasGuess:
    """Gas until something is learned. `tail` must be left when the last item starts (it is not spent).
    `per_transaction_least`: where what comes once per transaction differs much, only so much of a receipt is not
    counted for its items, so that few of them teach too much rather than too little. `per_item_least`: an item is
    given so much whatever was learned, for one that needs all of it may travel next. `refunds`: its items clear
    storage, so that a receipt shows up to a fifth less than the transaction had to have."""

    per_transaction: int
    per_item: int
    tail: int
    per_transaction_least: int | None = None
    per_item_least: int = 0
    refunds: bool = False


@dataclass(frozen=True, slots=True)
class InCommon:
    """Work that a batch does once for all of its operations that have `what` in common, and its gas."""

    what: bytes
    gas: int


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    reason: str
    form: str | None = None  # travels in this form from now on
    costs_retry: bool = False
    too_late: bool = False  # rejected because its time is over: it ends as expired
    needs_operator: bool = False  # nothing is wrong with the operation: a person must mend the contracts
    needs_block: BlockNumber | None = None  # it cannot go well before the chain has this block


class Workload(Protocol):
    """A family of operations that one contract can batch: its encoding, its reverts, its proofs of effect."""

    @property
    def name(self) -> str: ...

    @property
    def forms(self) -> Sequence[str]:
        """In the order in which they should travel: what others build on comes first."""
        ...

    @property
    def most_per_transaction(self) -> int:
        """1 where there is no batch contract."""
        ...

    @property
    def strict_only(self) -> bool:
        """Its contract knows no batch that goes on after a failing item: what is tried is what will be sent."""
        ...

    @property
    def in_turn(self) -> Collection[str]:
        """Forms of which what a batch costs hangs on those before it: none is tried while another is not mined."""
        ...

    def call(self, form: str, operations: Sequence[Operation], *, strict: bool) -> Call:
        """The batch as one contract call. `strict`: any failure reverts the whole (what simulation asks)."""
        ...

    def size(self, operation: Operation) -> int:
        """Bytes of calldata it adds to a batch."""
        ...

    def gas_guess(self, form: str) -> GasGuess: ...

    def in_common(self, operation: Operation) -> Sequence[InCommon]:
        """What it brings to a batch that costs once however many bring the same. That of a batch's first operation
        is in `per_transaction`."""
        ...

    def failures(self, revert: Revert, count: int) -> Mapping[int, Revert] | None:
        """Which items of a strict batch failed, by index. None: the revert speaks of no item."""
        ...

    def refuses_all(self, revert: Revert) -> bool:
        """Of a revert that speaks of no item: whether it says no to every batch, whatever is in it (a right that
        the lane lacks, a pause). Else some item is guilty, and is searched for."""
        ...

    def read_revert(self, data: bytes) -> Revert: ...

    def effects(self, operations: Sequence[Operation], receipt: Receipt, *, called: Address) -> Sequence[Seen]:
        """One for each operation, from the receipt's logs. `called` is the contract that the transaction called,
        which may be another than today's."""
        ...

    def questions(self, operation: Operation, revert: Revert) -> Sequence[Call]:
        """What must be asked of the chain before this revert can be judged; often nothing."""
        ...

    def judge(self, operation: Operation, revert: Revert, answers: Sequence[bytes]) -> Judgement: ...

    def probe(self, operation: Operation) -> Sequence[Call]:
        """What to ask of the chain to learn whether the operation's effect is there, whoever caused it."""
        ...

    def probed(self, operation: Operation, answers: Sequence[bytes]) -> Seen | Judgement:
        """What the answers to `probe` say."""
        ...

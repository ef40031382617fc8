"""How a job is paid for: from a lock that is asked for to money that has moved, or went back.

Owns      the words for where a job's payment is, the map between them, and what each of them knows.
Promises  an end is written once, and the three that move money name the transaction that proves it.
Leaves    what a job costs to `core.terms`, how its run went to `core.job`, when and how to `headrace.jobs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final

from headrace.core.words import BlockNumber, OperationId, TxHash


class SettlementState(Enum):
    """Where a job's payment is in the store."""

    FREE = "free"  # nothing to pay
    AWAITING_LOCK = "awaiting_lock"
    UNSETTLED = "unsettled"  # locked, and the run is not over
    DUE = "due"  # the run is over: the coming claim run takes it
    CLAIMING = "claiming"  # an operation is under way
    NEEDS_OPERATOR = "needs_operator"
    CLAIMED = "claimed"
    RELEASED = "released"  # claimed with an amount of 0: all went back at once
    CANCELED = "canceled"  # expired, all went back; the spelling is the contract's
    NO_LOCK = "no_lock"  # there never was one, or nobody will ever find it


# The map of a job's payment. The diagram in docs/architecture.md and tests are made from this table.
NEXT: Final[Mapping[SettlementState, frozenset[SettlementState]]] = {
    SettlementState.FREE: frozenset(),
    SettlementState.AWAITING_LOCK: frozenset(
        {SettlementState.UNSETTLED, SettlementState.DUE, SettlementState.NO_LOCK, SettlementState.NEEDS_OPERATOR}
    ),
    SettlementState.UNSETTLED: frozenset({SettlementState.DUE, SettlementState.NEEDS_OPERATOR}),
    SettlementState.DUE: frozenset(
        {
            SettlementState.CLAIMING,
            SettlementState.CLAIMED,
            SettlementState.RELEASED,
            SettlementState.CANCELED,
            SettlementState.NEEDS_OPERATOR,
        }
    ),
    SettlementState.CLAIMING: frozenset(
        {
            SettlementState.DUE,  # the operation ended without effect
            SettlementState.CLAIMED,
            SettlementState.RELEASED,
            SettlementState.CANCELED,
            SettlementState.NEEDS_OPERATOR,
        }
    ),
    SettlementState.NEEDS_OPERATOR: frozenset(
        {
            SettlementState.DUE,  # a person says: try again
            SettlementState.NO_LOCK,  # a person says: there is nothing to be had
            SettlementState.CLAIMED,  # the proof came up after all
            SettlementState.RELEASED,
            SettlementState.CANCELED,
        }
    ),
    SettlementState.CLAIMED: frozenset(),
    SettlementState.RELEASED: frozenset(),
    SettlementState.CANCELED: frozenset(),
    SettlementState.NO_LOCK: frozenset(),
}

# Nothing more will happen; only such a job may ever be deleted.
SETTLED: Final = frozenset(state for state, following in NEXT.items() if not following)
# Seen on chain. Only these lead from status 71 to 70.
PROVEN: Final = frozenset({SettlementState.CLAIMED, SettlementState.RELEASED, SettlementState.CANCELED})


class Move(Enum):
    """What a claim run does with a lock. The values are the kinds of the workload `escrow`."""

    CLAIM = "claim"
    RELEASE = "release"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A job's lock as it was mined. `amount` in the token's smallest unit, `expiry` in unix seconds (a block of
    that time may still claim it). `block`: whoever looks for its end looks from here, as a number on chain can be
    used again once its lock is gone."""

    amount: int
    expiry: int
    transaction: TxHash
    block: BlockNumber


@dataclass(frozen=True, slots=True)
class Proof:
    """The final transaction whose own event shows it."""

    transaction: TxHash
    block: BlockNumber


@dataclass(frozen=True, slots=True)
class Free:
    state: ClassVar = SettlementState.FREE


@dataclass(frozen=True, slots=True)
class AwaitingLock:
    state: ClassVar = SettlementState.AWAITING_LOCK


@dataclass(frozen=True, slots=True)
class Unsettled:
    state: ClassVar = SettlementState.UNSETTLED


@dataclass(frozen=True, slots=True)
class Due:
    """`reason` tells why an earlier try came to nothing."""

    state: ClassVar = SettlementState.DUE
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claiming:
    """`amount` is what the operation asks for: 0 unless it claims."""

    state: ClassVar = SettlementState.CLAIMING
    move: Move
    amount: int
    operation: OperationId

    def __post_init__(self) -> None:
        assert (self.amount > 0) == (self.move is Move.CLAIM), self


@dataclass(frozen=True, slots=True)
class NeedsHelp:
    state: ClassVar = SettlementState.NEEDS_OPERATOR
    reason: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """`amount` as in the event: before the escrow's fee."""

    state: ClassVar = SettlementState.CLAIMED
    amount: int
    proof: Proof


@dataclass(frozen=True, slots=True)
class Released:
    state: ClassVar = SettlementState.RELEASED
    proof: Proof


@dataclass(frozen=True, slots=True)
class Canceled:
    state: ClassVar = SettlementState.CANCELED
    proof: Proof


@dataclass(frozen=True, slots=True)
class NoLock:
    state: ClassVar = SettlementState.NO_LOCK
    reason: str


Settlement = Free | AwaitingLock | Unsettled | Due | Claiming | NeedsHelp | Claimed | Released | Canceled | NoLock


def as_seen(amount: int, proof: Proof) -> Claimed | Released:
    """What a `Claimed` event of this amount means."""
    return Claimed(amount, proof) if amount else Released(proof)

"""What is true of a transaction now, and the map of its states."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from headrace.core.words import Attempt, BatchId, BlockHash, BlockNumber, Nonce, Purpose, TxHash

NO_OP_GAS: Final = 21_000  # nothing to ourselves: a plain transfer


class Cancel(Enum):
    """What a person wants for the operations of a transaction that is cancelled, once its nonce is final without
    them."""

    RETURN = "return"  # they travel again
    END = "end"  # they end as cancelled


# Each state carries what it needs, and nothing it may not have.


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """Signed and saved; maybe in a pool, maybe mined and not yet seen."""

    nonce: Nonce
    batch: BatchId | None  # None: it only fills its nonce
    gas_limit: int  # of its batch
    attempts: tuple[Attempt, ...]  # oldest first; never forgotten, any of them can be mined
    sealed_at: float
    sent_at: float | None = None  # when a node was first offered it
    reprice_at: float
    blocks_fitted: int = 0  # blocks since the newest attempt that had room for it at its price
    help_wanted: str | None = None  # what a person must do; we go on looking meanwhile
    cancelled: Cancel | None = None  # a person said so; an older attempt may still win

    @property
    def gas_asked(self) -> int:
        """Gas limit of its newest attempt: what a block must have free for it."""
        return self.gas_limit if self.attempts[-1].purpose is Purpose.BATCH else NO_OP_GAS


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    in_flight: InFlight  # where we return to if the block is uncled
    winner: TxHash
    block: BlockNumber
    block_hash: BlockHash  # a height alone does not tell one branch from another
    ok: bool
    gas_used: int
    gas_price_wei: int
    mined_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Another transaction of this account, not ours, has our nonce."""

    in_flight: InFlight
    since: BlockNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Final. One of our attempts is on the chain for good."""

    mined: Mined


@dataclass(frozen=True, slots=True, kw_only=True)
class Void:
    """Final. The nonce was spent by a stranger, for good; what rode here may travel again."""

    in_flight: InFlight


Transaction = InFlight | Mined | Taken | Settled | Void

# The map of the machine. The diagram in docs/architecture.md and one test are made from this table.
NEXT: Final[Mapping[type[Transaction], frozenset[type[Transaction]]]] = {
    InFlight: frozenset({InFlight, Mined, Taken}),
    Mined: frozenset({Mined, InFlight, Settled}),
    Taken: frozenset({Taken, InFlight, Mined, Void}),
    Settled: frozenset({Settled}),
    Void: frozenset({Void}),
}


def offered(in_flight: InFlight) -> tuple[Attempt, ...]:
    """The attempts that a node is to be shown again, oldest first. Once it was decided that the batch is not to
    land it is shown to nobody any more, though an old attempt of it may still win."""
    if in_flight.attempts[-1].purpose is Purpose.BATCH:
        return in_flight.attempts
    return tuple(a for a in in_flight.attempts if a.purpose is Purpose.NO_OP)


def signed(transaction: Transaction) -> InFlight:
    """What was signed for this nonce, whatever became of it."""
    match transaction:
        case InFlight():
            return transaction
        case Mined(in_flight=in_flight) | Taken(in_flight=in_flight) | Void(in_flight=in_flight):
            return in_flight
        case Settled(mined=mined):
            return mined.in_flight
        case _:
            assert_never(transaction)


def mined_of(transaction: Transaction) -> Mined | None:
    match transaction:
        case Mined():
            return transaction
        case Settled(mined=mined):
            return mined
        case InFlight() | Taken() | Void():
            return None
        case _:
            assert_never(transaction)

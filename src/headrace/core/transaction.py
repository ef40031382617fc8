"""Life of one transaction: one nonce of one lane, and the batch that rides in it.

Owns      every rule about when a transaction is sent, repriced, settled or handed to a person.
Promises  `decide` is a plain function: same transaction, fact and time in, same decision out.
Leaves    saving, signing and sending to `engine.lane_runner`; what became of the operations to their workload.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, assert_never

from headrace.core.fees import raise_fees
from headrace.core.words import (
    Attempt,
    BatchId,
    BlockHash,
    BlockNumber,
    Fees,
    Nonce,
    Purpose,
    Reply,
    TxHash,
)

NO_OP_GAS: Final = 21_000  # nothing to ourselves: a plain transfer

# ---- States: what is true now. Each state carries what it needs, and nothing it may not have.


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """Signed and saved; maybe in a pool, maybe mined and not yet seen."""

    nonce: Nonce
    batch: BatchId | None  # None: it only fills its nonce
    gas_limit: int
    attempts: tuple[Attempt, ...]  # oldest first; never forgotten, any of them can be mined
    sealed_at: float
    sent_at: float | None = None  # when a node was first offered it
    reprice_at: float
    blocks_fitted: int = 0  # blocks since the newest attempt that had room for it at its price
    help_wanted: str | None = None  # what a person must do; we go on looking meanwhile


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

# ---- Facts: what we learned. Past tense.


@dataclass(frozen=True, slots=True)
class AttemptSigned:
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Answered:
    """A node said something about an attempt that we sent."""

    hash: TxHash
    reply: Reply
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Included:
    hash: TxHash
    block: BlockNumber
    block_hash: BlockHash
    ok: bool
    gas_used: int
    gas_price_wei: int


@dataclass(frozen=True, slots=True)
class Uncled:
    """The block that held this attempt is no longer on the canonical chain."""

    hash: TxHash


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadMoved:
    head: BlockNumber
    base_fee_wei: int  # of the coming block
    free_gas: int  # that this block left unused
    market: Fees  # what one would offer now
    first_in_lane: bool  # no lower nonce of this lane is undecided


@dataclass(frozen=True, slots=True)
class Dropped:
    """The node's pool does not have it, and no block does."""


@dataclass(frozen=True, slots=True)
class NonceTaken:
    """The account's nonce is past ours, and none of our attempts has a receipt."""

    head: BlockNumber


@dataclass(frozen=True, slots=True)
class NonceFree:
    """The account's nonce is ours again: the stranger's block was uncled."""


@dataclass(frozen=True, slots=True)
class ReceiptReread:
    """The receipt as the canonical chain shows it now, deep enough to settle on."""

    hash: TxHash
    block_hash: BlockHash


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """An operation of the batch can no longer be mined in time. The nonce must be filled without it."""


Fact = (
    AttemptSigned
    | Answered
    | Included
    | Uncled
    | HeadMoved
    | Dropped
    | NonceTaken
    | NonceFree
    | ReceiptReread
    | DeadlinePassed
)

# ---- Orders: what to do next. Imperative.


@dataclass(frozen=True, slots=True)
class Sign:
    fees: Fees
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Send:
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class LookForReceipts:
    """Ask the chain for the receipt of every attempt, then for the account's nonce."""


@dataclass(frozen=True, slots=True)
class RereadReceipt:
    hash: TxHash


@dataclass(frozen=True, slots=True)
class Settle:
    """Write the outcomes of what rode here."""

    mined: Mined


@dataclass(frozen=True, slots=True)
class GiveBack:
    """What rode here goes back to the queue: this nonce is final without it."""


@dataclass(frozen=True, slots=True)
class AskForHelp:
    reason: str


Order = Sign | Send | LookForReceipts | RereadReceipt | Settle | GiveBack | AskForHelp


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`confirmations` 1 means: final in the block it is mined in."""

    reprice_after_s: float
    blocks_fitted_min: int = 2  # a replacement before the tx had a fair chance only costs money
    bump_percent: int
    ceiling_wei: int
    confirmations: int

    @property
    def batch_ceiling_wei(self) -> int:
        """One raise below the ceiling: a batch that can no longer land must leave room for the no-op after it."""
        return self.ceiling_wei * 100 // (100 + self.bump_percent)


@dataclass(frozen=True, slots=True)
class Decision:
    transaction: Transaction
    orders: tuple[Order, ...] = ()


# The map of the machine. The diagram in docs/architecture.md and one test are made from this table.
NEXT: Final[Mapping[type[Transaction], frozenset[type[Transaction]]]] = {
    InFlight: frozenset({InFlight, Mined, Taken}),
    Mined: frozenset({Mined, InFlight, Settled}),
    Taken: frozenset({Taken, InFlight, Mined, Void}),
    Settled: frozenset({Settled}),
    Void: frozenset({Void}),
}


def decide(transaction: Transaction, fact: Fact, *, now: float, policy: Policy) -> Decision:
    """What a fact makes of a transaction. `now` in unix seconds."""
    decision = _decide(transaction, fact, now=now, policy=policy)
    assert type(decision.transaction) in NEXT[type(transaction)], (transaction, fact, decision)
    return decision


def _decide(transaction: Transaction, fact: Fact, *, now: float, policy: Policy) -> Decision:
    match transaction:
        case InFlight():
            return _in_flight(transaction, fact, now=now, policy=policy)
        case Mined():
            return _mined(transaction, fact, now=now, policy=policy)
        case Taken():
            return _taken(transaction, fact, now=now, policy=policy)
        case Settled() | Void():
            return Decision(transaction)
        case _:
            assert_never(transaction)


def _in_flight(transaction: InFlight, fact: Fact, *, now: float, policy: Policy) -> Decision:
    match fact:
        case AttemptSigned(attempt):
            transaction = replace(
                transaction,
                attempts=(*transaction.attempts, attempt),
                reprice_at=now + policy.reprice_after_s,
                blocks_fitted=0,
                help_wanted=None,
            )
            return Decision(transaction, (Send(attempt),))
        case Answered(hash=hash, reply=reply, text=text):
            return _answered(transaction, hash, reply, text, now=now, policy=policy)
        case Included():
            return Decision(_as_mined(transaction, fact, now))
        case HeadMoved():
            return _head_moved(transaction, fact, now=now, policy=policy)
        case Dropped():
            return Decision(transaction, (Send(transaction.attempts[-1]),))
        case NonceTaken(head):
            return Decision(Taken(in_flight=transaction, since=head))
        case DeadlinePassed():
            return _fill_the_nonce(transaction, policy=policy)
        case Uncled() | ReceiptReread() | NonceFree():
            return Decision(transaction)
        case _:
            assert_never(fact)


def _answered(
    transaction: InFlight, hash: TxHash, reply: Reply, text: str, *, now: float, policy: Policy
) -> Decision:
    sent = replace(transaction, sent_at=now) if transaction.sent_at is None else transaction
    match reply:
        case Reply.IN_POOL:
            return Decision(replace(sent, help_wanted=None))
        case Reply.UNSURE | Reply.SEND_LATER:
            return Decision(sent)  # the next head asks whether the pool has it
        case Reply.RAISE_FEES if hash != transaction.attempts[-1].hash:
            return Decision(sent)  # the pool has a dearer one of ours: that is what it says
        case Reply.RAISE_FEES:
            # Not in this pool at all, so that waiting for blocks it would have fitted is in vain: the next head
            # raises. An older attempt may be fine where it is.
            return Decision(replace(sent, reprice_at=now, blocks_fitted=policy.blocks_fitted_min))
        case Reply.LOOK_FOR_RECEIPT:
            return Decision(sent, (LookForReceipts(),))
        case Reply.FUND_LANE | Reply.REFUSED:
            reason = f"{reply.value}: {text}"
            return Decision(replace(sent, help_wanted=reason), (AskForHelp(reason),))
        case _:
            assert_never(reply)


def _head_moved(transaction: InFlight, fact: HeadMoved, *, now: float, policy: Policy) -> Decision:
    newest = transaction.attempts[-1]
    priced_out = newest.fees.max_fee_wei < fact.base_fee_wei
    if not priced_out and fact.free_gas >= transaction.gas_limit:
        transaction = replace(transaction, blocks_fitted=transaction.blocks_fitted + 1)
    # Behind a stuck neighbour a higher fee buys nothing, and a full block is not a question of patience.
    due = now >= transaction.reprice_at and (priced_out or transaction.blocks_fitted >= policy.blocks_fitted_min)
    if not (fact.first_in_lane and due):
        return Decision(transaction)
    return _raise(transaction, fact.market, newest.purpose, policy=policy)


def _raise(transaction: InFlight, market: Fees, purpose: Purpose, *, policy: Policy) -> Decision:
    ceiling_wei = policy.ceiling_wei if purpose is Purpose.NO_OP else policy.batch_ceiling_wei
    fees = raise_fees(
        transaction.attempts[-1].fees,
        market,
        bump_percent=policy.bump_percent,
        ceiling_wei=ceiling_wei,
    )
    if fees is None:
        reason = f"fee ceiling of {policy.ceiling_wei} wei per gas leaves no room for a valid replacement"
        asked = transaction.help_wanted == reason
        return Decision(replace(transaction, help_wanted=reason), () if asked else (AskForHelp(reason),))
    # A late receipt may only have been missed: look before paying more.
    return Decision(transaction, (LookForReceipts(), Sign(fees, purpose)))


def _fill_the_nonce(transaction: InFlight, *, policy: Policy) -> Decision:
    if transaction.attempts[-1].purpose is Purpose.NO_OP:
        return Decision(transaction)
    last = transaction.attempts[-1].fees
    return _raise(transaction, last, Purpose.NO_OP, policy=policy)


def _as_mined(in_flight: InFlight, fact: Included, now: float) -> Mined:
    return Mined(
        in_flight=replace(in_flight, help_wanted=None, sent_at=in_flight.sent_at or now),
        winner=fact.hash,
        block=fact.block,
        block_hash=fact.block_hash,
        ok=fact.ok,
        gas_used=fact.gas_used,
        gas_price_wei=fact.gas_price_wei,
        mined_at=now,
    )


def _mined(transaction: Mined, fact: Fact, *, now: float, policy: Policy) -> Decision:
    match fact:
        case Uncled(hash=hash) if hash == transaction.winner:
            # Same bytes again: the nonce is ours and the old attempts are still valid.
            again = replace(transaction.in_flight, reprice_at=now + policy.reprice_after_s, blocks_fitted=0)
            return Decision(again, tuple(Send(a) for a in again.attempts))
        case HeadMoved(head=head) if head - transaction.block + 1 >= policy.confirmations:
            # Height is not proof: while we were down the block may have been replaced. Ask the chain.
            return Decision(transaction, (RereadReceipt(transaction.winner),))
        case ReceiptReread(hash=hash, block_hash=block_hash) if (hash, block_hash) == (
            transaction.winner,
            transaction.block_hash,
        ):
            return Decision(Settled(mined=transaction), (Settle(transaction),))
        case Included() if fact.block_hash != transaction.block_hash or fact.hash != transaction.winner:
            return Decision(_as_mined(transaction.in_flight, fact, now))
        case AttemptSigned(attempt):
            # Signed while the receipt was on its way: it is saved, so it must be remembered.
            attempts = (*transaction.in_flight.attempts, attempt)
            return Decision(replace(transaction, in_flight=replace(transaction.in_flight, attempts=attempts)))
        case (
            Included()
            | Answered()
            | Uncled()
            | HeadMoved()
            | ReceiptReread()
            | Dropped()
            | NonceTaken()
            | NonceFree()
            | DeadlinePassed()
        ):
            return Decision(transaction)
        case _:
            assert_never(fact)


def _taken(transaction: Taken, fact: Fact, *, now: float, policy: Policy) -> Decision:
    match fact:
        case Included():
            return Decision(_as_mined(transaction.in_flight, fact, now))
        case HeadMoved(head=head) if head - transaction.since + 1 >= policy.confirmations:
            # Look once more: a reorg may have given the nonce back to one of our attempts.
            return Decision(transaction, (LookForReceipts(),))
        case NonceTaken(head) if head - transaction.since + 1 >= policy.confirmations:
            return Decision(Void(in_flight=transaction.in_flight), (GiveBack(),))
        case NonceFree():
            again = replace(transaction.in_flight, reprice_at=now + policy.reprice_after_s, blocks_fitted=0)
            return Decision(again, tuple(Send(a) for a in again.attempts))
        case AttemptSigned(attempt):
            attempts = (*transaction.in_flight.attempts, attempt)
            return Decision(replace(transaction, in_flight=replace(transaction.in_flight, attempts=attempts)))
        case Answered() | Uncled() | HeadMoved() | ReceiptReread() | Dropped() | NonceTaken() | DeadlinePassed():
            return Decision(transaction)
        case _:
            assert_never(fact)


def orders_on_restart(transaction: Transaction) -> tuple[Order, ...]:
    """A crash may have come between saving and sending. Sending the same bytes twice is harmless."""
    match transaction:
        case InFlight(attempts=attempts):
            return (LookForReceipts(), *(Send(attempt) for attempt in attempts))
        case Mined() | Taken():
            # Not RereadReceipt: what it finds settles, and the block may not be deep enough for that yet.
            return (LookForReceipts(),)
        case Settled() | Void():
            return ()
        case _:
            assert_never(transaction)


def first_flight(
    *, nonce: Nonce, batch: BatchId | None, gas_limit: int, attempt: Attempt, now: float, policy: Policy
) -> InFlight:
    """A transaction as it is sealed: signed once, seen by nobody."""
    return InFlight(
        nonce=nonce,
        batch=batch,
        gas_limit=gas_limit,
        attempts=(attempt,),
        sealed_at=now,
        reprice_at=now + policy.reprice_after_s,
    )


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

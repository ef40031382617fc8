"""Rules for a transaction that is signed and not seen mined: sent, looked for, repriced, emptied.

Promises  a replacement is valid by every node's rules and under the ceiling; only the lowest undecided nonce of a
          lane is repriced, and only for blocks that it would have fitted; once emptied it stays empty.
"""

from dataclasses import replace
from typing import assert_never

from headrace.core.fees import raise_fees
from headrace.core.transaction.facts import (
    Answered,
    AttemptSigned,
    CancelAsked,
    DeadlinePassed,
    Dropped,
    Fact,
    HeadMoved,
    Included,
    NonceFree,
    NonceTaken,
    ReceiptReread,
    Uncled,
)
from headrace.core.transaction.orders import AskForHelp, Decision, LookForReceipts, Send, Sign
from headrace.core.transaction.policy import Policy
from headrace.core.transaction.states import Cancel, InFlight, Mined, Taken
from headrace.core.words import Attempt, BatchId, Fees, Nonce, Purpose, Reply, TxHash


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


def in_flight(transaction: InFlight, fact: Fact, *, now: float, policy: Policy) -> Decision:
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
            return Decision(as_mined(transaction, fact, now))
        case HeadMoved():
            return _head_moved(transaction, fact, now=now, policy=policy)
        case Dropped():
            return Decision(transaction, (Send(transaction.attempts[-1]),))
        case NonceTaken(head):
            return Decision(Taken(in_flight=transaction, since=head))
        case DeadlinePassed(market=market):
            return _fill_the_nonce(transaction, market, policy=policy)
        case CancelAsked(what=what, market=market):
            return _cancel(transaction, what, market, policy=policy)
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
        case Reply.TOO_LARGE if hash != transaction.attempts[-1].hash:
            return Decision(sent)  # it is being replaced
        case Reply.TOO_LARGE if transaction.attempts[-1].purpose is Purpose.BATCH:
            # No fee and no waiting helps, and everything behind this nonce waits for it.
            filled = _raise(sent, transaction.attempts[-1].fees, Purpose.NO_OP, policy=policy)
            return replace(filled, orders=(AskForHelp(f"{reply.value}: {text}"), *filled.orders))
        case Reply.FUND_LANE | Reply.REFUSED | Reply.TOO_LARGE:
            return _ask(sent, f"{reply.value}: {text}")
        case _:
            assert_never(reply)


def _head_moved(transaction: InFlight, fact: HeadMoved, *, now: float, policy: Policy) -> Decision:
    newest = transaction.attempts[-1]
    if transaction.cancelled is not None and newest.purpose is Purpose.BATCH:
        # Saved and not signed yet: a crash, or a fee ceiling, came between.
        return _raise(transaction, fact.market, Purpose.NO_OP, policy=policy)
    priced_out = newest.fees.max_fee_wei < fact.base_fee_wei
    if fact.first_in_lane and not priced_out and fact.free_gas >= transaction.gas_asked:
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
        return _ask(
            transaction, f"fee ceiling of {policy.ceiling_wei} wei per gas leaves no room for a valid replacement"
        )
    # A late receipt may only have been missed: look before paying more.
    return Decision(transaction, (LookForReceipts(), Sign(fees, purpose)))


def _ask(transaction: InFlight, reason: str) -> Decision:
    """Once, and not at every head anew."""
    asked = transaction.help_wanted == reason
    return Decision(replace(transaction, help_wanted=reason), () if asked else (AskForHelp(reason),))


def _fill_the_nonce(transaction: InFlight, market: Fees, *, policy: Policy) -> Decision:
    if transaction.attempts[-1].purpose is Purpose.NO_OP:
        return Decision(transaction)
    return _raise(transaction, market, Purpose.NO_OP, policy=policy)


def _cancel(transaction: InFlight, what: Cancel, market: Fees, *, policy: Policy) -> Decision:
    if transaction.batch is None:
        return Decision(transaction)
    if transaction.cancelled is not Cancel.END:  # which is not taken back
        transaction = replace(transaction, cancelled=what)
    return _fill_the_nonce(transaction, market, policy=policy)


def as_mined(in_flight: InFlight, fact: Included, now: float) -> Mined:
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

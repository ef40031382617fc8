"""Rules for a nonce that a block holds: by one of our attempts, or by a stranger.

Promises  height alone settles nothing: only a receipt re-read from the canonical chain does; a nonce is given up
          only when the stranger's hold on it is final.
"""

from dataclasses import replace
from typing import assert_never

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
from headrace.core.transaction.flight import as_mined
from headrace.core.transaction.orders import Decision, GiveBack, LookForReceipts, RereadReceipt, Send, Settle
from headrace.core.transaction.policy import Policy
from headrace.core.transaction.states import Mined, Settled, Taken, Void, offered


def mined(transaction: Mined, fact: Fact, *, now: float, policy: Policy) -> Decision:
    match fact:
        case Uncled(hash=hash) if hash == transaction.winner:
            # Same bytes again: the nonce is ours and the old attempts are still valid.
            again = replace(transaction.in_flight, reprice_at=now + policy.reprice_after_s, blocks_fitted=0)
            return Decision(again, tuple(Send(a) for a in offered(again)))
        case HeadMoved(head=head) if head - transaction.block + 1 >= policy.confirmations:
            # Height is not proof: while we were down the block may have been replaced. Ask the chain.
            return Decision(transaction, (RereadReceipt(transaction.winner),))
        case ReceiptReread(hash=hash, block_hash=block_hash) if (hash, block_hash) == (
            transaction.winner,
            transaction.block_hash,
        ):
            return Decision(Settled(mined=transaction), (Settle(transaction),))
        case Included() if fact.block_hash != transaction.block_hash or fact.hash != transaction.winner:
            return Decision(as_mined(transaction.in_flight, fact, now))
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
            | CancelAsked()
        ):
            return Decision(transaction)
        case _:
            assert_never(fact)


def taken(transaction: Taken, fact: Fact, *, now: float, policy: Policy) -> Decision:
    match fact:
        case Included():
            return Decision(as_mined(transaction.in_flight, fact, now))
        case HeadMoved(head=head) if head - transaction.since + 1 >= policy.confirmations:
            # Look once more: a reorg may have given the nonce back to one of our attempts.
            return Decision(transaction, (LookForReceipts(),))
        case NonceTaken(head=head, spent_in=spent_in) if spent_in is not None:
            # A reorg may have moved the stranger's transaction since we first saw it: its block now counts. What
            # rides here travels again from then on, so only proof will do, never a receipt that is not there.
            if head - spent_in + 1 >= policy.confirmations:
                return Decision(Void(in_flight=transaction.in_flight), (GiveBack(),))
            return Decision(replace(transaction, since=spent_in))
        case NonceFree():
            again = replace(transaction.in_flight, reprice_at=now + policy.reprice_after_s, blocks_fitted=0)
            return Decision(again, tuple(Send(a) for a in offered(again)))
        case AttemptSigned(attempt):
            attempts = (*transaction.in_flight.attempts, attempt)
            return Decision(replace(transaction, in_flight=replace(transaction.in_flight, attempts=attempts)))
        case (
            Answered()
            | Uncled()
            | HeadMoved()
            | ReceiptReread()
            | Dropped()
            | NonceTaken()
            | DeadlinePassed()
            | CancelAsked()
        ):
            return Decision(transaction)
        case _:
            assert_never(fact)

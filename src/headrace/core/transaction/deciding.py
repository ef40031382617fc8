"""One fact in, one decision out: the door to the rules."""

from typing import assert_never

from headrace.core.transaction.facts import Fact
from headrace.core.transaction.flight import in_flight
from headrace.core.transaction.landing import mined, taken
from headrace.core.transaction.orders import Decision, LookForReceipts, Order, Send
from headrace.core.transaction.policy import Policy
from headrace.core.transaction.states import NEXT, InFlight, Mined, Settled, Taken, Transaction, Void, offered


def decide(transaction: Transaction, fact: Fact, *, now: float, policy: Policy) -> Decision:
    """What a fact makes of a transaction. `now` in unix seconds."""
    decision = _decide(transaction, fact, now=now, policy=policy)
    assert type(decision.transaction) in NEXT[type(transaction)], (transaction, fact, decision)
    return decision


def _decide(transaction: Transaction, fact: Fact, *, now: float, policy: Policy) -> Decision:
    match transaction:
        case InFlight():
            return in_flight(transaction, fact, now=now, policy=policy)
        case Mined():
            return mined(transaction, fact, now=now, policy=policy)
        case Taken():
            return taken(transaction, fact, now=now, policy=policy)
        case Settled() | Void():
            return Decision(transaction)
        case _:
            assert_never(transaction)


def orders_on_restart(transaction: Transaction) -> tuple[Order, ...]:
    """A crash may have come between saving and sending. Sending the same bytes twice is harmless."""
    match transaction:
        case InFlight():
            return (LookForReceipts(), *(Send(attempt) for attempt in offered(transaction)))
        case Mined() | Taken():
            # Not RereadReceipt: what it finds settles, and the block may not be deep enough for that yet.
            return (LookForReceipts(),)
        case Settled() | Void():
            return ()
        case _:
            assert_never(transaction)

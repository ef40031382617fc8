"""What a person's cancel means for those that rode in the transaction.

Owns      the words about it in their stories, and what becomes of them once the nonce is final.
Promises  what landed stays landed, whoever asked for what: an older attempt may have won.
Leaves    filling the nonce to `core.transaction`.
"""

from collections.abc import Sequence
from dataclasses import replace

from headrace.core.operation import Ending, Return
from headrace.core.ports import Note
from headrace.core.transaction import Cancel, CancelAsked, Fact
from headrace.core.words import Outcome
from headrace.engine.outcomes import Ends
from headrace.engine.trips import Trip


def told_to_riders(trip: Trip, fact: Fact) -> Sequence[Note]:
    """A transaction's own story is out of an operation's sight once it rides elsewhere."""
    if not isinstance(fact, CancelAsked):
        return ()
    then = "it travels again" if fact.what is Cancel.RETURN else "it ends as cancelled"
    text = f"by hand: its transaction (nonce {trip.nonce}) was cancelled; once that is final without it, {then}"
    return [Note(subject=operation.id, text=text) for operation in trip.operations]


def as_asked(trip: Trip, ends: Ends) -> Ends:
    """The ends of its operations, as whoever cancelled it wanted them."""
    match trip.in_flight.cancelled:
        case None:
            return ends
        case Cancel.RETURN:
            returns = tuple(replace(back, reason=f"cancelled by hand: {back.reason}") for back in ends.returns)
            return replace(ends, returns=returns)
        case Cancel.END:
            endings = tuple(_ended(trip, back) for back in ends.returns)
            story = "cancelled by hand: what rode in it and did not land has ended as cancelled"
            return Ends((*ends.endings, *endings), (), story if endings else ends.story)


def _ended(trip: Trip, back: Return) -> Ending:
    return Ending(
        operation=back.operation,
        outcome=Outcome.CANCELLED,
        reason=f"by the operator of this service, with its transaction (nonce {trip.nonce}): {back.reason}",
        revert=back.revert,
    )

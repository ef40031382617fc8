"""What a receipt shows of each operation on the escrow.

Promises  a claim is done only by its own `Claimed` with its own amount; one that turned into a cancel, because the
          lock had expired when it was mined, is told as such; a withdrawal counts for one operation only.
"""

from collections.abc import Sequence

from headrace.core.ports import Effect, Seen
from headrace.core.words import Address
from headrace.workloads.escrow.events import EscrowEvents
from headrace.workloads.escrow.payload import CANCEL, CLAIM, LOCK, RELEASE, WITHDRAW, Payload


def seen_in(events: EscrowEvents, items: Sequence[tuple[str, Payload]]) -> list[Seen]:
    """`items` are (form, payload) in the batch's order."""
    withdrawn = list(events.withdrawn)
    return [_seen(events, withdrawn, form, payload) for form, payload in items]


def _seen(
    events: EscrowEvents, withdrawn: list[tuple[Address, Address, int]], form: str, payload: Payload
) -> Seen:
    key = payload.key
    if form == LOCK:
        lock = events.locked.get(key)
        return _done(lock is not None and lock.amount == payload.amount)
    if form in (CLAIM, RELEASE):
        claimed = events.claimed.get(key)
        if claimed is not None and claimed.amount == payload.amount:
            return Seen(Effect.DONE)
        if key in events.canceled:
            return Seen(Effect.OTHER, reason="the lock had expired: the claim turned into a cancel")
        return Seen(Effect.UNSEEN)
    if form == CANCEL:
        return _done(key in events.canceled)
    assert form == WITHDRAW, form
    own = (key.payee, key.token, payload.amount)
    if own not in withdrawn:
        return Seen(Effect.UNSEEN)
    withdrawn.remove(own)
    return Seen(Effect.DONE)


def _done(shown: bool) -> Seen:
    return Seen(Effect.DONE if shown else Effect.UNSEEN)

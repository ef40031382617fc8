"""News in the engine's words: what waiters, topics and (later) webhooks are told."""

from collections.abc import Collection, Sequence
from typing import Literal

from headrace.core.operation import Ending, Return
from headrace.core.ports import BatchNews, OperationNews
from headrace.core.words import Address, OperationId
from headrace.engine.trips import Trip

What = Literal["batched", "sent", "mined", "retracted", "settled"]


def trip_told(
    trip: Trip, what: What, *, lane: Address, at: float, without_effect: Collection[OperationId]
) -> BatchNews | None:
    """None for a transaction that carries nothing."""
    in_flight, mined = trip.in_flight, trip.mined
    if in_flight.batch is None:
        return None
    return BatchNews(
        batch=in_flight.batch,
        lane=lane,
        nonce=in_flight.nonce,
        what=what,
        operations=trip.operations,
        at=at,
        transaction=mined.winner if mined else in_flight.attempts[-1].hash,
        block=mined.block if mined else None,
        gas_used=mined.gas_used if mined else None,
        without_effect=without_effect,
    )


def endings_told(endings: Sequence[Ending], *, at: float) -> list[OperationNews]:
    return [
        OperationNews(
            operation=ending.operation,
            what="done",
            at=at,
            outcome=ending.outcome,
            reason=ending.reason,
            revert=ending.revert,
        )
        for ending in endings
    ]


def returns_told(returns: Sequence[Return], *, at: float) -> list[OperationNews]:
    return [
        OperationNews(operation=back.operation, what="queued", at=at, reason=back.reason, revert=back.revert)
        for back in returns
    ]

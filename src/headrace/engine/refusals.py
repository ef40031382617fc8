"""What nodes refused as too much for one transaction, and how much less travels in one since.

Owns      the bound on operations per transaction that a refusal leaves behind, per workload and form.
Promises  each refusal halves it, down to one; it is forgotten after a while, so that a node's whim does not slow
          us down for ever, and a limit that is set wrong here costs one no-op each time it is tried again.
Leaves    filling the refused nonce to `core.transaction`; an operation that is refused alone to `engine.outcomes`.
"""

import logging
from dataclasses import dataclass
from typing import Final

from headrace.core.ports import Clock
from headrace.engine.trips import Trip

log = logging.getLogger(__name__)

REMEMBERED_S: Final = 600.0
TOLD_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Bound:
    most: int
    at: float
    text: str


class Refusals:
    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._bounds: dict[tuple[str, str], _Bound] = {}

    def note(self, trip: Trip, text: str) -> None:
        """`text` is what the node said."""
        most = max(len(trip.operations) // 2, 1)
        known = self.most(trip.workload.name, trip.form)
        self._bounds[trip.workload.name, trip.form] = _Bound(
            most if known is None else min(most, known), self._clock.now(), text
        )
        log.error(
            "nonce %d: a node takes no transaction with %d operations and %d gas: %s; at most %d go in one now",
            trip.nonce,
            len(trip.operations),
            trip.in_flight.gas_limit,
            text,
            most,
        )

    def most(self, workload: str, form: str) -> int | None:
        """Operations per transaction. None: nothing was refused lately."""
        bound = self._bounds.get((workload, form))
        if bound is None or self._clock.now() - bound.at > REMEMBERED_S:
            return None
        return bound.most

    @property
    def help_wanted(self) -> str | None:
        """What a person should mend, for a minute after each refusal."""
        for (workload, form), bound in self._bounds.items():
            if self._clock.now() - bound.at <= TOLD_S:
                return (
                    f"a node refused a transaction as too large ({bound.text}): at most {bound.most} operations "
                    f"({workload}, {form}) travel in one for {REMEMBERED_S:.0f} s; is chains.NAME.fork right?"
                )
        return None

"""The parts of an operation's way to the chain, by the gateway's own times. No I/O."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Self

from headrace.app.load.endings import SaidEnding
from headrace.app.percentiles import Percentiles, percentiles


@dataclass(frozen=True, slots=True, kw_only=True)
class WayParts:
    """Seconds. `waited`: from saved to sealed, most of it for the flush; `sent`: from sealed to handed to a node;
    `mined`: from there until its block was seen."""

    waited: Percentiles
    sent: Percentiles
    mined: Percentiles

    @classmethod
    def of(cls, endings: Collection[SaidEnding]) -> Self:
        """Of operations that landed."""
        landed = [ending for ending in endings if ending.outcome == "landed"]

        def between(
            start: Callable[[SaidEnding], float | None], end: Callable[[SaidEnding], float | None]
        ) -> Percentiles:
            spans = ((start(ending), end(ending)) for ending in landed)
            return percentiles(
                end_s - start_s for start_s, end_s in spans if start_s is not None and end_s is not None
            )

        return cls(
            waited=between(lambda e: e.received_at, lambda e: e.batched_at),
            sent=between(lambda e: e.batched_at, lambda e: e.sent_at),
            mined=between(lambda e: e.sent_at, lambda e: e.mined_at),
        )

"""Which rate to try next: up by a fifth while rates hold, then between the best and the first too many."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

FACTOR: Final = 1.2
NEAR_PERCENT: Final = 5  # closer than this says nothing: a step is that exact at best


@dataclass(frozen=True, slots=True)
class Tried:
    rate_per_s: int
    sustained: bool


def next_rate(tried: Sequence[Tried], *, start: int, steps_max: int) -> int | None:
    """None: the search is over. The first is `start`; if that is too many, down by a fifth until one holds."""
    if not tried:
        return start
    if len(tried) >= steps_max:
        return None
    best, too_many = sustained(tried), min((t.rate_per_s for t in tried if not t.sustained), default=None)
    if too_many is None:
        return round(best * FACTOR)
    if best == 0:
        lower = round(too_many / FACTOR)
        return lower if 0 < lower < too_many else None
    middle = round((best + too_many) / 2)
    return middle if (middle - best) * 100 > best * NEAR_PERCENT else None


def sustained(tried: Sequence[Tried]) -> int:
    """The highest rate that held and beneath every one that did not; 0 where none was."""
    too_many = min((t.rate_per_s for t in tried if not t.sustained), default=None)
    return max(
        (t.rate_per_s for t in tried if t.sustained and (too_many is None or t.rate_per_s < too_many)), default=0
    )

"""Percentiles by nearest rank: always a value that was measured, never one in between."""

from collections.abc import Iterable, Sequence
from typing import TypedDict

DIGITS = 6  # of seconds in a report: a microsecond


class Percentiles(TypedDict):
    """In seconds; None where nothing was measured."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


def nearest_rank(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that at least `percent` per cent (1 to 100) of `ordered`, not empty, do not exceed."""
    assert ordered and 1 <= percent <= 100, (len(ordered), percent)
    # Integers only: 0.07 * 100 in floating point is more than 7, and its ceiling would be 8.
    rank = -(-percent * len(ordered) // 100)
    return ordered[rank - 1]


def percentiles(values: Iterable[float]) -> Percentiles:
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p95": None, "p99": None, "max": None}
    return {
        "p50": round(nearest_rank(ordered, 50), DIGITS),
        "p95": round(nearest_rank(ordered, 95), DIGITS),
        "p99": round(nearest_rank(ordered, 99), DIGITS),
        "max": round(ordered[-1], DIGITS),
    }

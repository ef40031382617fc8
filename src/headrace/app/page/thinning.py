"""Few points for many values, each of them measured.

Promises  no point is an average of others; first and last are always there; so many points at most.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

POINTS_MAX: Final = 800  # of a curve: about one for each pixel that it is wide
DIGITS: Final = 4  # of seconds and per cent in a page

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Curve:
    """A staircase: `y` holds from `x` on until the next. Both never fall."""

    x: Sequence[float]
    y: Sequence[float]


def counted(moments_s: Iterable[float], *, until_s: float = 0.0, points_max: int = POINTS_MAX) -> Curve:
    """How many had happened by then, from none at 0 s on, to `until_s` at least. Left out are steps in between,
    never the height."""
    ordered = sorted(moments_s)
    steps = [(0.0, 0)]
    for index, moment_s in enumerate(ordered, 1):
        if index == len(ordered) or ordered[index] > moment_s:  # the last of those at the same moment
            steps.append((moment_s, index))
    if steps[-1][0] < until_s:
        steps.append((until_s, len(ordered)))
    kept = evenly(steps, points_max)
    return Curve([round(x, DIGITS) for x, _ in kept], [y for _, y in kept])


def shares(values: Iterable[float], *, of: int, points_max: int = POINTS_MAX) -> Curve:
    """Which part of `of`, in per cent, has a value of at most x. It ends below 100 where some have none."""
    ordered = sorted(values)
    assert len(ordered) <= of, f"{len(ordered)} values of {of}"
    kept = evenly(sorted(set(ordered)), points_max)
    return Curve(
        [round(x, DIGITS) for x in kept], [round(100 * bisect_right(ordered, x) / of, DIGITS) for x in kept]
    )


def evenly(values: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of them, in their order, the same distance apart."""
    assert most >= 2
    if len(values) <= most:
        return values
    return [values[index * (len(values) - 1) // (most - 1)] for index in range(most)]


def extremes(values: Sequence[T], most: int, *, by: Callable[[T], float]) -> Sequence[T]:
    """At most so many of them, in their order: of neighbours the least and the largest."""
    assert most >= 2
    if len(values) <= most:
        return values
    groups = most // 2
    kept: list[T] = []
    for group in range(groups):
        part = range(group * len(values) // groups, (group + 1) * len(values) // groups)
        ends = {min(part, key=lambda i: by(values[i])), max(part, key=lambda i: by(values[i]))}
        kept += [values[index] for index in sorted(ends)]
    return kept

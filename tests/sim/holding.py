"""The invariants by name, and when each is looked at. In words they are in invariants.md, under the same names."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from sim.witness import Violation

# A node is about to see bytes; the store is about to settle; a step is over; all is over; a client got an answer.
Moment = Literal["sent", "settling", "step", "end", "answered"]
Check = Callable[[Any, Any], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Invariant:
    """`check(world, what it is about)` yields a text for each thing that is wrong."""

    name: str
    moment: Moment
    check: Check


INVARIANTS: Final[list[Invariant]] = []


def invariant(moment: Moment, name: str) -> Callable[[Check], Check]:
    """An invariant may be looked at in more than one moment."""

    def register(check: Check) -> Check:
        INVARIANTS.append(Invariant(name, moment, check))
        return check

    return register


def hold(moment: Moment, world: Any, about: Any, *, only: str | None = None) -> list[Violation]:
    return [
        Violation(one.name, text)
        for one in INVARIANTS
        if one.moment == moment and only in (None, one.name)
        for text in one.check(world, about)
    ]

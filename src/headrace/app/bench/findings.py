"""What a bench found: two numbers to begin with, checks that hold or do not, and what they rest on.

Owns      the comparison in a check: the words of its limit and whether it holds come from the same place.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from headrace.app.report_shape import Report

if TYPE_CHECKING:
    from headrace.app.page.writing import RunToShow

Number = int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One number against its limit, the limit in words as it is compared: `== 0`, `>= 10`."""

    name: str
    value: Number
    limit: str
    holds: bool

    @classmethod
    def equals(cls, name: str, value: Number, wanted: Number) -> Self:
        return cls(name=name, value=value, limit=f"== {wanted:.12g}", holds=value == wanted)

    @classmethod
    def at_least(cls, name: str, value: Number, least: Number) -> Self:
        return cls(name=name, value=value, limit=f">= {least:.12g}", holds=value >= least)

    @classmethod
    def at_most(cls, name: str, value: Number, most: Number) -> Self:
        return cls(name=name, value=value, limit=f"<= {most:.12g}", holds=value <= most)

    @classmethod
    def below(cls, name: str, value: Number, bound: Number) -> Self:
        return cls(name=name, value=value, limit=f"< {bound:.12g}", holds=value < bound)

    def __post_init__(self) -> None:
        assert math.isfinite(self.value), f"{self.name}: {self.value} can be held against nothing"


@dataclass(frozen=True, slots=True)
class Headline:
    """One of the two numbers that come first."""

    name: str
    value: Number
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """For people, below the checks. The first column is left-aligned text, the others are right-aligned."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """`runs`: a report for each load run; `drawn`: such runs for a page. `details` go into the JSON as they are,
    under that name: counts that a doubter wants to see and that are no check."""

    headline: tuple[Headline, Headline]
    checks: Sequence[Check]
    runs: Sequence[Report] = ()
    tables: Sequence[Table] = ()
    drawn: "Sequence[RunToShow]" = ()
    details: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.checks, "a claim without a check claims nothing"

    @property
    def hold(self) -> bool:
        return all(check.holds for check in self.checks)

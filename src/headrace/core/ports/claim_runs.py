"""What claim runs leave behind for people: why, when, what was done, what stood in the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRun:
    """Times in unix seconds; `ended_at` None: it goes on. `counts` of jobs by what became of them in it,
    `troubles` in words."""

    number: int
    because: str
    began_at: float
    ended_at: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    troubles: Sequence[str] = ()


class ClaimRunStore(Protocol):
    async def begin_claim_run(self, because: str, *, now: float) -> ClaimRun | None:
        """None, and nothing is written, while another goes on: runs never overlap."""
        ...

    async def end_claim_run(
        self, number: int, *, counts: Mapping[str, int], troubles: Sequence[str], now: float
    ) -> None: ...

    async def end_lost_claim_run(self, *, now: float) -> None:
        """At start: the one that was cut off, if there is one, ends with a word about it."""
        ...

    async def claim_runs(self, *, limit: int, before: int | None = None) -> Sequence[ClaimRun]:
        """Newest first, those with a number below `before`."""
        ...

"""What one side of the source's load showed. No I/O."""

from dataclasses import dataclass
from typing import Self

from headrace.app.report_shape import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`*_percent` of the tasks that were due to land; `landed` includes what came late. `p50_s`: from request to
    response on chain, of what landed; None where nothing did."""

    due: int
    on_time: int
    landed: int
    p50_s: float | None
    block_time_s: float

    @classmethod
    def of(cls, report: Report) -> Self:
        valid, block_time_s = report["valid"], report["profile"]["block_time_s"]
        assert block_time_s is not None, "a report that knows its chain"
        return cls(
            due=valid["due"],
            on_time=valid["outcomes"]["on_time"],
            landed=valid["outcomes"]["on_time"] + valid["outcomes"]["late"],
            p50_s=report["onchain_e2e_s"]["p50"],
            block_time_s=block_time_s,
        )

    @property
    def on_time_percent(self) -> float:
        return 100 * self.on_time / self.due if self.due else 0.0

    @property
    def landed_percent(self) -> float:
        return 100 * self.landed / self.due if self.due else 0.0

    @property
    def p50_blocks(self) -> float:
        """Block times; 0 where nothing landed."""
        return (self.p50_s or 0.0) / self.block_time_s

"""The ways of sending that are compared. No I/O."""

from dataclasses import dataclass
from typing import Literal

from headrace.app.demo.writing import Tuning


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One policy, and the tasks a second that are offered to it."""

    name: str
    rate_per_s: float
    submitter: Literal["batched", "sequential"] = "batched"
    interval_ms: int | None = None  # None: aligned to the coming block

    @property
    def tuning(self) -> Tuning:
        if self.interval_ms is None:
            return {"batch_submitter": {"flush": "block"}}
        return {"batch_submitter": {"flush": "interval", "batch_interval_ms": self.interval_ms}}

    @property
    def recording(self) -> Literal["combined", "separate"]:
        return "separate" if self.submitter == "sequential" else "combined"


def block(rate_per_s: float) -> Way:
    return Way(name="block", rate_per_s=rate_per_s)


def interval(milliseconds: int, rate_per_s: float) -> Way:
    return Way(name=f"interval {milliseconds} ms", rate_per_s=rate_per_s, interval_ms=milliseconds)


def sequential(rate_per_s: float) -> Way:
    return Way(name="one at a time", rate_per_s=rate_per_s, submitter="sequential")

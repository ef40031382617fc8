"""What a job that is over owes, by its terms and by what is known of its run.

Owns      which seconds count.
Promises  only what is known is billed: a stop that nobody saw is never the longest run that was possible.
Leaves    prices, rounding and the cap of the lock to `core.terms`.
"""

from dataclasses import dataclass

from headrace.core.job import BILLED, Job, RunTimes
from headrace.core.terms import cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """`amount` in the token's smallest unit, 0 where the run's end pays nothing. `used_ms` as far as it is known,
    capped at the job's own limit."""

    amount: int
    used_ms: int


@dataclass(frozen=True, slots=True)
class Unclear:
    """No amount can be said: a person must look."""

    reason: str


def bill(job: Job) -> Bill | Unclear:
    """For a paid job whose run is over."""
    assert job.terms is not None and job.result is not None, job.id
    used_ms = known_ms(job.run)
    if used_ms < 0:
        # Reports that say so are refused, and the store refuses such rows: somebody wrote by hand.
        return Unclear(f"its times make no sense: {job.run}")
    used_ms = min(used_ms, job.max_duration_s * 1000)
    return Bill(amount=cost(job.terms, used_ms=used_ms) if job.result.status in BILLED else 0, used_ms=used_ms)


def known_ms(run: RunTimes) -> int:
    """Milliseconds of building and running. Without a known stop the run counts up to the last moment at which it
    was seen running, and a build without a known end does not count: both are less than was used, never more."""
    stopped_at = run.seen_running_at if run.stopped_at is None else run.stopped_at
    return _ms(run.build_started_at, run.build_ended_at) + _ms(run.started_at, stopped_at)


def _ms(start: float | None, end: float | None) -> int:
    return 0 if start is None or end is None else round(end * 1000) - round(start * 1000)

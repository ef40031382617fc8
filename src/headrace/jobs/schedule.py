"""When the next claim run is due.

Owns      the reasons to run: it is time again, a lock would expire before it is, the last run could not see all.
Promises  a plain function of locks, runs and time. A lock that can still be claimed is given a run before it
          cannot; a run that left it behind is repeated, with a pause. What cannot be claimed hurries nobody.
Leaves    what a run does to `jobs.planning`, that runs do not overlap to whoever runs them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

LEAD_S: Final = 120.0
RETRY_PAUSE_S: Final = 30.0
CLOCK_SLACK_S: Final = 30.0
_DOUBLINGS_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPolicy:
    """All in seconds. `lead_s`: a run that a lock demands begins so long before its claim must be sent, for asking
    nodes, simulating and one more try. `retry_pause_s`: between a run that left such a lock behind and the next.
    `clock_slack_s`: how long after its expiry a lock is taken to be expired on chain too, whose clock are its
    blocks; a cancel that comes too early does nothing, and says nothing."""

    interval_s: float = 3600.0
    initial_delay_s: float = 60.0
    margin_s: float = 300.0
    lead_s: float = LEAD_S
    retry_pause_s: float = RETRY_PAUSE_S
    clock_slack_s: float = CLOCK_SLACK_S

    def send_before(self, expiry: int) -> float:
        """The last moment to send a claim on a lock: later it might be mined as a cancel."""
        return expiry - self.margin_s

    def is_expired(self, expiry: int, *, now: float) -> bool:
        return now > expiry + self.clock_slack_s


class Because(Enum):
    STARTED = "the service has started"
    INTERVAL = "it is time again"
    EXPIRY = "a lock would expire before it is time again"
    AGAIN = "the run before could not see all that it had to"


@dataclass(frozen=True, slots=True)
class NextRun:
    at: float
    because: Because


@dataclass(frozen=True, slots=True)
class LastRun:
    """`missed`: how many runs in a row, up to this one, left payments because a node did not answer, or was
    behind, or the lock was not final yet."""

    began_at: float
    ended_at: float
    missed: int = 0


def next_run(
    *, started_at: float, last: LastRun | None, expiries: Iterable[int], now: float, policy: ClaimPolicy
) -> NextRun:
    """`expiries` of the locks whose payment is due; those that can no longer be claimed do not count. `last`: the
    last run since the service started. All in unix seconds. A moment that has passed means now."""
    if last is None:
        regular = NextRun(started_at + policy.initial_delay_s, Because.STARTED)
    else:
        # From its beginning, so that runs do not drift; but one that takes longer than the interval ends first.
        regular = NextRun(max(last.began_at + policy.interval_s, last.ended_at), Because.INTERVAL)
        if last.missed:
            again_at = last.ended_at + policy.retry_pause_s * 2 ** min(last.missed - 1, _DOUBLINGS_MAX)
            if again_at < regular.at:
                regular = NextRun(again_at, Because.AGAIN)
    first = min((policy.send_before(e) for e in expiries if policy.send_before(e) > now), default=None)
    if first is None:
        return regular
    demanded = first - policy.lead_s
    if last is not None:
        demanded = max(demanded, last.ended_at + policy.retry_pause_s)
    return NextRun(demanded, Because.EXPIRY) if demanded < min(regular.at, first) else regular

"""When to close what waits into batches.

Owns      the moment of a flush: aligned to the coming block, by interval, at once when a batch is full.
Promises  a plain function of what waits, the blocks seen and the time.
Leaves    what travels to `core.packing`.
"""

from dataclasses import dataclass, field
from statistics import median
from typing import Final, Literal

Mode = Literal["block", "interval"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushPolicy:
    mode: Mode
    interval_s: float


# Two ways to the same moment differ in the last place, and that is no second flush.
HAIR_S: Final = 0.001


@dataclass(slots=True)
class BlockTimes:
    """When blocks were seen, and when the next is due. All in unix seconds of our own clock: a block's own
    timestamp is in whole seconds and somebody else's."""

    seen: list[float] = field(default_factory=list)

    def saw_block(self, at: float) -> None:
        self.seen = [*self.seen[-16:], at]

    @property
    def interval_s(self) -> float | None:
        """None until three blocks were seen."""
        if len(self.seen) < 3:
            return None
        gaps = [b - a for a, b in zip(self.seen, self.seen[1:], strict=False)]
        return median(gaps)

    def next_after(self, now: float) -> float | None:
        """When the first block after `now` is due."""
        interval = self.interval_s
        if interval is None or interval <= 0:
            return None
        missed = max(0, int((now - self.seen[-1]) // interval))
        return self.seen[-1] + (missed + 1) * interval


@dataclass(slots=True)
class Lead:
    """How long before a block a flush must start to be in it. Grows when a block was missed that had room for
    us, shrinks slowly while all goes well: nodes and builders close a block at a time that they do not tell."""

    least_s: float = 0.15
    seconds: float = 0.4

    def hit(self) -> None:
        self.seconds = max(self.least_s, self.seconds * 0.98)

    def missed(self, interval_s: float) -> None:
        # Never shorter than it was: after a burst of blocks the interval is next to nothing, and a lead of nothing
        # starts a flush when its block is there.
        self.seconds = max(self.seconds, min(self.seconds + 0.08 * interval_s, 0.6 * interval_s))

    def took(self, flush_s: float) -> None:
        """A flush lasted this long from its start to the node's answer."""
        self.seconds = max(self.seconds, flush_s * 1.1 + 0.05)


def flush_at(
    *,
    waiting_since: float | None,
    full: bool,
    last_flush_at: float,
    now: float,
    blocks: BlockTimes,
    lead_s: float,
    policy: FlushPolicy,
) -> float | None:
    """When to flush, in unix seconds; None while nothing waits."""
    if waiting_since is None:
        return None
    if full:
        return now
    due = blocks.next_after(now) if policy.mode == "block" else None
    interval = blocks.interval_s
    if due is None or interval is None:
        return max(waiting_since + policy.interval_s, now)
    lead_s = min(lead_s, 0.6 * interval)
    if last_flush_at >= due - lead_s - HAIR_S:
        # This block has had its flush. What came after it waits for the next, or each would ride alone.
        return due + interval - lead_s
    return max(due - lead_s, now)

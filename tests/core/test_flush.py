import itertools

from hypothesis import given
from hypothesis import strategies as st

from headrace.core.flush import BlockTimes, FlushPolicy, Lead, flush_at

BY_BLOCK = FlushPolicy(mode="block", interval_s=2.0)
BY_INTERVAL = FlushPolicy(mode="interval", interval_s=2.0)


def every(seconds: float, *, blocks: int = 5, start: float = 1_000.0) -> BlockTimes:
    times = BlockTimes()
    for i in range(blocks):
        times.saw_block(start + i * seconds)
    return times


def when(
    *,
    blocks: BlockTimes,
    now: float,
    waiting_since: float | None = 1_000.0,
    full: bool = False,
    last_flush_at: float = 0.0,
    lead_s: float = 0.5,
    policy: FlushPolicy = BY_BLOCK,
) -> float | None:
    return flush_at(
        waiting_since=waiting_since,
        full=full,
        last_flush_at=last_flush_at,
        now=now,
        blocks=blocks,
        lead_s=lead_s,
        policy=policy,
    )


def test_a_flush_comes_just_before_the_coming_block() -> None:
    assert when(blocks=every(12), now=1_050) == 1_060 - 0.5


def test_nothing_waiting_is_nothing_to_flush() -> None:
    assert when(blocks=every(12), now=1_050, waiting_since=None, full=True) is None


def test_a_full_batch_goes_at_once() -> None:
    assert when(blocks=every(12), now=1_050, full=True, last_flush_at=1_049.9) == 1_050


def test_a_block_gets_one_flush_and_what_comes_later_waits_for_the_next() -> None:
    blocks = every(12)
    assert when(blocks=blocks, now=1_059.5, last_flush_at=1_059.5) == 1_072 - 0.5
    assert when(blocks=blocks, now=1_059.9, last_flush_at=1_059.5) == 1_072 - 0.5


def test_what_comes_when_the_lead_has_begun_goes_at_once_if_the_block_had_no_flush() -> None:
    assert when(blocks=every(12), now=1_059.8, last_flush_at=1_047.5) == 1_059.8


def test_while_block_times_are_unknown_the_interval_decides() -> None:
    for known in (0, 1, 2):
        assert when(blocks=every(12, blocks=known), now=1_001, waiting_since=1_000.5) == 1_002.5
    assert when(blocks=every(12), now=1_050.5, waiting_since=1_050, policy=BY_INTERVAL) == 1_052


def test_an_interval_that_is_over_is_over_now() -> None:
    assert when(blocks=BlockTimes(), now=2_000, waiting_since=1_000) == 2_000


def test_blocks_that_were_missed_are_counted_over() -> None:
    assert every(12).next_after(1_048 + 30) == 1_048 + 36
    assert every(12).next_after(1_048) == 1_060


def test_the_block_time_is_the_median_so_that_one_late_block_changes_little() -> None:
    times = BlockTimes()
    for at in (0, 12, 24, 60, 72, 84):
        times.saw_block(at)
    assert times.interval_s == 12


def test_only_the_recent_blocks_are_kept() -> None:
    times = every(12, blocks=500)
    assert len(times.seen) <= 17


def test_blocks_at_one_moment_tell_no_time() -> None:
    assert every(0).next_after(1_000) is None
    assert when(blocks=every(0), now=1_001) == 1_002


@given(
    st.floats(0.1, 60),
    st.integers(0, 8),
    st.floats(0, 500),
    st.floats(0, 500),
    st.floats(0, 60),
    st.booleans(),
)
def test_a_flush_is_never_due_in_the_past_nor_more_than_two_blocks_ahead(
    interval: float, blocks: int, later: float, flushed_before: float, lead: float, full: bool
) -> None:
    seen = every(interval, blocks=blocks)
    now = 1_000 + blocks * interval + later
    due = when(
        blocks=seen, now=now, full=full, last_flush_at=now - flushed_before, lead_s=lead, waiting_since=now - 1
    )
    assert due is not None
    assert due >= now - 1e-6
    assert due <= now + max(2 * interval, 2.0) + 1e-6


@given(st.floats(0.5, 15), st.floats(Lead().least_s, 5), st.lists(st.floats(0, 3), min_size=1, max_size=30))
def test_while_work_trickles_in_each_block_gets_at_most_one_flush(
    interval: float, lead: float, gaps: list[float]
) -> None:
    blocks = every(interval)
    now, last = blocks.seen[-1], 0.0
    flushes = []
    for gap in gaps:
        now += gap
        due = when(blocks=blocks, now=now, last_flush_at=last, lead_s=lead, waiting_since=now)
        assert due is not None
        now = last = max(due, now)
        flushes.append(last)
    for one, other in itertools.pairwise(flushes):
        assert other - one >= 0.3 * interval  # not two for one block


def test_the_lead_grows_when_a_block_was_missed_and_shrinks_slowly_down_to_a_least() -> None:
    lead = Lead()
    lead.missed(12)
    assert lead.seconds == 0.4 + 0.96
    for _ in range(200):
        lead.hit()
    assert lead.seconds == lead.least_s
    for _ in range(200):
        lead.missed(12)
    assert lead.seconds == 0.6 * 12


def test_a_slow_flush_starts_earlier_next_time() -> None:
    lead = Lead()
    lead.took(2.0)
    assert lead.seconds >= 2.0
    lead.took(0.01)
    assert lead.seconds >= 2.0


def test_a_miss_after_a_burst_of_blocks_does_not_make_the_lead_shorter() -> None:
    """Blocks that came at once leave an interval of nothing. With a lead of nothing a flush starts when its block
    is there, and every block is missed."""
    lead = Lead()
    before = lead.seconds
    lead.missed(0.0)
    assert lead.seconds == before

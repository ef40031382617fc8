"""When the next claim run is due."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.jobs.schedule import Because, ClaimPolicy, LastRun, NextRun, next_run

POLICY = ClaimPolicy()
START = 1_000_000.0


def due(*expiries: int, last: LastRun | None = None, now: float = START) -> NextRun:
    return next_run(started_at=START, last=last, expiries=expiries, now=now, policy=POLICY)


def test_the_first_run_is_a_while_after_the_start() -> None:
    assert due() == NextRun(START + 60, Because.STARTED)


def test_then_one_every_interval_counted_from_its_beginning() -> None:
    assert due(last=LastRun(START + 60, START + 75)) == NextRun(START + 3660, Because.INTERVAL)


def test_a_run_that_takes_longer_than_the_interval_ends_before_the_next() -> None:
    assert due(last=LastRun(START, START + 4000)) == NextRun(START + 4000, Because.INTERVAL)


def test_a_lock_that_would_expire_before_demands_a_run_of_its_own() -> None:
    last = LastRun(START + 60, START + 75)
    expiry = int(START) + 2000
    assert due(expiry, expiry + 500, last=last) == NextRun(expiry - 300 - 120, Because.EXPIRY)


def test_a_lock_demands_a_run_before_the_first_one_too() -> None:
    expiry = int(START) + 430
    assert due(expiry) == NextRun(START + 10, Because.EXPIRY)


def test_a_lock_that_lives_long_enough_waits_for_its_turn() -> None:
    assert due(int(START) + 60 + 420) == NextRun(START + 60, Because.STARTED)


def test_what_can_no_longer_be_claimed_hurries_nobody() -> None:
    last = LastRun(START, START)
    for expiry in (int(START) - 9_000, int(START), int(START) + 300):
        assert due(expiry, last=last) == NextRun(START + 3600, Because.INTERVAL)


def test_a_run_that_left_a_lock_behind_is_repeated_with_a_pause_and_not_beyond_its_last_moment() -> None:
    expiry = int(START) + 400
    failed = LastRun(START, START + 2)
    assert due(expiry, last=failed) == NextRun(START + 32, Because.EXPIRY)
    failed = LastRun(START + 80, START + 81)
    assert due(expiry, last=failed, now=START + 82) == NextRun(START + 80 + 3600, Because.INTERVAL)


def test_late_expiries_do_not_hide_early_ones_that_are_past() -> None:
    last = LastRun(START, START)
    assert due(1, int(START) + 3000, last=last) == NextRun(START + 3000 - 420, Because.EXPIRY)


@given(
    st.lists(st.integers(int(START) - 10_000, int(START) + 20_000), max_size=5),
    st.floats(START, START + 10_000),
    st.none() | st.tuples(st.floats(0, 9_000), st.floats(0, 500)),
)
def test_every_lock_that_can_still_be_claimed_has_a_run_before_it_cannot(
    expiries: list[int], now: float, last: tuple[float, float] | None
) -> None:
    before = None if last is None else LastRun(now - sum(last), now - last[1])
    run = next_run(started_at=START, last=before, expiries=expiries, now=now, policy=POLICY)
    claimable = [e for e in expiries if POLICY.send_before(e) > now]
    if before is None:
        assert run.at <= START + POLICY.initial_delay_s
    else:
        assert run.at <= max(before.began_at + POLICY.interval_s, before.ended_at)
        assert run.at >= before.ended_at
    for expiry in claimable:
        pause_ends = -1.0 if before is None else before.ended_at + POLICY.retry_pause_s
        if pause_ends < POLICY.send_before(expiry):
            assert max(run.at, now) <= max(POLICY.send_before(expiry), pause_ends)


@pytest.mark.parametrize(("now", "expired"), [(99, False), (100, False), (130, False), (130.5, True)])
def test_a_lock_is_expired_a_little_after_its_expiry(now: float, expired: bool) -> None:
    """At its expiry a block may still claim it, and the chain's clock is the blocks'."""
    assert POLICY.is_expired(100, now=now) is expired

"""What a job that is over owes."""

from dataclasses import replace

import pytest

from headrace.core.job import BILLED, RUN_OVER, JobStatus, RunTimes
from headrace.jobs.billing import Bill, Unclear, bill
from jobs.making import NOW, after, locked_job, never_ran_job, payment, ran_job, running_job

MINUTE = 9 * 10**6  # of the example, in a token of 6 decimals


def test_a_run_of_125_seconds_owes_three_minutes() -> None:
    assert bill(ran_job(seconds=125)) == Bill(amount=3 * MINUTE, used_ms=125_000)


@pytest.mark.parametrize("end", [41, 42, 61, 62, 71])
def test_whatever_used_the_resources_is_billed(end: int) -> None:
    assert bill(ran_job(seconds=61, end=end)) == Bill(amount=2 * MINUTE, used_ms=61_000)


@pytest.mark.parametrize("end", sorted({2, 11, 13, 14, 21, 22, 31, 32, 33}))
def test_what_failed_before_it_ran_owes_nothing(end: int) -> None:
    owed = bill(never_ran_job(end=end))
    assert isinstance(owed, Bill)
    assert owed.amount == 0


def test_every_end_of_a_paid_run_is_billed_or_not() -> None:
    assert RUN_OVER - {JobStatus.JOB_FINISHED} == BILLED | {2, 11, 13, 14, 21, 22, 31, 32, 33}


def test_two_minutes_do_not_become_three_by_the_noise_of_a_float() -> None:
    for fraction in range(1, 1000):
        start = NOW + fraction / 1000
        assert bill(ran_job(since=start, seconds=120)) == Bill(amount=2 * MINUTE, used_ms=120_000)


def test_a_run_over_its_limit_is_billed_to_the_limit() -> None:
    assert bill(ran_job(seconds=7_000, max_duration_s=600)) == Bill(amount=10 * MINUTE, used_ms=600_000)


def test_a_start_that_failed_at_once_is_billed_the_minimum() -> None:
    assert bill(ran_job(seconds=0, end=41)) == Bill(amount=MINUTE, used_ms=0)


def test_without_a_minimum_no_time_costs_nothing() -> None:
    job = ran_job(seconds=0, payment=payment(minimum_duration_s=0))
    assert bill(job) == Bill(amount=0, used_ms=0)


def test_a_missing_stop_is_billed_to_the_last_moment_it_was_seen_running_never_to_the_limit() -> None:
    """The original takes the stop for 0 and bills the distance to the epoch, capped at the longest run."""
    job = running_job(since=NOW + 100, max_duration_s=36_000)
    for seen in (NOW + 130, NOW + 220.5):
        job = after(job, 40, seen)
    job = after(after(job, 60, None, now=NOW + 9_000), 71, None, now=NOW + 9_001)
    assert bill(job) == Bill(amount=3 * MINUTE, used_ms=120_500)


def test_a_missing_stop_of_a_run_that_nobody_saw_again_is_the_minimum() -> None:
    job = after(running_job(since=NOW + 100, max_duration_s=36_000), 41, None, now=NOW + 9_000)
    assert bill(job) == Bill(amount=MINUTE, used_ms=0)


def test_a_build_counts_as_far_as_its_end_is_known() -> None:
    known = after(after(after(after(locked_job(), 12, NOW), 20, NOW + 90), 60, NOW + 91), 71, NOW + 92)
    assert bill(known) == Bill(amount=2 * MINUTE, used_ms=90_000)
    unknown = after(after(after(after(locked_job(), 12, NOW), 20, None), 60, None), 71, None)
    assert bill(unknown) == Bill(amount=MINUTE, used_ms=0)


def test_times_that_somebody_wrote_by_hand_are_a_question_not_a_bill() -> None:
    job = replace(ran_job(), run=RunTimes(started_at=NOW, seen_running_at=NOW, stopped_at=NOW - 5))
    assert isinstance(bill(job), Unclear)


def test_prices_of_today_do_not_touch_what_was_agreed() -> None:
    """A bill asks the job and nothing else: no environment, no table of prices, no settings."""
    before = bill(ran_job(environment="small"))
    assert bill(replace(ran_job(), environment="renamed-since")) == before

"""What a compute engine's report does to a job."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from headrace.core.errors import FixTheRequest, TryLater
from headrace.core.job import NEXT, RUN_OVER, JobStatus, RunTimes
from headrace.core.settlement import NeedsHelp
from headrace.core.terms import DURATION_S_MAX
from headrace.jobs.reporting import take
from jobs.making import NOW, after, lock_of, locked_job, never_ran_job, new_job, ran_job, report, running_job


def told(job: Any, status: int, at: float | None = NOW + 200, *, now: float = NOW + 50_000, **more: Any) -> Any:
    return take(job, report(job, status, at, **more), now=now)


def in_status(status: JobStatus, *, free: bool) -> Any:
    """A job whose run is not over, in this status."""
    ways: dict[int, tuple[int, ...]] = {
        0: (),
        1: (1,),
        10: (10,),
        12: (12,),
        20: (10, 20),
        30: (10, 20, 30),
        40: (10, 20, 30, 40),
        50: (10, 20, 30, 40, 50),
        60: (10, 20, 30, 40, 60),
    }
    job = locked_job(free=free)
    for number, one in enumerate(ways[status]):
        job = after(job, one, NOW + number)
    return job


@pytest.mark.parametrize(
    ("start", "free"), list(itertools.product(sorted(set(JobStatus) - RUN_OVER), (True, False)))
)
def test_only_what_follows_is_taken_and_what_skips_is_named(start: JobStatus, free: bool) -> None:
    job = in_status(start, free=free)
    refused = JobStatus.JOB_SETTLE if free else JobStatus.JOB_FINISHED
    for status in set(JobStatus) - {start}:
        if status in NEXT[start] - {refused}:
            assert told(job, status).after is status
        else:
            with pytest.raises(FixTheRequest, match=rf"job a is .*{int(status)} \(|report 7[01] \("):
                told(job, status)


def test_a_skipped_state_is_refused_with_what_would_follow() -> None:
    with pytest.raises(FixTheRequest) as refused:
        told(locked_job(), 40)
    assert str(refused.value) == (
        "job a is in 0 (Job started), and 40 (Running algorithm) does not follow; what follows: 1 (Job queued), "
        "2 (Job expired in queue), 10 (Pulling algorithm image), 12 (Building algorithm image), "
        "20 (Configuring volumes)"
    )


def test_a_free_job_skips_settlement_and_a_paid_one_cannot() -> None:
    with pytest.raises(FixTheRequest, match=r"is free, there is nothing to settle; report 70 \(Job finished\)"):
        told(in_status(JobStatus.PUBLISHING_RESULTS, free=True), 71)
    with pytest.raises(FixTheRequest, match=r"finished when its payment is settled; report 71 \(Job settling\)"):
        told(in_status(JobStatus.PUBLISHING_RESULTS, free=False), 70)


@pytest.mark.parametrize("end", sorted({2, 11, 13, 14, 21, 22, 31, 32, 33}))
def test_a_failure_is_never_written_over(end: int) -> None:
    job = never_ran_job(end=end)
    for status in set(JobStatus) - {JobStatus(end)}:
        with pytest.raises(FixTheRequest, match=rf"job a ended as {end} \(.*comes too late"):
            told(job, status)


@pytest.mark.parametrize("end", [41, 42, 61, 62, 71])
def test_what_ended_after_a_run_is_never_written_over(end: int) -> None:
    job = ran_job(end=end)
    for status in set(JobStatus) - {JobStatus(end)}:
        with pytest.raises(FixTheRequest, match=rf"ended as {end} \(.*comes too late"):
            told(job, status)


def test_saying_it_again_changes_nothing_but_another_ending_is_refused() -> None:
    assert told(in_status(JobStatus.PULL_IMAGE, free=False), 10) is None
    job = after(running_job(), 41, NOW + 150, exit_code=3)
    assert told(job, 41, NOW + 150, exit_code=3) is None
    with pytest.raises(FixTheRequest, match=r"ended as 41 .* exit code 3, .* now reported: 0, False"):
        told(job, 41, exit_code=0)


def test_saying_settling_again_after_the_payment_was_settled_changes_nothing() -> None:
    assert told(replace(ran_job(), status=JobStatus.JOB_FINISHED), 71) is None


def test_nothing_begins_before_the_lock_is_on_chain() -> None:
    job = new_job()
    for status in (10, 12, 20):
        with pytest.raises(TryLater, match="may not begin before its lock is on chain"):
            told(job, status)
    assert told(job, 1).after is JobStatus.JOB_QUEUED
    assert told(job, 2).result.status is JobStatus.JOB_QUEUED_EXPIRED
    assert told(replace(locked_job(), lock=lock_of(job)), 10).after is JobStatus.PULL_IMAGE


# ---- Times


def test_a_run_lasts_from_its_start_to_its_stop() -> None:
    job = running_job(since=NOW + 100)
    assert (job.run.started_at, job.run.seen_running_at, job.run.stopped_at) == (NOW + 100, NOW + 100, None)
    assert told(job, 60, NOW + 225).run.stopped_at == NOW + 225
    assert told(job, 42, NOW + 225).run.stopped_at == NOW + 225


def test_being_seen_running_moves_on_and_never_back() -> None:
    job = running_job(since=NOW + 100)
    step = told(job, 40, NOW + 160)
    assert (step.before, step.after, step.run.seen_running_at) == (40, 40, NOW + 160)
    later = replace(job, run=step.run)
    assert told(later, 40, NOW + 160) is None
    assert told(later, 40, NOW + 130) is None
    assert told(later, 40, None, now=NOW + 170).run.seen_running_at == NOW + 170
    assert told(later, 40, NOW + 190, now=NOW + 180).run.seen_running_at == NOW + 180, "not in the future"


def test_an_engine_that_does_not_know_when_it_stopped_says_so() -> None:
    job = running_job(since=NOW + 100)
    step = told(job, 60, None, now=NOW + 9_000)
    assert step.run == RunTimes(started_at=NOW + 100, seen_running_at=NOW + 100, stopped_at=None)
    assert step.at == NOW + 9_000


def test_a_job_whose_container_is_gone_runs_from_its_beginning() -> None:
    again = after(running_job(since=NOW + 100), 20, NOW + 500)
    assert again.run == RunTimes()
    for number, status in enumerate((30, 40)):
        again = after(again, status, NOW + 600 + number)
    assert again.run.started_at == NOW + 601


def test_a_build_lasts_until_it_is_left() -> None:
    job = after(after(locked_job(), 12, NOW + 10), 20, NOW + 70)
    assert (job.run.build_started_at, job.run.build_ended_at) == (NOW + 10, NOW + 70)
    unknown = after(after(locked_job(), 12, NOW + 10), 20, None)
    assert unknown.run.build_ended_at is None


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (NOW + 99.9, r"would have ended running at .*, 0\.100 s before it began"),
        (NOW - 1_000, "is before .*, when the job came into 40"),
        (NOW + 50_061, "at: .* is 61 s from now; check the compute engine's clock"),
        (float("nan"), "at: nan is no time"),
        (float("inf"), "at: inf is no time"),
        (-1.0, r"at: -1\.0 is no time"),
    ],
)
def test_negative_and_absurd_durations_are_refused(at: float, said: str) -> None:
    with pytest.raises(FixTheRequest, match=said):
        told(running_job(since=NOW + 100), 60, at)


def test_a_run_of_months_is_a_slip_of_units() -> None:
    far = NOW + 101 + DURATION_S_MAX
    with pytest.raises(FixTheRequest, match="running for 2678401 s; 2678400 s are possible"):
        told(running_job(since=NOW + 100), 60, far, now=far)


def test_a_clock_that_is_a_little_behind_is_no_reason_to_refuse() -> None:
    assert told(locked_job(), 10, NOW - 30).at == NOW - 30
    assert told(locked_job(), 10, NOW + 30, now=NOW).at == NOW + 30


def test_an_essay_is_no_detail() -> None:
    with pytest.raises(FixTheRequest, match="detail: 1001 characters"):
        told(locked_job(), 10, detail="x" * 1001)


def test_nothing_begins_without_a_lock_whatever_a_payment_waits_for() -> None:
    job = replace(new_job(), settlement=NeedsHelp("what became of its lock?"))
    with pytest.raises(TryLater, match="before its lock is on chain"):
        told(job, 10)

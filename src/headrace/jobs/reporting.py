"""What a compute engine's report does to a job: a step, nothing, or a refusal in words.

Owns      which reports are legal now, and the times of a run that are read from them.
Promises  a plain function; states are never skipped; what ended is over; no time that a bill could not stand on.
Leaves    the map of statuses to `core.job`, reports that came twice to `jobs.life`, which knows the history.
"""

import math
from dataclasses import replace
from typing import Final

from headrace.core.errors import FixTheRequest, TryLater
from headrace.core.job import BEFORE_THE_LOCK, NEXT, RUN_OVER, Job, JobStatus, Result, RunTimes
from headrace.core.ports.compute import Report
from headrace.core.ports.jobs import Step
from headrace.core.terms import DURATION_S_MAX

CLOCK_SKEW_S: Final = 60.0  # how far an engine's clock may be from ours, and from its own past
DETAIL_CHARS_MAX: Final = 1000


def take(job: Job, report: Report, *, now: float) -> Step | None:
    """None: it says nothing new. Raises FixTheRequest, or TryLater while the job's lock is not mined."""
    _check_fields(job, report, now)
    if report.status is job.status or (job.result is not None and report.status is job.result.status):
        return _again(job, report, now)
    _check_move(job, report)
    at = now if report.at is None else report.at
    run = _run_times(job, report, at)
    _check_run(job, run)
    return Step(
        job=job.id,
        before=job.status,
        after=report.status,
        at=at,
        received_at=now,
        run=run,
        result=_result(report, at) if report.status in RUN_OVER else None,
        detail=report.detail,
    )


def _check_fields(job: Job, report: Report, now: float) -> None:
    if len(report.detail) > DETAIL_CHARS_MAX:
        raise FixTheRequest(
            f"detail: {len(report.detail)} characters; {DETAIL_CHARS_MAX} are possible", field="detail"
        )
    at = report.at
    if at is None:
        return
    if not math.isfinite(at) or at < 0:
        raise FixTheRequest(f"at: {at} is no time in unix seconds", field="at")
    if at > now + CLOCK_SKEW_S:
        raise FixTheRequest(
            f"at: {at:.3f} is {at - now:.0f} s from now; check the compute engine's clock", field="at"
        )


def _again(job: Job, report: Report, now: float) -> Step | None:
    result = job.result
    if result is not None:
        if (report.exit_code, report.out_of_memory) != (result.exit_code, result.out_of_memory):
            raise FixTheRequest(
                f"job {job.id} ended as {result.status} with exit code {result.exit_code}, out of memory "
                f"{result.out_of_memory}; now reported: {report.exit_code}, {report.out_of_memory}"
            )
        return None
    if report.status is not JobStatus.RUNNING_ALGORITHM:
        return None
    seen = now if report.at is None else min(report.at, now)
    if job.run.seen_running_at is not None and seen <= job.run.seen_running_at:
        return None
    run = replace(job.run, seen_running_at=seen)
    _check_run(job, run)
    return Step(job=job.id, before=job.status, after=job.status, at=seen, received_at=now, run=run)


def _check_move(job: Job, report: Report) -> None:
    status = report.status
    if job.result is not None:
        raise FixTheRequest(
            f"job {job.id} ended as {job.result.status} at {job.result.at:.3f}; {status} comes too late",
            status=int(job.status),
        )
    if status not in NEXT[job.status]:
        follows = ", ".join(str(s) for s in sorted(NEXT[job.status]))
        raise FixTheRequest(
            f"job {job.id} is in {job.status}, and {status} does not follow; what follows: {follows}",
            status=int(job.status),
        )
    if status is JobStatus.JOB_SETTLE and job.is_free:
        raise FixTheRequest(
            f"job {job.id} is free, there is nothing to settle; report {JobStatus.JOB_FINISHED}",
            status=int(job.status),
        )
    if status is JobStatus.JOB_FINISHED and not job.is_free:
        raise FixTheRequest(
            f"job {job.id} is paid: it is finished when its payment is settled; report {JobStatus.JOB_SETTLE}",
            status=int(job.status),
        )
    if not job.is_free and job.lock is None and status not in BEFORE_THE_LOCK:
        raise TryLater(
            f"job {job.id} may not begin before its lock is on chain; {status} is refused until then",
            retry_after_s=2.0,
            status=int(job.status),
        )
    if report.at is not None and report.at < job.status_at - CLOCK_SKEW_S:
        raise FixTheRequest(
            f"at: {report.at:.3f} is before {job.status_at:.3f}, when the job came into {job.status}", field="at"
        )


def _run_times(job: Job, report: Report, at: float) -> RunTimes:
    run = job.run
    if job.status is JobStatus.BUILD_IMAGE:
        run = replace(run, build_ended_at=report.at)
    if job.status is JobStatus.RUNNING_ALGORITHM:
        if report.status is JobStatus.CONFIGURING_VOLUMES:
            # It will run from its beginning: only the run that counts is billed.
            run = replace(run, started_at=None, seen_running_at=None)
        else:
            run = replace(run, stopped_at=report.at)
    if report.status is JobStatus.BUILD_IMAGE:
        run = replace(run, build_started_at=at)
    if report.status is JobStatus.RUNNING_ALGORITHM:
        run = replace(run, started_at=at, seen_running_at=at)
    return run


def _check_run(job: Job, run: RunTimes) -> None:
    _check_span(job, "building", run.build_started_at, run.build_ended_at)
    _check_span(job, "running", run.started_at, run.seen_running_at)
    _check_span(job, "running", run.started_at, run.stopped_at)


def _check_span(job: Job, what: str, start: float | None, end: float | None) -> None:
    if start is None or end is None:
        return
    if end < start:
        raise FixTheRequest(
            f"at: job {job.id} would have ended {what} at {end:.3f}, {start - end:.3f} s before it began",
            field="at",
        )
    if end - start > DURATION_S_MAX:
        raise FixTheRequest(
            f"at: job {job.id} would have been {what} for {end - start:.0f} s; {DURATION_S_MAX} s are possible",
            field="at",
        )


def _result(report: Report, at: float) -> Result:
    return Result(
        status=report.status,
        at=at,
        detail=report.detail,
        exit_code=report.exit_code,
        out_of_memory=report.out_of_memory,
    )

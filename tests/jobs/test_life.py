"""Jobs over a real store: twice is once, late is late, and a stop is not lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace.core.errors import FixTheRequest, OtherContent, TryLater
from headrace.core.job import JobId, JobStatus
from headrace.core.ports.compute import Report
from headrace.core.ports.jobs import JobFilter, SettlementChange
from headrace.core.settlement import AwaitingLock, Due, NeedsHelp, NoLock
from headrace.jobs.life import JobLife, Stop
from headrace.store import SqliteStore, open_store
from headrace.testing.clock import HandClock
from jobs.making import NOW, TIMEOUT_S, lock_of, new_job, payment, request


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with open_store(tmp_path / "headrace.db", clock=HandClock(NOW)) as store:
        yield store


@pytest.fixture
def life(store: SqliteStore) -> JobLife:
    return JobLife(store, claim_duration_timeout_s=TIMEOUT_S)


A = JobId("a")


def said(status: int, at: float | None = None, **more: object) -> Report:
    return Report(job=A, status=JobStatus(status), at=at, **more)  # type: ignore[arg-type]


async def test_the_same_request_is_one_job(life: JobLife) -> None:
    first = await life.start(request(), now=NOW)
    assert await life.start(request(), now=NOW + 50) == first
    jobs, _ = await life.jobs(JobFilter(), limit=10)
    assert list(jobs) == [first]


async def test_another_request_under_the_same_id_is_refused_and_changes_nothing(life: JobLife) -> None:
    first = await life.start(request(), now=NOW)
    with pytest.raises(OtherContent, match="job a is already here, with other content"):
        await life.start(request(max_duration_s=7), now=NOW)
    assert await life.job(A) == first


async def test_what_is_refused_is_not_stored(life: JobLife) -> None:
    with pytest.raises(FixTheRequest, match="metadata"):
        await life.start(request(metadata="x"), now=NOW)
    with pytest.raises(FixTheRequest, match="there is no job 'a'"):
        await life.job(A)


async def test_prices_that_change_later_touch_no_job_that_is_there(life: JobLife) -> None:
    first = await life.start(request(), now=NOW)
    dear = payment(minimum_duration_s=3600)
    await life.start(request("b", payment=dear), now=NOW)
    assert (await life.job(A)).terms == first.terms


async def test_a_report_is_one_step_however_often_it_comes(life: JobLife, store: SqliteStore) -> None:
    await life.start(request(free=True), now=NOW)
    for number, status in enumerate((10, 20, 30, 40, 60, 70)):
        for _ in range(2):
            job = await life.report(said(status, NOW + number), now=NOW + 60)
            assert job.status == status
    statuses = [line.status for line in await life.history(A) if line.status is not None]
    assert statuses == [0, 10, 20, 30, 40, 60, 70]


async def test_a_report_that_comes_again_long_after_is_still_the_same_report(life: JobLife) -> None:
    await life.start(request(free=True), now=NOW)
    for number, status in enumerate((10, 20, 30, 40, 41)):
        await life.report(said(status, NOW + number), now=NOW + 60)
    over = await life.job(A)
    assert await life.report(said(20, NOW + 1), now=NOW + 99) == over
    with pytest.raises(FixTheRequest, match="comes too late"):
        await life.report(said(20, NOW + 1.5), now=NOW + 99)
    with pytest.raises(FixTheRequest, match="comes too late"):
        await life.report(said(60, NOW + 5), now=NOW + 99)
    assert await life.job(A) == over


async def test_two_engines_that_disagree_are_told_so(life: JobLife) -> None:
    await life.start(request(free=True), now=NOW)
    for number, status in enumerate((10, 20, 30, 40)):
        await life.report(said(status, NOW + number), now=NOW + 60)
    both = await asyncio.gather(
        life.report(said(41, NOW + 9), now=NOW + 60),
        life.report(said(60, NOW + 9), now=NOW + 60),
        return_exceptions=True,
    )
    assert [type(one).__name__ for one in both] == ["Job", "FixTheRequest"]
    assert (await life.job(A)).status is JobStatus.ALGORITHM_FAILED


async def test_a_stop_is_not_lost_to_a_report_that_was_under_way(life: JobLife) -> None:
    await life.start(request(free=True), now=NOW)
    reports = [life.report(said(10, NOW + 1), now=NOW + 60), life.request_stop(A, now=NOW + 2)]
    await asyncio.gather(*reports)
    await life.report(said(20, NOW + 3), now=NOW + 60)
    job = await life.job(A)
    assert (job.status, job.stop_requested_at) == (JobStatus.CONFIGURING_VOLUMES, NOW + 2)


async def test_a_stop_is_asked_once_and_of_what_still_goes_on(life: JobLife) -> None:
    await life.start(request(free=True), now=NOW)
    assert await life.request_stop(A, now=NOW + 1) is Stop.ASKED_NOW
    assert await life.request_stop(A, now=NOW + 2) is Stop.ASKED_BEFORE
    await life.report(said(2, NOW + 3), now=NOW + 60)
    assert await life.request_stop(A, now=NOW + 4) is Stop.OVER
    with pytest.raises(FixTheRequest, match="there is no job 'b'"):
        await life.request_stop(JobId("b"), now=NOW)


async def test_a_paid_job_begins_when_its_lock_is_mined(life: JobLife, store: SqliteStore) -> None:
    await life.start(request(), now=NOW)
    with pytest.raises(TryLater, match="before its lock is on chain"):
        await life.report(said(10, NOW + 1), now=NOW + 60)
    await store.record_lock(A, lock_of(new_job()), now=NOW)
    assert (await life.report(said(10, NOW + 1), now=NOW + 60)).status is JobStatus.PULL_IMAGE


async def test_a_person_helps_a_payment_that_needs_one_and_no_other(life: JobLife, store: SqliteStore) -> None:
    await life.start(request(), now=NOW)
    await store.record_lock(A, lock_of(new_job()), now=NOW)
    for number, status in enumerate((10, 20, 30, 40, 60, 71)):
        await life.report(said(status, NOW + number), now=NOW + 60)
    with pytest.raises(FixTheRequest, match="the payment of job a is due: nobody needs to help"):
        await life.give_up(A, "tired", now=NOW)
    lost = NeedsHelp("no lock, no event")
    await store.change_settlements([SettlementChange(job=A, before=Due(), after=lost)], now=NOW)
    again = (await life.try_again(A, now=NOW)).settlement
    assert again == Due("tried again by a person")
    await store.change_settlements([SettlementChange(job=A, before=again, after=lost)], now=NOW)
    job = await life.give_up(A, "it was on a test chain", now=NOW)
    assert (job.settlement, job.status) == (NoLock("it was on a test chain"), JobStatus.JOB_SETTLE)
    with pytest.raises(FixTheRequest, match="is no_lock: nobody needs to help"):
        await life.try_again(A, now=NOW)


async def test_a_person_waits_for_the_end_of_a_run_and_needs_a_lock_to_try_again(
    life: JobLife, store: SqliteStore
) -> None:
    await life.start(request(), now=NOW)
    lost = NeedsHelp("the lock's fate is not known")
    await store.change_settlements([SettlementChange(job=A, before=AwaitingLock(), after=lost)], now=NOW)
    for helping in (life.try_again(A, now=NOW), life.give_up(A, "tired", now=NOW)):
        with pytest.raises(FixTheRequest, match="job a still runs"):
            await helping
    await life.report(said(2, NOW), now=NOW)
    with pytest.raises(FixTheRequest, match="no lock of job a is known"):
        await life.try_again(A, now=NOW)
    assert (await life.give_up(A, "never locked", now=NOW)).settlement == NoLock("never locked")


async def test_a_page_has_bounds(life: JobLife) -> None:
    for limit in (0, -1, 1001):
        with pytest.raises(FixTheRequest, match=f"limit: {limit}"):
            await life.jobs(JobFilter(), limit=limit)

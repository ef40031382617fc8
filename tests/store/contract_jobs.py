"""Jobs: added once, stepped by whoever is first, listed by what one asks for."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from headrace.core.errors import FixTheRequest
from headrace.core.job import Job, JobStatus, Result, RunTimes
from headrace.core.ports.jobs import JobCursor, JobFilter
from headrace.core.settlement import AwaitingLock, Due, Free, NoLock, SettlementState, Unsettled
from headrace.core.terms import JobId
from headrace.core.words import BlockNumber, TxHash
from store.made import NOW, Store
from store.made_jobs import LOCK, OTHER_OWNER, OWNER, WAY, a_job, a_step, found, locked, walk


async def listed(store: Store, *, limit: int = 100, **asked: Any) -> list[str]:
    jobs, more = await store.list_jobs(JobFilter(**asked), limit=limit)
    assert more is None
    return [job.id for job in jobs]


class JobsContract:
    async def test_a_job_comes_out_as_it_went_in(self, store: Store) -> None:
        for job in (a_job("paid"), a_job("free", free=True, metadata=None, algorithm=b"")):
            assert await store.add_job(job) is None
            assert await found(store, job.id) == job
        assert await store.job(JobId("nobody")) is None

    async def test_an_id_is_one_job(self, store: Store) -> None:
        first = a_job("a")
        await store.add_job(first)
        assert await store.add_job(replace(first, content=b"\x09" * 32, created_at=NOW + 5)) == first
        assert await store.add_job(first) == first
        assert len(await store.job_history(JobId("a"))) == 2

    async def test_a_step_is_taken_once_and_by_whoever_is_first(self, store: Store) -> None:
        await locked(store, "a")
        steps = [a_step("a", 0, 10), a_step("a", 0, 12), a_step("a", 0, 1)]
        taken = await asyncio.gather(*(store.step_job(step) for step in steps))
        assert taken == [True, False, False]
        assert (await found(store, "a")).status is JobStatus.PULL_IMAGE
        assert not await store.step_job(a_step("nobody", 0, 10))

    async def test_times_and_the_result_of_a_run_come_out_as_they_went_in(self, store: Store) -> None:
        await locked(store, "a")
        await walk(store, "a", 0, 12, 20, 30, 40)
        run = RunTimes(
            build_started_at=1.5, build_ended_at=2.25, started_at=3.125, seen_running_at=4.0, stopped_at=5.0625
        )
        result = Result(status=JobStatus.ALGORITHM_FAILED, at=9.5, detail="why", exit_code=137, out_of_memory=True)
        await store.step_job(a_step("a", 40, 41, run=run, result=result))
        job = await found(store, "a")
        assert (job.run, job.result, job.status_at) == (run, result, NOW + 41)

    async def test_seen_running_only_moves_on(self, store: Store) -> None:
        await locked(store, "a")
        await walk(store, "a", 0, 10, 20, 30)
        started = RunTimes(started_at=50.0, seen_running_at=50.0)
        await store.step_job(a_step("a", 30, 40, run=started))
        lines = await store.job_history(JobId("a"))
        for seen_at, written in ((60.0, True), (55.0, False), (61.0, True)):
            run = replace(started, seen_running_at=seen_at)
            assert await store.step_job(a_step("a", 40, 40, run=run)) is written
        assert (await found(store, "a")).run == replace(started, seen_running_at=61.0)
        assert await store.job_history(JobId("a")) == lines

    async def test_a_stop_is_noted_once_and_no_step_writes_over_it(self, store: Store) -> None:
        await locked(store, "a")
        await walk(store, "a", 0, 10, 20, 30, 40)
        assert await store.request_stop(JobId("a"), now=NOW + 41)
        assert not await store.request_stop(JobId("a"), now=NOW + 42)
        # This step was decided by somebody who had not seen the wish.
        job = await walk(store, "a", 40, 60, 71)
        assert job.stop_requested_at == NOW + 41

    async def test_what_is_over_or_unknown_cannot_be_stopped(self, store: Store) -> None:
        await locked(store, "a")
        await walk(store, "a", *WAY)
        assert not await store.request_stop(JobId("a"), now=NOW)
        assert not await store.request_stop(JobId("nobody"), now=NOW)
        assert (await found(store, "a")).stop_requested_at is None

    async def test_history_has_every_status_and_every_state_of_the_payment(self, store: Store) -> None:
        await locked(store, "a")
        await walk(store, "a", *WAY)
        lines = await store.job_history(JobId("a"))
        assert [line.status for line in lines if line.status is not None] == WAY
        assert [line.settlement for line in lines if line.settlement is not None] == [
            SettlementState.AWAITING_LOCK,
            SettlementState.UNSETTLED,
            SettlementState.DUE,
        ]
        assert (lines[3].at, lines[3].received_at) == (NOW + 10, NOW + 10.5)
        assert await store.was_reported(JobId("a"), JobStatus.PULL_IMAGE, at=NOW + 10)
        assert not await store.was_reported(JobId("a"), JobStatus.PULL_IMAGE, at=NOW + 11)
        assert not await store.was_reported(JobId("b"), JobStatus.PULL_IMAGE, at=NOW + 10)

    # ---- The lock

    async def test_a_lock_makes_the_payment_unsettled_and_may_be_mined_again_elsewhere(self, store: Store) -> None:
        job = await locked(store, "a")
        assert (job.settlement, job.lock) == (Unsettled(), LOCK)
        again = replace(LOCK, expiry=5_012, block=BlockNumber(10), transaction=TxHash(b"\x12" * 32))
        assert await store.record_lock(JobId("a"), again, now=NOW)
        assert (await found(store, "a")).lock == again
        assert not await store.record_lock(JobId("nobody"), LOCK, now=NOW)

    async def test_a_lock_mined_after_the_run_was_over_is_due_at_once(self, store: Store) -> None:
        await store.add_job(a_job("a"))
        assert (await walk(store, "a", 0, 2)).settlement == AwaitingLock()
        assert await store.record_lock(JobId("a"), LOCK, now=NOW)
        assert (await found(store, "a")).settlement == Due()

    async def test_a_job_whose_lock_never_comes_is_over(self, store: Store) -> None:
        await store.add_job(a_job("a"))
        reason = "Payer does not have enough funds"
        assert await store.record_no_lock(JobId("a"), reason, now=NOW + 7)
        job = await found(store, "a")
        assert job.settlement == NoLock(reason)
        assert job.result == Result(status=JobStatus.JOB_QUEUED_EXPIRED, at=NOW + 7, detail=reason)
        assert not await store.record_no_lock(JobId("a"), "again", now=NOW)
        assert not await store.record_lock(JobId("a"), LOCK, now=NOW)

    async def test_a_lock_that_never_comes_leaves_the_end_of_a_run_as_it_was(self, store: Store) -> None:
        await store.add_job(a_job("a"))
        ended = await walk(store, "a", 0, 2)
        assert await store.record_no_lock(JobId("a"), "reverted", now=NOW + 7)
        job = await found(store, "a")
        assert (job.settlement, job.result, job.status_at) == (NoLock("reverted"), ended.result, ended.status_at)

    async def test_a_free_job_has_nothing_to_lock(self, store: Store) -> None:
        await store.add_job(a_job("a", free=True))
        assert not await store.record_lock(JobId("a"), LOCK, now=NOW)
        assert not await store.record_no_lock(JobId("a"), "?", now=NOW)
        job = await walk(store, "a", 0, 10, 20, 30, 40, 60, 70)
        assert (job.status, job.settlement) == (JobStatus.JOB_FINISHED, Free())

    # ---- Lists

    async def test_jobs_are_found_by_any_status_zero_included(self, store: Store) -> None:
        for id in ("new", "pulled", "over"):
            await locked(store, id)
        await walk(store, "pulled", 0, 10)
        await walk(store, "over", 0, 2)
        assert await listed(store, statuses=[JobStatus(0)]) == ["new"]
        assert await listed(store, statuses=[JobStatus(2)]) == ["over"]
        assert await listed(store, statuses=[JobStatus(0), JobStatus(10), JobStatus(0)]) == ["pulled", "new"]
        assert await listed(store, statuses=[JobStatus(70)]) == []

    async def test_jobs_are_found_by_owner_environment_and_time_and_by_all_of_them(self, store: Store) -> None:
        for at, id, owner, environment in (
            (1, "a", OWNER, "small"),
            (2, "b", OWNER, "large"),
            (3, "c", OTHER_OWNER, "small"),
            (4, "d", OTHER_OWNER, "large"),
        ):
            await store.add_job(a_job(id, owner=owner, environment=environment, created_at=NOW + at))
        assert await listed(store) == ["d", "c", "b", "a"]
        assert await listed(store, owners=[OWNER]) == ["b", "a"]
        assert await listed(store, owners=[OWNER, OTHER_OWNER]) == ["d", "c", "b", "a"]
        assert await listed(store, environments=["small"]) == ["c", "a"]
        assert await listed(store, environments=["large", "small", "none"]) == ["d", "c", "b", "a"]
        assert await listed(store, created_from=NOW + 3) == ["d", "c"]
        assert await listed(store, owners=[OTHER_OWNER], environments=["small"], statuses=[JobStatus(0)]) == ["c"]
        assert await listed(store, statuses=[JobStatus(0)], environments=["large"]) == ["d", "b"]
        everything = {"owners": [OWNER], "environments": ["large"], "created_from": NOW + 2}
        assert await listed(store, **everything, statuses=[JobStatus(0)]) == ["b"]
        assert await listed(store, **everything, statuses=[JobStatus(1)]) == []

    @pytest.mark.parametrize("asked", [{}, {"owners": [OWNER, OTHER_OWNER]}, {"statuses": [JobStatus(0)]}])
    async def test_pages_have_every_job_once_newest_first(self, store: Store, asked: dict[str, Any]) -> None:
        for number in range(7):
            owner = OWNER if number % 3 else OTHER_OWNER
            # Two at the same moment, and one whose clock was behind.
            await store.add_job(a_job(f"{number}", owner=owner, created_at=NOW + (1, 2, 2, 4, 3, 5, 6)[number]))
        seen: list[Job] = []
        cursor: JobCursor | None = None
        while True:
            page, cursor = await store.list_jobs(JobFilter(**asked), limit=2, cursor=cursor)
            seen += page
            if cursor is None:
                break
        assert [job.id for job in seen] == ["6", "5", "3", "4", "2", "1", "0"]

    async def test_a_cursor_of_somebody_elses_making_is_refused(self, store: Store) -> None:
        for cursor in ("", "x", "1_x", "_", "nothing"):
            with pytest.raises(FixTheRequest, match="cursor: "):
                await store.list_jobs(JobFilter(), limit=2, cursor=JobCursor(cursor))

"""From requests to finished jobs over a real store, with a chain that is told here: locks, then proofs."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.core.job import Job, JobId, JobStatus
from headrace.core.ports import Added
from headrace.core.ports.compute import Report
from headrace.core.ports.jobs import JobFilter, SettlementChange
from headrace.core.settlement import Canceled, Claimed, Claiming, Move, Proof, Released, SettlementState, as_seen
from headrace.core.words import BlockNumber, TxHash
from headrace.jobs.life import JobLife
from headrace.jobs.orders import settling_order
from headrace.jobs.planning import Group, Read, plan
from headrace.jobs.schedule import ClaimPolicy, next_run
from headrace.store import SqliteStore, open_store
from headrace.testing.clock import HandClock
from headrace.workloads.escrow.lock_state import LiveLock
from jobs.making import CHAIN, NOW, PAYEE, TIMEOUT_S, lock_of, request
from jobs.test_planning import key_of

POLICY = ClaimPolicy()
PROOF = Proof(TxHash(b"\x09" * 32), BlockNumber(50))
DUE = (SettlementState.DUE,)
# How each run goes, and when its lock expires (seconds from now).
RUNS = {
    "good": ((10, 20, 30, 40, 60, 71), 7_200),
    "failed": ((10, 20, 30, 40, 41), 7_200),
    "no-image": ((10, 11), 7_200),
    "too-late": ((10, 20, 30, 40, 60, 71), 900),
    "free": ((10, 20, 30, 40, 60, 70), 0),
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with open_store(tmp_path / "headrace.db", clock=HandClock(NOW)) as store:
        yield store


async def run_all(store: SqliteStore) -> list[LiveLock]:
    """Every job of RUNS is started, locked and run. The locks as the contract has them."""
    life = JobLife(store, claim_duration_timeout_s=TIMEOUT_S)
    locks = []
    for name, (statuses, expires_in_s) in RUNS.items():
        job = await life.start(request(name, free=name == "free"), now=NOW)
        if not job.is_free:
            lock = lock_of(job, expiry=int(NOW) + expires_in_s)
            await store.record_lock(job.id, lock, now=NOW)
            locks.append(LiveLock(key=key_of(job), amount=lock.amount, expiry=lock.expiry))
        for number, status in enumerate(statuses):
            report = Report(job=job.id, status=JobStatus(status), at=NOW + 70 * number)
            await life.report(report, now=NOW + 500)
    return locks


async def settle(store: SqliteStore, jobs: dict[JobId, Job], group: Group) -> None:
    pairs = [settling_order(jobs[item.job], group.move, item, now=NOW + 1000) for item in group.items]
    assert await store.begin_settling(pairs, now=NOW + 1000) == [Added.FRESH] * len(pairs)
    for change, operation in pairs:
        job = await store.job_of_operation(operation.id)
        assert job is not None and isinstance(job.settlement, Claiming)
        seen = Canceled(PROOF) if group.move is Move.CANCEL else as_seen(job.settlement.amount, PROOF)
        proven = SettlementChange(job=change.job, before=job.settlement, after=seen)
        assert await store.change_settlements([proven], now=NOW + 1100) == [job.id]


async def test_every_job_is_settled_by_what_it_did_and_finished_by_proof_only(store: SqliteStore) -> None:
    locks = await run_all(store)
    first = await store.first_expiry(after=NOW + 1000)
    due = next_run(started_at=NOW, last=None, expiries=[first or 0], now=NOW + 1000, policy=POLICY)
    assert due.at <= NOW + 1000

    jobs = {job.id: job for job in await store.jobs_to_settle(DUE, limit=100)}
    assert list(jobs) == ["good", "failed", "no-image", "too-late"]
    made = plan(jobs.values(), {(CHAIN, PAYEE): Read(locks, BlockNumber(40))}, now=NOW + 1000, policy=POLICY)
    assert [(group.move, {item.job for item in group.items}) for group in made.groups] == [
        (Move.CLAIM, {"good", "failed"}),
        (Move.RELEASE, {"no-image"}),
        (Move.CANCEL, {"too-late"}),
    ]
    for group in made.groups:
        await settle(store, jobs, group)

    assert await store.jobs_to_settle(DUE, limit=100) == []
    ended = {job.id: job for job in (await store.list_jobs(JobFilter(), limit=100))[0]}
    assert {id: int(job.status) for id, job in ended.items()} == {
        "good": 70,
        "failed": 41,
        "no-image": 11,
        "too-late": 70,
        "free": 70,
    }
    two_minutes = 2 * 9 * 10**6
    assert ended[JobId("good")].settlement == Claimed(two_minutes, PROOF)
    assert ended[JobId("failed")].settlement == Claimed(two_minutes, PROOF)
    assert ended[JobId("no-image")].settlement == Released(PROOF)
    assert ended[JobId("too-late")].settlement == Canceled(PROOF)
    result = ended[JobId("too-late")].result
    assert result is not None and result.finished, "that nothing was paid is no matter of its result"


async def test_what_is_kept_of_a_claimed_job_is_all_that_was_known_before(store: SqliteStore) -> None:
    """The original strips a job for its proof, and then saves what is left."""
    locks = await run_all(store)
    before = {job.id: job for job in await store.jobs_to_settle(DUE, limit=100)}
    made = plan(before.values(), {(CHAIN, PAYEE): Read(locks, BlockNumber(40))}, now=NOW + 1000, policy=POLICY)
    await settle(store, before, made.groups[0])
    after = await store.job(JobId("good"))
    assert after is not None
    as_before = replace(before[JobId("good")], settlement=after.settlement, status=after.status, claims=1)
    assert after == as_before

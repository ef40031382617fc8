"""Jobs as the store's tests need them: new ones, and some at a certain point of their lives."""

from itertools import pairwise
from typing import Any

from headrace.core.job import RUN_OVER, Job, JobStatus, Result, RunTimes
from headrace.core.ports.jobs import JobStore, SettlementChange, Step
from headrace.core.settlement import AwaitingLock, Due, Free, Lock, Settlement
from headrace.core.terms import JobId, Rate, Terms, exact
from headrace.core.words import Address, BlockNumber, TxHash
from store.made import CHAIN, NOW, digest

OWNER, OTHER_OWNER = Address(b"\x0a" * 20), Address(b"\x0b" * 20)
LOCK = Lock(amount=10**30, expiry=5_000, transaction=TxHash(b"\x11" * 32), block=BlockNumber(9))
WAY = [JobStatus(number) for number in (0, 10, 20, 30, 40, 60, 71)]
TERMS = Terms(
    chain=CHAIN,
    token=Address(b"\x0c" * 20),
    token_decimals=18,
    payer=OWNER,
    payee=Address(b"\x0d" * 20),
    rates=(
        Rate(resource="cpu", amount=exact("2", field=""), price=exact("0.000000000000000001", field="")),
        Rate(resource="ram", amount=exact("0.5", field=""), price=exact("1" + "0" * 22, field="")),
    ),
    minimum_duration_s=60,
    lock_amount=10**30,
    lock_duration_s=7_200,
)


def a_job(id: str, *, free: bool = False, **more: Any) -> Job:
    fields: dict[str, Any] = {
        "id": JobId(id),
        "content": digest("job", id),
        "owner": OWNER,
        "environment": "small",
        "created_at": NOW,
        "max_duration_s": 3600,
        "queue_max_wait_s": 0,
        "metadata": '{"of":"' + id + '"}',
        "algorithm": b"\x00run " + id.encode(),
        "terms": None if free else TERMS,
        "settlement": Free() if free else AwaitingLock(),
        "status_at": NOW,
    }
    return Job(**(fields | more))


def a_step(id: str, before: int, after: int, **more: Any) -> Step:
    status = JobStatus(after)
    fields: dict[str, Any] = {
        "job": JobId(id),
        "before": JobStatus(before),
        "after": status,
        "at": NOW + after,
        "received_at": NOW + after + 0.5,
        "run": RunTimes(),
        "result": Result(status=status, at=NOW + after, detail="so it is", exit_code=0)
        if status in RUN_OVER
        else None,
    }
    return Step(**(fields | more))


async def found(store: JobStore, id: str) -> Job:
    job = await store.job(JobId(id))
    assert job is not None, id
    return job


async def locked(store: JobStore, id: str, **more: Any) -> Job:
    await store.add_job(a_job(id, **more))
    assert await store.record_lock(JobId(id), LOCK, now=NOW)
    return await found(store, id)


async def walk(store: JobStore, id: str, *statuses: int) -> Job:
    """Steps through these, the first of which it is in."""
    for before, after in pairwise(statuses):
        assert await store.step_job(a_step(id, before, after)), (before, after)
    return await found(store, id)


async def due(store: JobStore, id: str, **more: Any) -> Job:
    await locked(store, id, **more)
    job = await walk(store, id, *WAY)
    assert job.settlement == Due()
    return job


def change(id: str, before: Settlement, after: Settlement) -> SettlementChange:
    return SettlementChange(job=JobId(id), before=before, after=after)

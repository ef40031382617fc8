"""Jobs at any point of their lives, without a store."""

from dataclasses import replace
from typing import Any

from headrace.core.job import Job, JobId, JobStatus
from headrace.core.ports.compute import Report
from headrace.core.settlement import Due, Lock, Settlement, Unsettled
from headrace.core.words import Address, BlockNumber, ChainId, TxHash
from headrace.jobs.reporting import take
from headrace.jobs.starting import Payment, ResourceWish, StartRequest, make_job

NOW = 1_700_000_000.0
CHAIN = ChainId(31337)
PAYER, PAYEE, TOKEN = Address(b"\x01" * 20), Address(b"\x02" * 20), Address(b"\x03" * 20)
TIMEOUT_S = 3600

EXAMPLE = (
    ResourceWish(resource="cpu", amount="2", price="1"),
    ResourceWish(resource="ram", amount="4", price="0.5"),
    ResourceWish(resource="disk", amount="10", price="0.2"),
    ResourceWish(resource="gpu", amount="1", price="3"),
)


def payment(**more: Any) -> Payment:
    fields: dict[str, Any] = {
        "chain": CHAIN,
        "token": TOKEN,
        "token_decimals": 6,
        "payer": PAYER,
        "payee": PAYEE,
        "resources": EXAMPLE,
        "minimum_duration_s": 60,
    }
    return Payment(**(fields | more))


def request(id: str = "a", *, free: bool = False, **more: Any) -> StartRequest:
    fields: dict[str, Any] = {
        "id": JobId(id),
        "owner": PAYER,
        "environment": "small",
        "algorithm": b"print(1)",
        "max_duration_s": 3600,
        "metadata": '{"of":"me"}',
        "payment": None if free else payment(),
    }
    return StartRequest(**(fields | more))


def new_job(id: str = "a", **more: Any) -> Job:
    return make_job(request(id, **more), claim_duration_timeout_s=TIMEOUT_S, now=NOW)


def lock_of(job: Job, *, expiry: int = int(NOW) + 7_200, block: int = 5) -> Lock:
    assert job.terms is not None
    return Lock(
        amount=job.terms.lock_amount, expiry=expiry, transaction=TxHash(b"\x11" * 32), block=BlockNumber(block)
    )


def locked_job(id: str = "a", **more: Any) -> Job:
    """As it is when its lock is mined; a free one as it is when it is made."""
    job = new_job(id, **more)
    return job if job.is_free else replace(job, lock=lock_of(job), settlement=Unsettled())


def report(job: Job, status: int, at: float | None, **more: Any) -> Report:
    return Report(job=job.id, status=JobStatus(status), at=at, **more)


def after(job: Job, status: int, at: float | None, *, now: float | None = None, **more: Any) -> Job:
    """The job as the store has it once this report is taken."""
    step = take(job, report(job, status, at, **more), now=NOW + 50_000 if now is None else now)
    assert step is not None, status
    settlement: Settlement = job.settlement
    if step.result is not None and isinstance(settlement, Unsettled):
        settlement = Due()
    ended = job.result if step.result is None else step.result
    return replace(job, status=step.after, status_at=step.at, run=step.run, result=ended, settlement=settlement)


def running_job(id: str = "a", *, since: float = NOW + 100, **more: Any) -> Job:
    job = locked_job(id, **more)
    for number, status in enumerate((10, 20, 30)):
        job = after(job, status, NOW + number)
    return after(job, 40, since)


def ran_job(id: str = "a", *, seconds: float = 125, end: int = 71, **more: Any) -> Job:
    """Over after so long a run, in this status."""
    job = running_job(id, **more)
    assert job.run.started_at is not None
    stopped_at = job.run.started_at + seconds
    if end in (41, 42):
        return after(job, end, stopped_at)
    return after(after(job, 60, stopped_at), end, stopped_at + 5)


def never_ran_job(id: str = "a", *, end: int, **more: Any) -> Job:
    """Failed before its algorithm ran."""
    ways = {2: (), 11: (10,), 13: (12,), 14: (20,), 21: (20,), 22: (20,), 31: (20, 30), 32: (20, 30), 33: (20, 30)}
    job = locked_job(id, **more)
    for number, status in enumerate((*ways[end], end)):
        job = after(job, status, NOW + number)
    return job

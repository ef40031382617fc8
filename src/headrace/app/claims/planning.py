"""What the decisions of a claim run cost in processor time: the schedule, the choice and the grouping.

Owns      made-up jobs whose payments are due, with locks as an escrow would list them.
Promises  no store, no chain, no waiting: only what is decided is measured.
"""

import random
import time
from dataclasses import replace

from headrace.core.job import Job, JobId, JobStatus, Result, RunTimes
from headrace.core.settlement import Due, Lock
from headrace.core.terms import number_on_chain
from headrace.core.words import Address, BlockNumber, ChainId, TxHash
from headrace.jobs.planning import Plan, Read, plan
from headrace.jobs.schedule import ClaimPolicy, next_run
from headrace.jobs.starting import Payment, ResourceWish, StartRequest, make_job
from headrace.workloads.escrow.lock_state import LiveLock
from headrace.workloads.escrow.payload import LockKey

_CHAIN = ChainId(31337)
_NOW = 1_700_000_000.0
_PAYEES = 4


def planning_cpu_s(count: int, *, seed: int, tries: int = 3) -> tuple[float, Plan]:
    """The least of some tries, in seconds of CPU, and what was planned."""
    jobs, locks = _made_up(count, seed)
    policy = ClaimPolicy()
    best, made = float("inf"), None
    for _ in range(tries):
        began_s = time.process_time()
        next_run(
            started_at=_NOW,
            last=None,
            expiries=[lock.expiry for read in locks.values() for lock in read.locks],
            now=_NOW,
            policy=policy,
        )
        made = plan(jobs, locks, now=_NOW, policy=policy)
        best = min(best, time.process_time() - began_s)
    assert made is not None, "at least one try"
    return best, made


def _made_up(count: int, seed: int) -> tuple[list[Job], dict[tuple[ChainId, Address], Read]]:
    chance = random.Random(seed)  # noqa: S311 - the same again
    jobs = [_job(index) for index in range(count)]
    locks: dict[tuple[ChainId, Address], list[LiveLock]] = {}
    for job in jobs:
        assert job.terms is not None and job.lock is not None
        terms = job.terms
        key = LockKey(payee=terms.payee, payer=terms.payer, token=terms.token, job=number_on_chain(job.id))
        one = LiveLock(key=key, amount=terms.lock_amount, expiry=job.lock.expiry)
        locks.setdefault((_CHAIN, terms.payee), []).append(one)
    for of_payee in locks.values():
        chance.shuffle(of_payee)
    chance.shuffle(jobs)
    return jobs, {payee: Read(of_payee, BlockNumber(1_000)) for payee, of_payee in locks.items()}


def _job(index: int) -> Job:
    request = StartRequest(
        id=JobId(f"job-{index}"),
        owner=_address(1, index),
        environment="outside",
        algorithm=b"{}",
        max_duration_s=600,
        payment=Payment(
            chain=_CHAIN,
            token=_address(2, 0),
            token_decimals=6,
            payer=_address(1, index),
            payee=_address(3, index % _PAYEES),
            resources=(ResourceWish(resource="cpu", amount="2", price="0.5"),),
            minimum_duration_s=60,
        ),
    )
    job = make_job(request, claim_duration_timeout_s=3600, now=_NOW - 700)
    assert job.terms is not None
    # Of every kind: to be claimed, to be released, and expired.
    failed, expired = index % 10 == 0, index % 10 == 1
    status = JobStatus.CONTAINER_CREATION_FAILED if failed else JobStatus.JOB_SETTLE
    expiry = int(_NOW) + (-600 if expired else 3_000 + index % 600)
    return replace(
        job,
        status=status,
        result=Result(status=status, at=_NOW - 10),
        run=RunTimes(started_at=_NOW - 100, stopped_at=_NOW - 10),
        lock=Lock(
            amount=job.terms.lock_amount,
            expiry=expiry,
            transaction=TxHash(bytes(32)),
            block=BlockNumber(900),
        ),
        settlement=Due(),
    )


def _address(kind: int, index: int) -> Address:
    return Address(bytes([kind]) * 12 + (index + 1).to_bytes(8))

"""A claim run over a real store, on a chain that says what it is told to."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.core.job import Job, JobId, JobStatus
from headrace.core.operation import Account, Ending, Operation, Ride, Stage
from headrace.core.ports import Added
from headrace.core.ports.compute import Report
from headrace.core.settlement import AwaitingLock, Claiming, Due, Lock, Move, NeedsHelp, Unsettled
from headrace.core.words import BatchId, BlockHash, BlockNumber, Nonce, OperationId, Outcome, TxHash
from headrace.jobs.claim_run import ClaimRunner
from headrace.jobs.escrow_reader import EscrowReader
from headrace.jobs.life import JobLife
from headrace.jobs.lock_ends import LockEnds, key_of
from headrace.jobs.orders import lock_id, lock_order
from headrace.jobs.proving import Proving
from headrace.jobs.schedule import ClaimPolicy
from headrace.jobs.withdrawing import Withdrawing
from headrace.store import SqliteStore, open_store
from headrace.testing.clock import HandClock
from headrace.testing.fake_node import FakeNode
from headrace.testing.node_faults import ReadFault, ScriptedFaults
from headrace.workloads.escrow.lock_state import LiveLock
from headrace.workloads.escrow.payload import LockKey
from jobs.chain_told import ESCROW, Told, ToldEscrow
from jobs.making import CHAIN, NOW, PAYEE, PAYER, TIMEOUT_S, TOKEN, lock_of, request

CLOCK = HandClock(NOW + 1000)
STRANGER = LiveLock(key=LockKey(payee=PAYEE, payer=PAYER, token=TOKEN, job=7), amount=5, expiry=int(NOW))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with open_store(tmp_path / "headrace.db", clock=CLOCK) as store:
        yield store


async def job_of(
    store: SqliteStore, name: str, *statuses: int, expires_at: int = int(NOW) + 7_200
) -> tuple[Job, LiveLock]:
    """Started, locked, and so far on its way; and its lock as the contract has it."""
    life = JobLife(store, claim_duration_timeout_s=TIMEOUT_S)
    job = await life.start(request(name), now=NOW)
    lock = lock_of(job, expiry=expires_at)
    await store.record_lock(job.id, lock, now=NOW)
    for number, status in enumerate(statuses):
        report = Report(job=job.id, status=JobStatus(status), at=NOW + 70 * number)
        await life.report(report, now=NOW + 500)
    return await life.job(job.id), LiveLock(key=key_of(job), amount=lock.amount, expiry=lock.expiry)


RAN = (10, 20, 30, 40, 60, 71)


async def admit(operation: Operation) -> Added:
    raise AssertionError(f"nothing was earned, and {operation.id} is asked for")


async def measured(operations: object) -> None:
    """Nobody learns what they cost."""


def runner_of(store: SqliteStore, node: FakeNode, *, sweep: bool = True) -> ClaimRunner:
    reader = EscrowReader(node, escrow=ESCROW, chain=CHAIN, confirmations=1)
    withdrawing = Withdrawing(admit, escrow=ESCROW, chain=CHAIN, lanes=[PAYEE])
    return ClaimRunner(
        store=store,
        reader=reader,
        proving=Proving(store=store, reader=reader, ends=LockEnds(reader), withdrawing=withdrawing, clock=CLOCK),
        policy=ClaimPolicy(),
        lanes=[PAYEE],
        noticed=lambda count: None,
        clock=CLOCK,
        sweep=sweep,
        measure=measured,
    )


async def settlement_of(store: SqliteStore, name: str) -> object:
    job = await store.job(JobId(name))
    assert job is not None
    return job.settlement


async def test_what_is_due_is_claimed_by_an_operation_of_its_own(store: SqliteStore) -> None:
    _, lock = await job_of(store, "a", *RAN)
    findings = await runner_of(store, Told(ToldEscrow([lock])).node()).run()
    assert dict(findings.counts) == {"due": 1, "claim": 1, "left": 0}
    settlement = await settlement_of(store, "a")
    assert isinstance(settlement, Claiming)
    assert settlement.move is Move.CLAIM
    assert await store.account(settlement.operation) is not None


@pytest.mark.parametrize("garbled", [False, True])
async def test_while_locks_cannot_be_read_payments_stay_due_and_the_run_says_so(
    store: SqliteStore, garbled: bool
) -> None:
    """The original takes that for "there are none", and its jobs for finished."""
    _, lock = await job_of(store, "a", *RAN)
    told = Told(ToldEscrow([lock], garbled=garbled))
    faults = None if garbled else ScriptedFaults(read={"call": [ReadFault.TROUBLE]})
    findings = await runner_of(store, told.node(faults)).run()
    assert await settlement_of(store, "a") == Due()
    assert findings.again
    assert "could not be read" in findings.told()[0]


# ---- Locks that are not where they were


async def asked_for_lock(store: SqliteStore, name: str) -> None:
    """The job has its lock, and the operation that made it is under way again: the block was uncled."""
    job = await store.job(JobId(name))
    assert job is not None
    await store.add_operations([lock_order(replace(job, settlement=AwaitingLock()), now=NOW)])


async def test_a_lock_that_a_reorg_took_away_is_waited_for_and_nobody_is_asked(store: SqliteStore) -> None:
    """What is recorded of it is of a block that is gone: no lock and no event there prove nothing."""
    await job_of(store, "a", *RAN)
    await asked_for_lock(store, "a")
    findings = await runner_of(store, Told(ToldEscrow([])).node()).run()
    assert await settlement_of(store, "a") == Due()
    assert findings.counts["left"] == 1 and findings.counts["asked"] == 0
    assert findings.again, "it is looked for again soon"
    assert "a reorg took its lock away" in findings.told()[0]


async def test_a_person_is_asked_about_a_lock_that_is_gone_and_cannot_come_back(store: SqliteStore) -> None:
    await job_of(store, "a", *RAN)
    await job_of(store, "b", *RAN)
    await asked_for_lock(store, "b")
    ending = Ending(operation=lock_id(JobId("b")), outcome=Outcome.EXPIRED, reason="too late")
    await store.judge([ending], [], now=NOW)
    findings = await runner_of(store, Told(ToldEscrow([])).node()).run()
    assert findings.counts["asked"] == 2
    assert isinstance(await settlement_of(store, "a"), NeedsHelp)
    assert isinstance(await settlement_of(store, "b"), NeedsHelp)


async def test_a_lock_that_was_mined_elsewhere_is_recorded_there_before_it_is_claimed(store: SqliteStore) -> None:
    """Once it is being claimed its record is closed, and would name a block that is gone for ever."""
    job, lock = await job_of(store, "a", *RAN)
    await asked_for_lock(store, "a")
    account = await store.account(lock_id(job.id))
    assert account is not None
    ride = Ride(
        batch=BatchId("b"),
        lane=PAYEE,
        nonce=Nonce(0),
        index=0,
        hash=TxHash(b"\x22" * 32),
        attempts=2,
        block=BlockNumber(8),
        block_hash=BlockHash(b"\x66" * 32),
        gas_share=1,
        cost_share_wei=1,
    )
    landed = replace(account, stage=Stage.DONE, outcome=Outcome.LANDED, ride=ride)

    async def its_account(operation: OperationId) -> Account | None:
        return landed if operation == landed.operation.id else None

    setattr(store, "account", its_account)  # noqa: B010 - one answer of a real store
    moved = replace(lock, expiry=lock.expiry + 12)
    await runner_of(store, Told(ToldEscrow([moved])).node()).run()
    now = await store.job(job.id)
    assert now is not None and isinstance(now.settlement, Claiming)
    assert now.lock == Lock(amount=lock.amount, expiry=moved.expiry, transaction=ride.hash, block=BlockNumber(8))


# ---- Locks that no job waits for


async def test_an_expired_lock_that_no_job_knows_is_cancelled_before_the_run_ends(store: SqliteStore) -> None:
    """The original does not wait for it, and tells nobody."""
    findings = await runner_of(store, Told(ToldEscrow([STRANGER])).node()).run()
    assert findings.counts["sweep"] == 1
    (told,) = findings.told()
    assert told.startswith("an expired lock that no job waits for is cancelled: operation sweep/")
    assert len(await store.accounts_about(STRANGER.key.digest())) == 1


async def test_the_same_lock_is_swept_once_however_often_it_is_found(store: SqliteStore) -> None:
    runner = runner_of(store, Told(ToldEscrow([STRANGER])).node())
    assert [(await runner.run()).counts["sweep"] for _ in range(2)] == [1, 0]


async def test_a_lock_of_a_job_that_is_not_settled_is_never_swept(store: SqliteStore) -> None:
    job, lock = await job_of(store, "a", 10, 20, 30, 40, expires_at=int(NOW) + 60)
    findings = await runner_of(store, Told(ToldEscrow([lock])).node()).run()
    assert findings.counts["sweep"] == 0
    assert await store.accounts_about(lock.key.digest()) == []
    assert job.settlement == Unsettled()


async def test_what_lives_or_is_not_to_be_swept_is_left(store: SqliteStore) -> None:
    alive = LiveLock(key=STRANGER.key, amount=5, expiry=int(NOW) + 5_000)
    for escrow, sweep in ((ToldEscrow([alive]), True), (ToldEscrow([STRANGER]), False)):
        findings = await runner_of(store, Told(escrow).node(), sweep=sweep).run()
        assert findings.counts["sweep"] == 0

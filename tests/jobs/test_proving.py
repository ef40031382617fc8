"""What a payment's operation shows when it has ended: its own event, or nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace.core.job import Job, JobStatus
from headrace.core.operation import Account, Operation, Ride, Stage, State
from headrace.core.ports import Added, NodeTrouble
from headrace.core.ports.compute import Report
from headrace.core.settlement import Canceled, Claimed, Claiming, Due, Move, Proof, Released, Settlement
from headrace.core.words import BatchId, BlockHash, Nonce, Outcome
from headrace.jobs.life import JobLife
from headrace.jobs.lock_ends import LockEnds, key_of
from headrace.jobs.orders import settling_order
from headrace.jobs.planning import Item
from headrace.jobs.proving import Ended, Proving
from headrace.jobs.withdrawing import Withdrawing
from headrace.store import SqliteStore, open_store
from headrace.testing.clock import HandClock
from headrace.testing.fake_world import Frame
from headrace.workloads.escrow import calldata
from headrace.workloads.escrow.lock_state import LiveLock
from jobs.chain_told import ToldEscrow
from jobs.making import CHAIN, NOW, PAYEE, TIMEOUT_S, lock_of, ran_job, request
from jobs.test_looking_up import ESCROW, Says, Scene, canceled, claimed

AMOUNT = 27


class Escrow(ToldEscrow):
    """Knows its locks, and emits what it is told to."""

    def run(self, frame: Frame, data: bytes) -> bytes:
        return super().run(frame, data) if data[:4] == calldata.GET_LOCKS else Says().run(frame, data)


class Case:
    """One job whose payment claim has been sealed, and the chain that it went to."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.scene, self.escrow = store, Scene(), Escrow()
        self.scene.chain.contracts[ESCROW] = self.escrow
        self.scene.chain.mine(9)
        self.withdrawn: list[Operation] = []
        clock, reader = HandClock(NOW), self.scene.reader
        withdrawing = Withdrawing(self.admit, escrow=ESCROW, chain=CHAIN, lanes=[PAYEE])
        self.proving = Proving(
            store=store, reader=reader, ends=LockEnds(reader), withdrawing=withdrawing, clock=clock
        )

    async def admit(self, operation: Operation) -> Added:
        self.withdrawn.append(operation)
        return Added.FRESH

    async def claiming(self) -> Job:
        life = JobLife(self.store, claim_duration_timeout_s=TIMEOUT_S)
        job = await life.start(request(), now=NOW)
        await self.store.record_lock(job.id, lock_of(job), now=NOW)
        for number, status in enumerate((10, 20, 30, 40, 60, 71)):
            report = Report(job=job.id, status=JobStatus(status), at=NOW + number)
            await life.report(report, now=NOW + 500)
        job = await life.job(job.id)
        self.escrow.locks = [LiveLock(key=key_of(job), amount=AMOUNT, expiry=int(NOW) + 7_200)]
        item = Item(job=job.id, key=key_of(job), amount=AMOUNT, send_before=None, used_ms=1)
        await self.store.begin_settling([settling_order(job, Move.CLAIM, item, now=NOW)], now=NOW)
        return await life.job(job.id)

    async def ended(self, job: Job, outcome: Outcome, proof: Proof | None) -> Ended:
        assert isinstance(job.settlement, Claiming)
        account = await self.store.account(job.settlement.operation)
        assert account is not None
        return job, Account(
            operation=account.operation,
            stage=Stage.DONE,
            state=State.DONE,
            outcome=outcome,
            reason="so it is",
            revert=None,
            ride=None if proof is None else self.ride(proof),
            batched_at=NOW,
            sent_at=NOW,
            mined_at=NOW,
            done_at=NOW,
        )

    def ride(self, proof: Proof) -> Ride:
        known = self.scene.chain.receipt(proof.transaction)
        return Ride(
            batch=BatchId("b"),
            lane=PAYEE,
            nonce=Nonce(0),
            index=0,
            hash=proof.transaction,
            attempts=1,
            block=proof.block,
            block_hash=BlockHash(b"\x66" * 32) if known is None else known.block_hash,
            gas_share=1,
            cost_share_wei=1,
        )

    async def settlement(self) -> Settlement:
        job = await self.store.job(ran_job().id)
        assert job is not None
        return job.settlement


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    async with open_store(tmp_path / "headrace.db", clock=HandClock(NOW)) as store:
        yield Case(store)


async def test_a_payment_ends_as_its_own_event_says(case: Case) -> None:
    job = await case.claiming()
    proof = case.scene.happen(claimed(job, AMOUNT))
    await case.proving.settle([await case.ended(job, Outcome.LANDED, proof)])
    assert await case.settlement() == Claimed(AMOUNT, proof)
    assert [order.kind for order in case.withdrawn] == ["withdraw"]


async def test_a_claim_of_nothing_is_a_release(case: Case) -> None:
    job = await case.claiming()
    proof = case.scene.happen(claimed(job, 0))
    await case.proving.settle([await case.ended(job, Outcome.LANDED, proof)])
    assert (await case.settlement(), case.withdrawn) == (Released(proof), [])


async def test_a_claim_that_turned_into_a_cancel_was_not_paid(case: Case) -> None:
    job = await case.claiming()
    proof = case.scene.happen(canceled(job))
    await case.proving.settle([await case.ended(job, Outcome.CONFLICT, proof)])
    assert (await case.settlement(), case.withdrawn) == (Canceled(proof), [])


async def test_a_transaction_without_the_payments_own_event_settles_nothing(case: Case) -> None:
    job = await case.claiming()
    other = case.scene.happen(claimed(ran_job("b"), AMOUNT))
    await case.proving.settle([await case.ended(job, Outcome.LANDED, other)])
    assert await case.settlement() == Due("its lock is still there")


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.EXPIRED, Outcome.CANCELLED])
async def test_what_never_landed_is_due_again_and_says_why(case: Case, outcome: Outcome) -> None:
    job = await case.claiming()
    await case.proving.settle([await case.ended(job, outcome, None)])
    assert await case.settlement() == Due(f"{outcome.value}: so it is")


async def test_a_final_block_that_the_node_does_not_know_proves_nothing_yet(case: Case) -> None:
    job = await case.claiming()
    unknown = Proof(case.scene.happen(claimed(job, AMOUNT)).transaction[::-1], case.scene.head)
    with pytest.raises(NodeTrouble):
        await case.proving.settle([await case.ended(job, Outcome.LANDED, unknown)])
    assert await case.settlement() == job.settlement

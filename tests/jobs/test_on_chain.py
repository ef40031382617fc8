"""Settlement on a real chain, on our escrow and on the one that imitates those that are deployed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace.chain.hexes import address_text
from headrace.core.job import Job, JobId, JobStatus
from headrace.core.operation import Operation, State
from headrace.core.ports.claim_runs import ClaimRun
from headrace.core.ports.compute import Report
from headrace.core.ports.jobs import SettlementChange
from headrace.core.settlement import Claimed, Due, Move, SettlementState
from headrace.core.words import Address, OperationId, Outcome
from headrace.jobs.lock_ends import key_of
from headrace.jobs.orders import settling_order
from headrace.jobs.planning import Item
from headrace.store import open_store
from jobs.chain_world import (
    FEE,
    UNIT,
    Running,
    World,
    a_world,
    in_state,
    locked,
    outcome,
    ran,
    until,
    wish,
    withdrawal_of,
)

NOBODY = address_text(bytes(20))


@pytest.fixture(params=["Escrow", "LinearEscrow"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, contract=request.param) as made:
        yield made


async def test_a_job_is_locked_run_claimed_and_its_payment_withdrawn(world: World) -> None:
    payer = await world.payer(0xAAAA)
    async with world.running() as running:
        (job,) = await locked(running, world, payer, "a")
        assert await world.funds(payer) == (998 * UNIT, 2 * UNIT)
        await ran(running, world, "a", seconds=59)
        await world.final()
        asked = await running.service.settle_now()
        assert asked.begun
        (job,) = await in_state(running, SettlementState.CLAIMED, "a")
        assert job.status == 70
        assert isinstance(job.settlement, Claimed)
        assert job.settlement.amount == UNIT
        net = UNIT - UNIT * FEE // 10**18
        withdrawal = withdrawal_of(world, job)
        assert await until("withdrawn", lambda: outcome(running, withdrawal)) is Outcome.LANDED
        assert await world.funds(payer) == (999 * UNIT, 0)
        assert await world.funds(world.lane.address) == (0, 0)
        assert await world.balance(world.lane.address) == net
        run = (await running.service.runs(limit=1))[0]
        assert dict(run.counts) == {"due": 1, "claim": 1}
        story = await running.service.story(JobId("a"))
        assert [account.operation.kind for account in story.operations] == ["lock", "claim"]


async def test_only_what_was_earned_is_withdrawn(world: World) -> None:
    payer = await world.payer(0xAAAA)
    lane = world.lane.address
    await world.own_deposit(5 * UNIT)
    async with world.running() as running:
        await locked(running, world, payer, "a")
        await ran(running, world, "a", seconds=59)
        await world.final()
        await running.service.settle_now()
        (job,) = await in_state(running, SettlementState.CLAIMED, "a")
        withdrawal = withdrawal_of(world, job)
        assert await until("withdrawn", lambda: outcome(running, withdrawal)) is Outcome.LANDED
    assert await world.funds(lane) == (5 * UNIT, 0), "what the payee deposited itself stays"


async def test_a_run_that_failed_before_it_ran_gives_everything_back_at_once(world: World) -> None:
    payer = await world.payer(0xAAAA)
    async with world.running() as running:
        await locked(running, world, payer, "a", "b")
        now = world.clock.now()
        for status in (10, 11):
            await running.life.report(Report(job=JobId("a"), status=JobStatus(status), at=now), now=now)
        await ran(running, world, "b", seconds=59, end=41)
        await world.final()
        await running.service.settle_now()
        (job,) = await in_state(running, SettlementState.RELEASED, "a")
        assert int(job.status) == 11, "how the run ended is not written over"
        (job,) = await in_state(running, SettlementState.CLAIMED, "b")
        assert int(job.status) == 41
        assert await world.funds(payer) == (999 * UNIT, 0)


async def test_an_expired_lock_is_cancelled_not_claimed(world: World) -> None:
    payer = await world.payer(0xAAAA)
    async with world.running() as running:
        await locked(running, world, payer, "a")
        await ran(running, world, "a")
        world.clock.jump(4000)
        await world.final()
        (job,) = await in_state(running, SettlementState.CANCELED, "a")
        assert int(job.status) == 70
        assert await world.funds(payer) == (1000 * UNIT, 0)
        kinds = [a.operation.kind for a in (await running.service.story(JobId("a"))).operations]
        assert kinds == ["lock", "cancel"]


async def test_a_strangers_cancel_is_found_in_the_logs(world: World) -> None:
    payer = await world.payer(0xAAAA)
    async with world.running() as running:
        await locked(running, world, payer, "a")
        await ran(running, world, "a")
    world.clock.jump(4000)
    await world.mine()
    stranger = world.anvil.keys[5].address
    await world.as_escrow(stranger, "cancelExpiredLock", 0, NOBODY, NOBODY, address_text(world.lane.address))
    await world.final()
    async with world.running() as running:
        await running.service.settle_now()
        await in_state(running, SettlementState.CANCELED, "a")
        assert [a.operation.kind for a in (await running.service.story(JobId("a"))).operations] == ["lock"]


async def test_a_poisoned_lock_is_cut_out_and_the_others_are_paid_by_one_transaction(world: World) -> None:
    payers = [await world.payer(0xAA00 + number) for number in range(6)]
    names = [f"job-{number}" for number in range(6)]
    async with world.running() as running:
        for payer, name in zip(payers, names, strict=True):
            await running.service.start(wish(world, payer, name))
        await in_state(running, SettlementState.UNSETTLED, *names)
        await ran(running, world, *names, seconds=59)
        due = await running.store.jobs_to_settle([SettlementState.DUE], limit=10)
    async with open_store(world.path / "headrace.db", clock=world.clock) as store:
        orders = [claim_of(job, amount=UNIT if job.id != "job-3" else 3 * UNIT) for job in due]
        await store.begin_settling(orders, now=world.clock.now())
    good = [name for name in names if name != "job-3"]
    async with world.running() as running:
        claimed = await in_state(running, SettlementState.CLAIMED, *good)
        (poisoned,) = await in_state(running, SettlementState.DUE, "job-3")
        assert isinstance(poisoned.settlement, Due)
        assert "more than was locked" in poisoned.settlement.reason
        assert (
            len({job.settlement.proof.transaction for job in claimed if isinstance(job.settlement, Claimed)}) == 1
        )
        await running.service.settle_now()
        (healed,) = await in_state(running, SettlementState.CLAIMED, "job-3")
        assert healed.claims == 2


def claim_of(job: Job, *, amount: int) -> tuple[SettlementChange, Operation]:
    item = Item(job=job.id, key=key_of(job), amount=amount, send_before=None, used_ms=59_000)
    return settling_order(job, Move.CLAIM, item, now=job.created_at)


async def test_an_expired_lock_that_no_job_knows_is_swept(world: World) -> None:
    payer = await world.payer(0xAAAA)
    await world.as_escrow(
        world.lane.address, "createLock", 77, address_text(world.token), address_text(payer), 3 * UNIT, 100
    )
    assert await world.funds(payer) == (997 * UNIT, 3 * UNIT)
    world.clock.jump(200)
    await world.final()
    async with world.running() as running:
        await running.service.settle_now()
        await until("swept", lambda: nothing_locked(world, payer))
        assert await world.funds(payer) == (1000 * UNIT, 0)
        run = (await running.service.runs(limit=1))[0]
        assert dict(run.counts) == {"sweep": 1}


async def test_a_claim_that_turned_into_a_cancel_is_recorded_as_one(world: World) -> None:
    """It is mined after the lock has expired: the escrow gives everything back, and says success."""
    payer = await world.payer(0xAAAA)
    async with world.running() as running:
        await locked(running, world, payer, "a")
        await ran(running, world, "a", seconds=59)
        await world.final()
        world.mining.clear()
        await running.service.settle_now()
        await until("sent", lambda: state_of(running, "job/a/claim/1", State.SENT))
        world.clock.jump(4000)
        world.mining.set()
        await in_state(running, SettlementState.CANCELED, "a")
        assert await world.funds(payer) == (1000 * UNIT, 0)
        story = await running.service.story(JobId("a"))
        claim = story.operations[-1]
        assert (claim.operation.kind, claim.outcome) == ("claim", Outcome.CONFLICT)
        assert story.owed == UNIT, "what it did owe is told all the same"


async def test_a_lock_that_a_reorg_moved_is_recorded_where_it_is_now(world: World) -> None:
    payer = await world.payer(0xAAAA)
    async with world.running() as running:
        (job,) = await locked(running, world, payer, "a")
        assert job.lock is not None
        before = job.lock
        world.mining.clear()
        await world.anvil.reorg(await world.anvil.height() - before.block + 1)
        world.mining.set()

        async def moved() -> bool:
            now = await running.store.job(JobId("a"))
            return now is not None and now.lock is not None and now.lock.block > before.block

        await until("the lock is elsewhere", moved)
        await ran(running, world, "a", seconds=59)
        await world.final()
        await running.service.settle_now()
        await in_state(running, SettlementState.CLAIMED, "a")


async def test_while_the_node_is_silent_nothing_is_finished_and_the_run_says_so(world: World) -> None:
    payer = await world.payer(0xAAAA)
    async with world.running() as running:
        await locked(running, world, payer, "a")
        await ran(running, world, "a", seconds=59)
        await world.final()
        with world.silent():
            asked = await running.service.settle_now()

            async def ended() -> ClaimRun | None:
                run = (await running.service.runs(limit=1))[0]
                return run if run.ended_at is not None else None

            run = await until("the run has ended", ended, within_s=30)
            assert run.number == asked.run.number
            assert "ended early" in run.troubles[0]
            assert any("ended early" in hindrance for hindrance in running.service.hindrances())
            job = await running.store.job(JobId("a"))
            assert job is not None
            assert job.settlement == Due()
        await in_state(running, SettlementState.CLAIMED, "a", within_s=60)
        assert running.service.hindrances() == []


async def state_of(running: Running, operation: str, state: State) -> bool:
    account = await running.store.account(OperationId(operation))
    return account is not None and account.state is state


async def nothing_locked(world: World, payer: Address) -> bool:
    return (await world.funds(payer))[1] == 0

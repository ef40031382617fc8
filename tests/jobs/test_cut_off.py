"""The service dies at every write that it makes, just before or just after, and is started again: whatever
happened, each job is paid once, and what it earned is withdrawn once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.core.job import JobId, JobStatus
from headrace.core.ports.compute import Report
from headrace.core.settlement import Claimed, SettlementState
from headrace.core.words import BlockNumber, Outcome
from headrace.workloads.escrow.events import CLAIMED_TOPIC, WITHDRAW_TOPIC
from jobs.chain_world import FEE, UNIT, Running, World, a_world, in_state, outcome, until, wish, withdrawal_of

# Every write between a wish and its payment; that of an operation's outcome is the engine's own.
WRITES = (
    "add_job",
    "add_operations",
    "record_lock",
    "begin_claim_run",
    "begin_settling",
    "end_claim_run",
    "seal",
    "settle",
    "change_settlements",
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as made:
        yield made


class Died(Exception):
    pass


def dies_at(running: Running, write: str, *, after: bool) -> asyncio.Event:
    """Set when it happens. From then on nothing of this life writes any more."""
    died = asyncio.Event()
    for name in WRITES:
        setattr(running.store, name, _mortal(getattr(running.store, name), name == write, after, died))
    return died


def _mortal(real: Callable[..., Any], is_last: bool, after: bool, died: asyncio.Event) -> Callable[..., Any]:
    async def write(*args: Any, **named: Any) -> Any:
        if died.is_set():
            raise Died
        if is_last and not after:
            died.set()
            raise Died
        written = await real(*args, **named)
        if is_last:
            died.set()
            raise Died
        return written

    return write


async def go(running: Running, world: World, payer: Any) -> None:
    """From wherever the job is to where it is paid."""
    id, now = JobId("a"), world.clock.now
    await running.service.start(wish(world, payer, "a"))
    for status, seconds in ((20, 0), (30, 1), (40, 2), (60, 60), (71, 61)):

        async def locked() -> bool:
            job = await running.store.job(id)
            return job is not None and job.lock is not None

        await until("locked", locked)
        job = await running.life.job(id)
        if job.result is None and job.status < status:
            at = job.created_at + seconds
            await running.life.report(Report(job=id, status=JobStatus(status), at=at), now=now() + seconds)
    await world.final()
    await running.service.settle_now()
    await in_state(running, SettlementState.CLAIMED, "a", within_s=30)


async def events(world: World, topic: bytes) -> int:
    node = world.node()
    try:
        head = await node.head()
        logs = await node.logs(
            address=world.escrow.address, topics=[(topic,)], first=BlockNumber(0), last=head.number
        )
        return len(logs)
    finally:
        await node.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", WRITES)
async def test_a_job_is_paid_once_wherever_the_service_was_cut_off(world: World, write: str, after: bool) -> None:
    payer = await world.payer(0xAAAA)
    with contextlib.suppress(Died):
        async with world.running(tolerant=True) as running:
            died = dies_at(running, write, after=after)
            going = asyncio.create_task(go(running, world, payer))
            await asyncio.wait(
                {going, asyncio.create_task(died.wait())}, return_when=asyncio.FIRST_COMPLETED, timeout=30
            )
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)
            assert died.is_set(), f"{write} was never reached"
    async with world.running() as running:
        await go(running, world, payer)
        job = await running.life.job(JobId("a"))
        assert isinstance(job.settlement, Claimed)
        withdrawal = withdrawal_of(world, job)
        assert await until("withdrawn", lambda: outcome(running, withdrawal)) is Outcome.LANDED
    assert (await events(world, CLAIMED_TOPIC), await events(world, WITHDRAW_TOPIC)) == (1, 1)
    assert await world.balance(world.lane.address) == UNIT - UNIT * FEE // 10**18
    assert await world.funds(payer) == (999 * UNIT, 0)

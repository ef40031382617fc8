"""Replies get lost, blocks are replaced, the process is killed: every due job is paid exactly once."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from e2e.settling import CONFIRMATIONS, End, PaidJob, Story, locks_of, open_story, record_of
from headrace.app.chain_watch.escrow_record import EscrowRecord
from headrace.app.claims.stage import DEPOSIT
from headrace.app.demo.settlement.contracts import FEE_PER_1E18
from headrace.app.demo.settlement.rest import Json
from headrace.store import open_reader
from headrace.testing.proxy_answers import Done

PAYERS, JOBS, LATE, RELEASED = 10, 40, 4, 4
UNSETTLED, DUE = frozenset({"unsettled"}), frozenset({"due"})


def cast(payers: Sequence[bytes]) -> list[PaidJob]:
    ends = [End.CANCELED] * LATE + [End.RELEASED] * RELEASED + [End.CLAIMED] * (JOBS - LATE - RELEASED)
    return [
        PaidJob(
            id=f"job-{index:02d}",
            payer=payers[index % len(payers)],
            cpus=1 + index % 7,
            ran_s=70.0 if index % 3 == 0 and end is End.CLAIMED else 1.0,
            end=end,
        )
        for index, end in enumerate(ends)
    ]


async def test_lost_replies_reorgs_and_kills_pay_every_due_job_exactly_once(tmp_path: Path) -> None:
    async with open_story(tmp_path, payers=PAYERS, seed=4) as story:
        jobs = cast([bytes(key.address) for key in story.stage.payers])
        story.faults.trouble(on=True)
        await locks_under_trouble(story, jobs)
        await claims_under_trouble(story, jobs)
        story.faults.trouble(on=False)
        await until_all_is_final(story)
        told, record = await story.told(jobs), await record_of(story.stage)
        said = story.stage.scene.log("gateway").read_text()

    assert story.kills == 4
    assert [depth for what, depth in story.reorgs if what == "claim"] == [2, 3, 4]
    assert {("lock", 1), ("lock", 4)} <= set(story.reorgs)
    done = story.proxy.faults_done
    assert done[Done.ACCEPTED_REPLY_LOST] >= 3, done
    assert done[Done.TIMED_OUT_BEFORE] and done[Done.TIMED_OUT_AFTER] and done[Done.HTTP_ERROR], done
    assert "Traceback" not in said

    payee = bytes(story.stage.payee)
    assert wrong_on_chain(record, jobs, payee) == []
    assert wrong_books(record, jobs, payee) == []
    assert wrong_over_rest(record, jobs, payee, told) == []


# ---- The acts


async def locks_under_trouble(story: Story, jobs: Sequence[PaidJob]) -> None:
    """Those that will be too late first: on a chain that is behind, their locks are old as soon as it is not."""
    late, rest = jobs[:LATE], jobs[LATE:]
    await story.ask_for(late)
    await story.until(lambda: story.all_are(late, UNSETTLED), "locks of late jobs")
    await story.run(late)
    await story.stage.catch_up()
    await story.chain.mine(CONFIRMATIONS)  # a reorg sets anvil's clock back to the block that it stands on

    # Killed while locks are asked for; whoever got no answer asks again with the same id.
    await story.ask_for(rest[:12])
    asking = asyncio.create_task(story.ask_for(rest[12:]))
    await story.until_sent("lock")
    await story.kill()
    await story.start_again()
    await asking
    await story.until_mined("lock")
    await story.reorg(1, taking="lock")
    await story.until_mined("lock")
    await story.chain.mine(3)
    await story.reorg(4, taking="lock")
    await story.until(lambda: story.all_are(rest, UNSETTLED), "locks of all others")
    # Jobs run as soon as their locks are in a block; a lock can be taken away beneath a job that has ended.
    await story.run(rest)
    assert await story.all_are(jobs, DUE)
    if depths := await story.in_blocks("lock", CONFIRMATIONS - 1):
        await story.reorg(depths[0], taking="lock")


async def claims_under_trouble(story: Story, jobs: Sequence[PaidJob]) -> None:
    await story.client.claim_now()
    await story.kill()  # right after the run began
    await story.start_again()

    await story.client.claim_now()
    await story.until_sent("claim")
    await story.kill()  # sent, and in no block
    await story.start_again()

    await story.until_mined("claim")
    await story.chain.mine()
    await story.reorg(2, taking="claim")
    await story.until_mined("claim")
    await story.kill()  # in a block that is not final
    await story.chain.mine(2)
    await story.reorg(3, taking="claim", carried=True)
    await story.start_again()
    assert len(await story.client.jobs()) == JOBS
    await story.chain.mine()
    await story.reorg(4, taking="claim")
    await story.settle_all(jobs)


async def until_all_is_final(story: Story) -> None:
    """Withdrawals follow claims."""
    async with open_reader(story.stage.scene.store) as reader:

        async def nothing_under_way() -> bool:
            counts = dict(await reader.counts())
            return not any(counts.get(stage) for stage in ("waiting", "queued", "claimed", "sealed"))

        await story.until(nothing_under_way, "all operations at their end")


# ---- The judgement


def wrong_on_chain(record: EscrowRecord, jobs: Sequence[PaidJob], payee: bytes) -> list[str]:
    """By the escrow's events alone."""
    wrong = [f"{len(record.locks)} locks were made for {len(jobs)} jobs"] if len(record.locks) != len(jobs) else []
    for job in jobs:
        locks = locks_of(record, job, payee=payee)
        if len(locks) != 1:
            wrong.append(f"{job.id}: {len(locks)} locks")
            continue
        end = locks[0].end
        if end is None:
            wrong.append(f"{job.id}: its lock of {locks[0].amount} is still there")
        elif end.claimed == (job.end is End.CANCELED):
            wrong.append(f"{job.id}: must be {job.end.value}, and claimed is {end.claimed}")
        elif (locks[0].paid, locks[0].returned) != (job.owed, locks[0].amount - job.owed):
            wrong.append(f"{job.id}: {locks[0].paid} paid, {job.owed} owed")
        elif end.claimed and end.place.timestamp_s > locks[0].expiry:
            wrong.append(f"{job.id}: claimed after its lock expired")
    return wrong


def wrong_books(record: EscrowRecord, jobs: Sequence[PaidJob], payee: bytes) -> list[str]:
    wrong = list(record.imbalances())
    (token,) = record.tokens
    net = sum(job.owed - job.owed * FEE_PER_1E18 // 10**18 for job in jobs)
    earner = record.accounts[payee, token]
    if (earner.withdrawn, earner.available, earner.locked) != (net, 0, 0):
        wrong.append(f"the payee must have taken out {net}: {earner}")
    for payer in {job.payer for job in jobs}:
        paid = sum(job.owed for job in jobs if job.payer == payer)
        account = record.accounts[payer, token]
        if (account.available, account.locked, account.paid) != (DEPOSIT - paid, 0, paid):
            wrong.append(f"0x{payer.hex()} must have paid {paid} of {DEPOSIT}: {account}")
    return wrong


def wrong_over_rest(
    record: EscrowRecord, jobs: Sequence[PaidJob], payee: bytes, told: dict[str, tuple[Json, Json]]
) -> list[str]:
    wrong = []
    for job in jobs:
        shown, settlement = told[job.id]
        (lock,) = locks_of(record, job, payee=payee)
        assert lock.end is not None
        says = (
            shown["status"],
            settlement["state"],
            int(settlement["money"]["claimed"]["units"]),
            int(settlement["money"]["returned"]["units"]),
            settlement["proof"]["transaction"],
            settlement["proof"]["block"],
            settlement["lock"]["transaction"],
            settlement["lock"]["block"],
            settlement["lock"]["expiry"],
        )
        must = (
            22 if job.end is End.RELEASED else 70,
            job.end.value,
            job.owed,
            lock.amount - job.owed,
            "0x" + lock.end.place.transaction.hex(),
            lock.end.place.block,
            "0x" + lock.made.transaction.hex(),
            lock.made.block,
            lock.expiry,
        )
        if says != must:
            wrong.append(f"{job.id}: REST says {says}, the chain {must}")
    return wrong

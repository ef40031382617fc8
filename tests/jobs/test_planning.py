"""What a claim run does with each payment that is due."""

import random
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.job import Job, JobId, JobStatus, RunTimes
from headrace.core.settlement import Claimed, Claiming, Free, Move, NeedsHelp, Proof, Unsettled
from headrace.core.terms import number_on_chain
from headrace.core.words import Address, BlockNumber, ChainId, OperationId, TxHash
from headrace.jobs.planning import Plan, Read, Said, Unread, plan
from headrace.jobs.schedule import ClaimPolicy
from headrace.workloads.escrow.lock_state import LiveLock
from headrace.workloads.escrow.payload import LockKey
from jobs.making import CHAIN, NOW, PAYEE, PAYER, TOKEN, never_ran_job, payment, ran_job

POLICY = ClaimPolicy()
EXPIRY = int(NOW) + 7_200
MINUTE = 9 * 10**6
HEAD = BlockNumber(100)


def key_of(job: Job) -> LockKey:
    assert job.terms is not None
    terms = job.terms
    return LockKey(payee=terms.payee, payer=terms.payer, token=terms.token, job=number_on_chain(job.id))


def live(of: Job, /, *, expiry: int = EXPIRY, **more: Any) -> LiveLock:
    assert of.terms is not None
    return LiveLock(key=replace(key_of(of), **more), amount=of.terms.lock_amount, expiry=expiry)


def read(locks: Iterable[LiveLock], *, chain: ChainId = CHAIN, block: int = HEAD) -> dict[Any, Read | Unread]:
    return {(chain, PAYEE): Read(list(locks), BlockNumber(block))}


def planned(jobs: Iterable[Job], locks: Any = None, *, now: float = NOW + 1000) -> Plan:
    jobs = list(jobs)
    return plan(jobs, read(live(job) for job in jobs) if locks is None else locks, now=now, policy=POLICY)


def moves(made: Plan) -> dict[Move, list[str]]:
    return {group.move: [item.job for item in group.items] for group in made.groups}


def test_a_job_that_ran_is_claimed_for_what_it_cost() -> None:
    job = ran_job(seconds=125)
    (group,) = planned([job]).groups
    assert (group.chain, group.payee, group.move) == (CHAIN, PAYEE, Move.CLAIM)
    (item,) = group.items
    assert (item.job, item.key, item.amount) == ("a", key_of(job), 3 * MINUTE)
    assert (item.send_before, item.used_ms) == (EXPIRY - 300, 125_000)


@pytest.mark.parametrize("end", sorted({2, 11, 13, 14, 21, 22, 31, 32, 33}))
def test_what_failed_before_it_ran_is_released_at_once(end: int) -> None:
    made = planned([never_ran_job(end=end)])
    assert moves(made) == {Move.RELEASE: ["a"]}
    assert made.groups[0].items[0].amount == 0


def test_what_costs_nothing_is_released_and_not_cancelled_before_its_time() -> None:
    """A cancel of a lock that lives does nothing, and says nothing."""
    job = ran_job(seconds=0, payment=payment(minimum_duration_s=0))
    assert moves(planned([job])) == {Move.RELEASE: ["a"]}


def test_an_expired_lock_is_cancelled_whatever_the_job_would_have_cost() -> None:
    jobs = [ran_job("a"), never_ran_job("b", end=11)]
    made = planned(jobs, now=EXPIRY + 31)
    assert moves(made) == {Move.CANCEL: ["a", "b"]}
    assert all(item.amount == 0 and item.send_before is None for group in made.groups for item in group.items)


@pytest.mark.parametrize("job", [ran_job(), never_ran_job(end=11)])
def test_nothing_is_sent_between_the_last_moment_of_a_claim_and_the_end_of_the_lock(job: Job) -> None:
    assert planned([job], now=EXPIRY - 300).groups, "the last moment itself"
    for now in (EXPIRY - 299.9, EXPIRY, EXPIRY + 30):
        made = planned([job], now=now)
        assert (made.groups, made.look, made.ask) == ([], [], [])
        assert made.left == [
            Said(JobId("a"), f"its lock expires at {EXPIRY}, too soon to claim it; it is cancelled after that")
        ]


@given(st.integers(-10_000, 10_000), st.booleans())
def test_no_claim_is_ever_planned_after_its_last_moment(offset: int, ran: bool) -> None:
    now = EXPIRY + offset
    made = planned([ran_job() if ran else never_ran_job(end=22)], now=now)
    for group in made.groups:
        if group.move is Move.CANCEL:
            assert now > EXPIRY
        else:
            assert now <= EXPIRY - POLICY.margin_s


# ---- Found, absent, unknown


def test_a_lock_that_could_not_be_read_finishes_nothing() -> None:
    job = ran_job()
    for locks in ({(CHAIN, PAYEE): Unread("request timeout")}, {}):
        made = planned([job], locks)
        assert (made.groups, made.look, made.ask) == ([], [], [])
        assert made.left[0].reason.startswith("its lock on chain 31337 could not be read: ")


def test_one_chain_that_cannot_be_read_hurts_no_other() -> None:
    other = ran_job("b", payment=payment(chain=ChainId(8453)))
    locks = {(CHAIN, PAYEE): Unread("request timeout")} | read([live(other)], chain=ChainId(8453))
    made = planned([ran_job(), other], locks)
    assert moves(made) == {Move.CLAIM: ["b"]}
    assert [said.job for said in made.left] == ["a"]


def test_a_lock_that_is_gone_is_looked_for() -> None:
    made = planned([ran_job()], read([]))
    assert (made.groups, made.look, made.left) == ([], ["a"], [])


def test_a_node_that_is_behind_the_lock_proves_no_absence() -> None:
    """The job's lock is in block 5."""
    assert planned([ran_job()], read([], block=5)).look == ["a"]
    made = planned([ran_job()], read([], block=4))
    assert (made.look, made.left) == (
        [],
        [Said(JobId("a"), "its lock was read as of block 4, and it is in block 5", passes=True)],
    )


@pytest.mark.parametrize(
    "other",
    [
        {"payer": Address(b"\x09" * 20)},
        {"token": Address(b"\x09" * 20)},
        {"job": number_on_chain(JobId("b"))},
        {"payee": Address(b"\x09" * 20)},
    ],
)
def test_a_lock_that_differs_in_payer_token_or_number_is_another_lock(other: dict[str, Any]) -> None:
    job = ran_job()
    assert planned([job], read([live(job, **other)])).look == ["a"]


def test_a_lock_on_another_chain_is_another_lock() -> None:
    job = ran_job()
    both = read([], chain=CHAIN) | read([live(job)], chain=ChainId(8453))
    assert planned([job], both).look == ["a"]


# ---- One job hurts only itself


def test_never_more_than_the_lock_holds() -> None:
    job = ran_job(seconds=125)
    small = replace(live(job), amount=5)
    assert planned([job], read([small])).groups[0].items[0].amount == 5


def test_a_job_that_makes_no_sense_is_asked_about_and_the_rest_goes_on() -> None:
    mad = replace(ran_job("mad"), run=RunTimes(started_at=9.0, seen_running_at=9.0, stopped_at=1.0))
    made = planned([ran_job("a"), mad, ran_job("b")])
    assert moves(made) == {Move.CLAIM: ["a", "b"]}
    assert [said.job for said in made.ask] == ["mad"]
    assert "make no sense" in made.ask[0].reason


def test_only_what_is_due_is_touched() -> None:
    due = ran_job()
    proof = Proof(TxHash(b"\x01" * 32), BlockNumber(1))
    others = [
        replace(due, settlement=Claiming(move=Move.CLAIM, amount=1, operation=OperationId("x"))),
        replace(due, settlement=NeedsHelp("?")),
        replace(due, settlement=Claimed(1, proof), status=JobStatus.JOB_FINISHED),
        replace(due, settlement=Unsettled(), status=JobStatus.PUBLISHING_RESULTS, result=None),
        replace(due, settlement=Free(), terms=None),
    ]
    for job in others:
        made = planned([job], read([live(due)]))
        assert (made.groups, made.look, made.ask) == ([], [], [])
        assert made.left[0].reason == f"its payment is {job.settlement.state.value}, not due"


def test_a_job_is_settled_whatever_became_of_its_environment() -> None:
    assert moves(planned([ran_job(environment="no-longer-offered")])) == {Move.CLAIM: ["a"]}


# ---- Groups


def test_groups_are_by_chain_payee_and_move_and_claims_come_first() -> None:
    away = payment(chain=ChainId(8453))
    jobs = [
        never_ran_job("release", end=22),
        ran_job("claim"),
        ran_job("expired"),
        ran_job("away", payment=away),
        never_ran_job("away-release", end=22, payment=away),
    ]
    here = [live(job, expiry=int(NOW) if job.id == "expired" else EXPIRY) for job in jobs[:3]]
    locks = read(here) | read([live(job) for job in jobs[3:]], chain=ChainId(8453))
    groups = planned(jobs, locks).groups
    assert [(group.chain, group.move, [item.job for item in group.items]) for group in groups] == [
        (CHAIN, Move.CLAIM, ["claim"]),
        (8453, Move.CLAIM, ["away"]),
        (CHAIN, Move.RELEASE, ["release"]),
        (8453, Move.RELEASE, ["away-release"]),
        (CHAIN, Move.CANCEL, ["expired"]),
    ]


def test_who_cannot_wait_for_another_run_goes_first() -> None:
    jobs = [ran_job(name) for name in "abcd"]
    soon, late = int(NOW) + 1000 + 2000, int(NOW) + 1000 + 20_000
    locks = read(live(job, expiry=soon if job.id in "bd" else late) for job in jobs)
    assert [set(moves(planned(jobs, locks))[Move.CLAIM][at : at + 2]) for at in (0, 2)] == [{"b", "d"}, {"a", "c"}]


def test_a_group_is_in_the_order_in_which_a_scanning_contract_scans_least() -> None:
    jobs = [ran_job(f"{n}") for n in range(6)]
    stranger = LiveLock(key=LockKey(payee=PAYEE, payer=PAYER, token=TOKEN, job=1), amount=1, expiry=EXPIRY)
    made = planned(jobs, read([*(live(job) for job in jobs), stranger]))
    # The stranger fills the second place; the front one pulls the others, last first.
    assert moves(made) == {Move.CLAIM: ["1", "0", "5", "4", "3", "2"]}


def test_a_later_group_knows_what_the_one_before_it_left() -> None:
    claims, releases = [ran_job(f"c{n}") for n in range(3)], [never_ran_job(f"r{n}", end=22) for n in range(3)]
    order = [claims[0], releases[0], claims[1], releases[1], claims[2], releases[2]]
    made = planned(order, read(live(job) for job in order))
    array = [job.id for job in order]
    looked = 0
    for group in made.groups:
        for item in group.items:
            place = array.index(item.job)
            looked += place + 1
            last = array.pop()
            if place < len(array):
                array[place] = last
    assert (array, looked <= 12) == ([], True)


def calls_of(work: Callable[[], object]) -> int:
    """How many functions it calls, Python's own and ours: what it costs, on any machine."""
    count = 0

    def tick(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(tick)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_the_cost_of_a_plan_grows_with_the_number_of_jobs_and_no_faster() -> None:
    """10,000 jobs take 0.2 s."""
    template = ran_job()
    jobs = [replace(template, id=JobId(f"job-{n}")) for n in range(10_000)]
    chance = random.Random(7)
    locks = [live(job, expiry=int(NOW) + chance.randrange(0, 20_000)) for job in jobs]
    chance.shuffle(locks)
    half, whole = (calls_of(lambda n=n: planned(jobs[:n], read(locks))) for n in (5_000, 10_000))
    assert whole < 2.1 * half
    assert whole < 250 * len(jobs)

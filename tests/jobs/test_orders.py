"""From a plan's item to its operation, and from a lock that is gone to what it means."""

from dataclasses import replace

import pytest

from headrace.core.job import JobStatus
from headrace.core.settlement import Canceled, Claimed, Claiming, Due, Move, NeedsHelp, Proof, Released
from headrace.core.words import BlockNumber, TxHash
from headrace.jobs.looking import after_looking
from headrace.jobs.orders import commitment, lock_order, settling_order
from headrace.jobs.planning import Item
from headrace.workloads.escrow.payload import Payload
from jobs.making import CHAIN, NOW, PAYEE, PAYER, TOKEN, locked_job, new_job, ran_job
from jobs.test_planning import key_of

PROOF = Proof(TxHash(b"\x07" * 32), BlockNumber(9))


def item(amount: int = 27) -> Item:
    return Item(job=ran_job().id, key=key_of(ran_job()), amount=amount, send_before=NOW + 9, used_ms=125_000)


def test_a_claim_is_an_operation_of_the_payees_with_a_last_moment() -> None:
    job = ran_job()
    change, operation = settling_order(job, Move.CLAIM, item(), now=NOW)
    assert (change.job, change.before) == ("a", Due())
    assert change.after == Claiming(move=Move.CLAIM, amount=27, operation=operation.id)
    assert (operation.id, operation.kind, operation.chain) == ("job/a/claim/1", "claim", CHAIN)
    assert (operation.deadline, operation.sender) == (NOW + 9, PAYEE)
    proof = commitment(job, amount=27, used_ms=125_000)
    assert Payload.unpack(operation.payload) == Payload(key=key_of(job), amount=27, proof=proof)


def test_every_try_is_an_operation_of_its_own() -> None:
    _, operation = settling_order(replace(ran_job(), claims=3), Move.RELEASE, item(0), now=NOW)
    assert operation.id == "job/a/release/4"
    assert Payload.unpack(operation.payload).proof == b""


def test_a_lock_is_asked_for_as_it_was_agreed() -> None:
    job = new_job()
    operation = lock_order(job, now=NOW, deadline=NOW + 60)
    assert job.terms is not None
    assert (operation.id, operation.kind, operation.deadline) == ("job/a/lock", "lock", NOW + 60)
    payload = Payload.unpack(operation.payload)
    assert (payload.amount, payload.duration_s) == (job.terms.lock_amount, job.terms.lock_duration_s)
    assert (payload.key.payer, payload.key.token, payload.key) == (PAYER, TOKEN, key_of(job))
    with pytest.raises(AssertionError):
        lock_order(locked_job(), now=NOW)


def test_the_chain_sees_a_hash_and_nothing_of_the_jobs_record() -> None:
    job = ran_job(metadata='{"secret":"of mine"}')
    one = commitment(job, amount=27, used_ms=125_000)
    assert len(one) == 32
    assert one == commitment(job, amount=27, used_ms=125_000)
    assert job.result is not None
    others = [
        commitment(job, amount=28, used_ms=125_000),
        commitment(job, amount=27, used_ms=125_001),
        commitment(ran_job("b"), amount=27, used_ms=125_000),
        commitment(replace(job, content=b"\x01" * 32), amount=27, used_ms=125_000),
        commitment(replace(job, result=replace(job.result, exit_code=1)), amount=27, used_ms=125_000),
        commitment(
            replace(
                job,
                status=JobStatus.ALGORITHM_FAILED,
                result=replace(job.result, status=JobStatus.ALGORITHM_FAILED),
            ),
            amount=27,
            used_ms=125_000,
        ),
    ]
    assert len({one, *others}) == 7


@pytest.mark.parametrize("seen", [Claimed(27, PROOF), Released(PROOF), Canceled(PROOF)])
def test_a_lock_that_is_gone_ended_as_its_own_event_says(seen: Claimed | Released | Canceled) -> None:
    assert after_looking(ran_job(), seen, up_to=BlockNumber(20)).after == seen


def test_a_lock_that_is_gone_without_an_event_is_a_question_for_a_person() -> None:
    after = after_looking(ran_job(), None, up_to=BlockNumber(20)).after
    assert isinstance(after, NeedsHelp)
    assert "its lock of block 5 is not on chain 31337, and up to block 20 there is no event" in after.reason


def test_the_end_of_an_earlier_lock_of_the_same_number_proves_nothing() -> None:
    early = Claimed(27, Proof(TxHash(b"\x07" * 32), BlockNumber(4)))
    with pytest.raises(AssertionError, match="earlier lock"):
        after_looking(ran_job(), early, up_to=BlockNumber(20))

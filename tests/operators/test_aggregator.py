import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.attest import bls
from headrace.core.errors import TryLater
from headrace.core.words import Address, BlockNumber
from headrace.operators.aggregator import Aggregator, Certificate, Member, NoQuorum, Refusal
from headrace.operators.answers import Answer, Failed, Question, Refused, Signed
from headrace.testing.clock import HandClock, settle
from headrace.workloads.tasks.structs import Task, TaskResponse, attestation_digest
from operators.builders import (
    CHAIN,
    FORBIDDEN,
    KEYS,
    POLICY,
    TASK_MANAGER,
    Scripted,
    address_of,
    honest,
    make_member,
    make_operator,
    make_policies,
    make_task,
    until,
)
from operators.held import Held

PATIENCE_S = 3.0
TASK = make_task()
NO = Refused(code="policy_refused", text="policy 'test' says no")
ERROR = Failed(code="timeout", text="no answer within 5 s", retryable=True)
FORGED = Signed(response=honest(0, TASK).response, signature=bls.sign(KEYS[15], b"\x09" * 32))  # type: ignore[union-attr]


@asynccontextmanager
async def aggregator_of(
    *members: Member, clock: HandClock | None = None, slots_max: int = 10, scheme: Any = bls
) -> AsyncIterator[Aggregator]:
    aggregator = Aggregator(
        members,
        chain=CHAIN,
        task_manager=TASK_MANAGER,
        clock=clock or HandClock(),
        slots_max=slots_max,
        scheme=scheme,
    )
    before = asyncio.all_tasks()
    yield aggregator
    await settle()
    assert aggregator.slots_in_use == 0
    assert asyncio.all_tasks() == before, "something of a slot is left"
    assert clock is None or clock.sleeping == 0, "a timer is left"
    aggregator.close()


async def collect(aggregator: Aggregator, task: Task = TASK) -> Certificate | Refusal:
    return await aggregator.collect(task, deadline=aggregator._clock.now() + PATIENCE_S)


def answering(*answers: Answer | None, stakes: Sequence[int] | None = None) -> list[Member]:
    """Members that answer this; None: they say nothing."""
    return [
        make_member(index, Scripted(*([] if answer is None else [answer])), stake=stakes[index] if stakes else 1)
        for index, answer in enumerate(answers)
    ]


def yes(index: int, task: Task = TASK) -> Answer:
    return honest(index, task)


def errors_of(end: Certificate | Refusal | NoQuorum) -> dict[Address, str]:
    return {error.operator: error.code for error in end.operator_errors}


def verifies(certificate: Certificate, signers: Sequence[int], task: Task = TASK) -> bool:
    key = bls.aggregate_keys(KEYS[index].public_key for index in signers)
    digest = attestation_digest(
        chain=CHAIN,
        task_manager=TASK_MANAGER,
        task_hash=task.hash(),
        response_hash=certificate.response.hash(),
    )
    return bls.verify(key, digest, certificate.signature_data[:96])


async def test_a_quorum_gives_a_certificate() -> None:
    async with aggregator_of(*(make_member(index) for index in range(4))) as aggregator:
        certificate = await collect(aggregator, make_task(threshold=100))
    assert isinstance(certificate, Certificate)
    task = make_task(threshold=100)
    assert certificate.task_hash == task.hash()
    assert certificate.response_hash == certificate.response.hash()
    assert certificate.response.task_id == task.task_id
    assert certificate.reference_block == task.created_block
    assert certificate.signers == tuple(address_of(index) for index in range(4))
    assert certificate.non_signers == ()
    assert len(certificate.signature_data) == 128
    assert certificate.signature_data[96:] == bytes(32)
    assert verifies(certificate, range(4), task)


async def test_non_signers_have_their_bit_in_the_bitmap() -> None:
    members = [
        make_member(index, Scripted(yes(index)) if index not in (2, 9) else Scripted(ERROR)) for index in range(12)
    ]
    async with aggregator_of(*members) as aggregator:
        certificate = await collect(aggregator, TASK)
    assert isinstance(certificate, Certificate)
    assert {address_of(2), address_of(9)} <= set(certificate.non_signers)
    bitmap = int.from_bytes(certificate.signature_data[96:], "big")
    assert bitmap >> 2 & 1
    assert bitmap >> 9 & 1
    signers = [index for index in range(12) if not bitmap >> index & 1]
    assert certificate.signers == tuple(address_of(index) for index in signers)
    assert verifies(certificate, signers)
    assert errors_of(certificate) == {address_of(2): "timeout", address_of(9): "timeout"}


async def test_quorum_is_by_stake_exactly_at_the_threshold() -> None:
    async with aggregator_of(*answering(yes(0), ERROR, stakes=[67, 33])) as aggregator:
        assert isinstance(await collect(aggregator), Certificate)
    async with aggregator_of(*answering(yes(0), ERROR, stakes=[669, 331])) as aggregator:
        with pytest.raises(NoQuorum, match="66 % of the stake signed, 67 % must"):
            await collect(aggregator)


async def test_members_without_stake_are_neither_asked_nor_counted() -> None:
    outsider = Scripted(yes(1))
    members = [make_member(0), make_member(1, outsider, stake=0)]
    async with aggregator_of(*members) as aggregator:
        certificate = await collect(aggregator, make_task(threshold=100))
    assert isinstance(certificate, Certificate)
    assert outsider.asked == 0
    assert certificate.non_signers == ()
    assert certificate.signature_data[96:] == bytes(32)


async def test_a_bad_signature_is_found_dropped_and_named() -> None:
    clock = HandClock()
    last = Scripted()
    members = [*answering(yes(0), FORGED, yes(2)), make_member(3, last)]
    async with aggregator_of(*members, clock=clock) as aggregator:
        collecting = asyncio.create_task(collect(aggregator))
        await until(lambda: bool(aggregator.offences))  # three of four said yes, and one of them lied
        last.reply(yes(3))
        certificate = await collecting
        assert isinstance(certificate, Certificate)
        assert aggregator.offences == {(address_of(1), "bad_signature"): 1}
    assert certificate.signers == (address_of(0), address_of(2), address_of(3))
    assert errors_of(certificate) == {address_of(1): "bad_signature"}
    assert verifies(certificate, [0, 2, 3])


class ForgesOne:
    """An honest operator but for one task."""

    def __init__(self, index: int, number: int) -> None:
        self._operator, self._victim = make_operator(index), number.to_bytes(32, "big")

    async def ask(self, question: Question) -> Sequence[Answer]:
        answer = self._operator.answer(question.encoded)
        if question.task.task_id != self._victim:
            return (answer,)
        assert isinstance(answer, Signed)
        return (Signed(response=answer.response, signature=bls.sign(KEYS[9], b"\x07" * 32)),)


async def test_one_bad_signature_among_fifty_tasks_is_found_and_only_its_task_feels_it() -> None:
    members = [make_member(index, ForgesOne(index, 17 if index == 1 else 0)) for index in range(3)]
    tasks = [make_task(number, threshold=60) for number in range(1, 51)]
    async with aggregator_of(*members, slots_max=50) as aggregator:
        ends = await asyncio.gather(*(collect(aggregator, task) for task in tasks))
        assert aggregator.offences == {(address_of(1), "bad_signature"): 1}
    for task, end in zip(tasks, ends, strict=True):
        assert isinstance(end, Certificate)
        signers = [index for index in range(3) if address_of(index) in end.signers]
        assert verifies(end, signers, task)
        if task.task_id == (17).to_bytes(32, "big"):
            assert signers == [0, 2]
            assert errors_of(end) == {address_of(1): "bad_signature"}
        else:
            assert errors_of(end) == {}


async def test_many_tasks_together_take_few_checks_and_one_timer() -> None:
    """The guard of what a certificate costs: nothing but its own numbers is done for each."""
    scheme = Held()
    scheme.may_go_on.set()
    clock = HandClock()
    members = [make_member(index, ForgesOne(index, 0)) for index in range(3)]
    tasks = [make_task(number) for number in range(1, 65)]
    async with aggregator_of(*members, clock=clock, slots_max=64, scheme=scheme) as aggregator:
        before = len(asyncio.all_tasks())
        asked = [asyncio.ensure_future(collect(aggregator, task)) for task in tasks]
        await asyncio.sleep(0)
        assert clock.sleeping <= 1
        # One for each caller and each question of these in-process operators, and one for all the deadlines.
        assert len(asyncio.all_tasks()) - before <= 64 * (1 + 3) + 1
        await asyncio.gather(*asked)
    assert len(scheme.sizes) <= 4
    assert sum(scheme.sizes) == 64


async def test_bad_signatures_that_leave_no_quorum_are_no_quorum_at_once() -> None:
    malformed = Signed(response=FORGED.response, signature=b"\xff" * 96)
    async with aggregator_of(*answering(yes(0), FORGED, malformed, yes(3))) as aggregator:
        with pytest.raises(NoQuorum) as none:
            await collect(aggregator)
    assert errors_of(none.value) == {address_of(1): "bad_signature", address_of(2): "bad_signature"}


async def test_who_signs_two_responses_counts_for_neither() -> None:
    other = honest(1, TASK, make_policies(POLICY + " && true"))
    members = answering(yes(0), yes(1), yes(2), yes(3))
    members[1] = make_member(1, Scripted(yes(1), other))
    async with aggregator_of(*members) as aggregator:
        certificate = await collect(aggregator)
        assert isinstance(certificate, Certificate)
        assert aggregator.offences == {(address_of(1), "equivocation"): 1}
    assert certificate.non_signers == (address_of(1),)
    assert errors_of(certificate) == {address_of(1): "equivocation"}


async def test_the_same_answer_twice_counts_once() -> None:
    members = answering(yes(0), ERROR, ERROR)
    members[0] = make_member(0, Scripted(yes(0), yes(0), yes(0)))
    async with aggregator_of(*members) as aggregator:
        with pytest.raises(NoQuorum):
            await collect(aggregator)
        assert aggregator.offences == {}


async def test_another_response_to_a_task_that_is_asked_about_again_is_equivocation() -> None:
    changed = Scripted(yes(0))
    members = [make_member(0, changed), *answering(ERROR, ERROR, ERROR)[1:]]
    async with aggregator_of(*members) as aggregator:
        with pytest.raises(NoQuorum):
            await collect(aggregator)
        changed.reply(honest(0, TASK, make_policies(POLICY + " && true")))
        with pytest.raises(NoQuorum) as none:
            await collect(aggregator)
        assert errors_of(none.value)[address_of(0)] == "equivocation"
        changed.reply(yes(0))  # and the first one counts again
        with pytest.raises(NoQuorum) as none:
            await collect(aggregator)
        assert address_of(0) not in errors_of(none.value)


async def test_operators_that_disagree_make_no_quorum() -> None:
    other = make_policies(POLICY + " && true")
    members = answering(yes(0), yes(1), honest(2, TASK, other), honest(3, TASK, other))
    async with aggregator_of(*members) as aggregator:
        with pytest.raises(NoQuorum, match="100 % of the stake signed, 67 % must sign the same"):
            await collect(aggregator)


def response_with(**changes: object) -> bytes:
    answer = yes(0)
    assert isinstance(answer, Signed)
    response = TaskResponse.from_abi(answer.response)
    fields = {name: getattr(response, name) for name in TaskResponse.__dataclass_fields__}
    return TaskResponse(**{**fields, **changes}).abi()


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"\xff" * 288,
        response_with() + b"\0",
        response_with(task_id=b"\x99" * 32),
        response_with(policy_client=b"\x99" * 20),
        response_with(intent_hash=b"\x99" * 32),
        response_with(expire_block=100),
        response_with(evaluation_result=bytes(32)),
    ],
)
async def test_a_response_to_something_else_does_not_count(response: bytes) -> None:
    wrong = Signed(response=response, signature=bls.sign(KEYS[0], b"\x01" * 32))
    async with aggregator_of(*answering(wrong, wrong, yes(2))) as aggregator:
        with pytest.raises(NoQuorum) as none:
            await collect(aggregator)
    assert errors_of(none.value)[address_of(0)] == "wrong_response"


async def test_refusals_end_it_as_soon_as_no_quorum_is_left() -> None:
    clock = HandClock()
    silent = Scripted()
    members = [*answering(NO, NO), make_member(2, silent), make_member(3, silent)]
    async with aggregator_of(*members, clock=clock) as aggregator:
        refusal = await collect(aggregator)
    assert isinstance(refusal, Refusal)
    assert refusal.message == "policy 'test' says no"
    assert refusal.task_hash == TASK.hash()
    assert silent.given_up == 2
    first = refusal.operator_errors[0].as_json()
    assert first == {
        "operator_address": f"0x{address_of(0).hex()}",
        "operator_id": first["operator_id"],
        "error_code": "policy_refused",
        "message": "policy 'test' says no",
        "timestamp": clock.now(),
        "retryable": False,
    }


async def test_a_policy_that_forbids_the_intent_refuses() -> None:
    async with aggregator_of(*(make_member(index) for index in range(4))) as aggregator:
        refusal = await collect(aggregator, make_task(to=FORBIDDEN))
    assert isinstance(refusal, Refusal)


async def test_errors_end_it_as_soon_as_no_quorum_is_left() -> None:
    silent = Scripted()
    members = [*answering(ERROR, ERROR), make_member(2, silent), make_member(3, silent)]
    async with aggregator_of(*members) as aggregator:
        with pytest.raises(NoQuorum, match="no quorum can come any more") as none:
            await collect(aggregator)
    assert silent.given_up == 2
    assert [error["retryable"] for error in none.value.data["operator_errors"]] == [True, True]  # type: ignore[attr-defined]
    assert none.value.rpc_code == -32005


async def test_a_slow_operator_is_not_waited_for() -> None:
    slow = Scripted()
    async with aggregator_of(*answering(yes(0), yes(1), yes(2)), make_member(3, slow)) as aggregator:
        certificate = await collect(aggregator)
    assert isinstance(certificate, Certificate)
    assert certificate.non_signers == (address_of(3),)
    assert slow.given_up == 1


async def test_the_deadline_frees_the_slot_at_once() -> None:
    clock = HandClock()
    silent = [Scripted() for _ in range(4)]
    members = [make_member(index, client) for index, client in enumerate(silent)]
    async with aggregator_of(*members, clock=clock, slots_max=1) as aggregator:
        collecting = asyncio.create_task(collect(aggregator))
        await settle()
        assert aggregator.slots_in_use == 1
        with pytest.raises(TryLater, match="1 tasks are being evaluated"):
            await collect(aggregator)
        clock.advance(PATIENCE_S - 0.001)
        await settle()
        assert not collecting.done()
        clock.advance(0.001)
        with pytest.raises(NoQuorum, match="the time is over; 0 % of the stake signed"):
            await collecting
        assert aggregator.slots_in_use == 0
        assert [client.given_up for client in silent] == [1, 1, 1, 1]


async def test_an_answer_at_the_very_deadline_still_counts() -> None:
    clock = HandClock()
    late = Scripted()
    members = [*answering(yes(0), yes(1)), make_member(2, late)]
    async with aggregator_of(*members, clock=clock) as aggregator:
        collecting = asyncio.create_task(collect(aggregator))
        await settle()
        clock.advance(PATIENCE_S)
        late.reply(yes(2))
        assert isinstance(await collecting, Certificate)


async def test_a_deadline_that_has_passed_ends_it_without_an_answer() -> None:
    clock = HandClock()
    async with aggregator_of(make_member(0, Scripted()), clock=clock) as aggregator:
        with pytest.raises(NoQuorum):
            await aggregator.collect(TASK, deadline=clock.now() - 5)


async def test_a_caller_that_goes_away_leaves_nothing() -> None:
    clock = HandClock()
    silent = [Scripted() for _ in range(4)]
    members = [make_member(index, client) for index, client in enumerate(silent)]
    async with aggregator_of(*members, clock=clock) as aggregator:
        collecting = [asyncio.create_task(collect(aggregator)) for _ in range(5)]
        await settle()
        assert aggregator.slots_in_use == 5
        for one in collecting:
            one.cancel()
        await asyncio.gather(*collecting, return_exceptions=True)
        assert aggregator.slots_in_use == 0
    assert [client.given_up for client in silent] == [5, 5, 5, 5]


async def test_many_tasks_that_all_run_out_of_time_leave_nothing() -> None:
    clock = HandClock()
    members = [make_member(index, Scripted()) for index in range(4)]
    async with aggregator_of(*members, clock=clock, slots_max=200) as aggregator:
        collecting = [asyncio.create_task(collect(aggregator, make_task(number))) for number in range(1, 201)]
        await settle()
        assert aggregator.slots_in_use == 200
        clock.advance(PATIENCE_S)
        ends = await asyncio.gather(*collecting, return_exceptions=True)
        assert all(isinstance(end, NoQuorum) for end in ends)
        assert aggregator.slots_in_use == 0


async def test_a_caller_that_goes_away_while_signatures_are_checked_leaves_nothing() -> None:
    scheme = Held()
    members = [make_member(index, Scripted(yes(index))) for index in range(4)]
    async with aggregator_of(*members, scheme=scheme) as aggregator:
        collecting = asyncio.create_task(collect(aggregator))
        await until(lambda: scheme.sizes == [1])
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)
        assert aggregator.slots_in_use == 0
        scheme.may_go_on.set()
        assert isinstance(await collect(aggregator), Certificate)


async def test_new_members_count_from_their_block_on() -> None:
    async with aggregator_of(*answering(ERROR)) as aggregator:
        reference = TASK.created_block
        aggregator.replace_members([make_member(1)], BlockNumber(reference + 1))
        with pytest.raises(NoQuorum):
            await collect(aggregator)  # the contract asks those of the task's reference block
        aggregator.replace_members([make_member(1)], reference)
        assert [member.index for member in aggregator.members] == [1]
        assert isinstance(await collect(aggregator), Certificate)


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        (list, "no operator has stake"),
        (lambda: [make_member(0, stake=0)], "no operator has stake"),
        (lambda: [make_member(0), make_member(0)], "same index"),
        (lambda: [make_member(1), Member(**{**fields(make_member(2)), "address": address_of(1)})], "same address"),
        (
            lambda: [
                make_member(1),
                Member(**{**fields(make_member(2)), "public_key": make_member(1).public_key}),
            ],
            "same public key",
        ),
        (lambda: [Member(**{**fields(make_member(0)), "index": 256})], "index 256"),
        (lambda: [Member(**{**fields(make_member(0)), "public_key": bytes(256)})], "infinity"),
    ],
)
def test_members_that_make_no_quorum_are_refused(members: Callable[[], list[Member]], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Aggregator(members(), chain=CHAIN, task_manager=TASK_MANAGER, clock=HandClock())


def fields(member: Member) -> dict[str, object]:
    return {name: getattr(member, name) for name in Member.__dataclass_fields__}


OTHER_POLICIES = make_policies(POLICY + " && true")
BEHAVIOURS = ("honest", "other", "refuses", "fails", "forges", "hangs", "both")


def behave(index: int, behaviour: str, task: Task) -> Scripted:
    match behaviour:
        case "honest":
            return Scripted(yes(index, task))
        case "other":
            return Scripted(honest(index, task, OTHER_POLICIES))
        case "refuses":
            return Scripted(NO)
        case "fails":
            return Scripted(ERROR)
        case "forges":
            return Scripted(FORGED)
        case "both":
            return Scripted(yes(index, task), honest(index, task, OTHER_POLICIES))
        case _:
            return Scripted()


@given(
    operators=st.lists(
        st.tuples(st.sampled_from(BEHAVIOURS), st.integers(1, 100)), min_size=1, max_size=len(KEYS) - 1
    ),
    threshold=st.integers(1, 100),
)
@settings(max_examples=40, deadline=None)
async def test_whatever_operators_do_the_end_is_right_and_nothing_is_left(
    operators: list[tuple[str, int]], threshold: int
) -> None:
    task = make_task(threshold=threshold)
    clock = HandClock()
    stakes = [stake for _, stake in operators]
    members = [
        make_member(index, behave(index, behaviour, task), stake=stake)
        for index, (behaviour, stake) in enumerate(operators)
    ]

    def reaches(*behaviours: str) -> bool:
        stake = sum(stake for behaviour, stake in operators if behaviour in behaviours)
        return stake * 100 >= sum(stakes) * threshold

    end: Certificate | Refusal | NoQuorum
    async with aggregator_of(*members, clock=clock) as aggregator:
        collecting = asyncio.create_task(collect(aggregator, task))
        await settle()
        clock.advance(PATIENCE_S)
        try:
            end = await collecting
        except NoQuorum as none:
            end = none
    match end:
        case Certificate():
            signers = [index for index in range(len(operators)) if address_of(index) in end.signers]
            assert {operators[index][0] for index in signers} in ({"honest"}, {"other"})
            assert sum(stakes[index] for index in signers) * 100 >= sum(stakes) * threshold
            assert verifies(end, signers, task)
        case Refusal():
            assert not reaches("honest", "other", "fails", "forges", "hangs", "both")
        case NoQuorum():
            assert not reaches("honest")
            assert not reaches("other")


async def test_that_no_quorum_comes_any_more_is_told_until_one_comes() -> None:
    silent = answering(None, ERROR, ERROR, ERROR)
    async with aggregator_of(*silent) as aggregator:
        for _ in range(3):
            assert aggregator.hindrance is None
            with pytest.raises(NoQuorum):
                await collect(aggregator)
        assert "no quorum 3 times in a row" in (aggregator.hindrance or "")
        aggregator.replace_members([make_member(1)], BlockNumber(1))
        assert isinstance(await collect(aggregator), Certificate)
        assert aggregator.hindrance is None

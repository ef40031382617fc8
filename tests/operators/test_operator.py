from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace.attest import bls
from headrace.core.words import Address, BlockNumber
from headrace.operators.answers import Failed, Refused, Signed
from headrace.operators.evaluate import TRUE, Allowed, evaluate
from headrace.workloads.tasks.structs import Intent, Task, TaskResponse, attestation_digest
from operators.builders import (
    CHAIN,
    CLIENT,
    FORBIDDEN,
    KEYS,
    POLICY,
    TASK_MANAGER,
    make_operator,
    make_policies,
    make_task,
    with_,
)


def test_an_allowed_task_is_signed_for_this_chain_and_contract() -> None:
    task = make_task()
    answer = make_operator(0).answer(task.abi())
    assert isinstance(answer, Signed)
    response = TaskResponse.from_abi(answer.response)
    policy = make_policies().of(CLIENT)
    assert policy is not None
    assert response == TaskResponse(
        task_id=task.task_id,
        policy_client=CLIENT,
        policy_id=policy.policy_id,
        intent_hash=task.intent.hash(),
        evaluation_result=TRUE,
        expire_block=BlockNumber(150),
    )
    digest = attestation_digest(
        chain=CHAIN, task_manager=TASK_MANAGER, task_hash=task.hash(), response_hash=response.hash()
    )
    assert bls.verify(KEYS[0].public_key, digest, answer.signature)


def test_operators_with_the_same_policy_give_the_same_response() -> None:
    task = make_task().abi()
    answers = [make_operator(index).answer(task) for index in range(3)]
    assert len({answer.response for answer in answers if isinstance(answer, Signed)}) == 1


def test_what_the_policy_forbids_is_refused_with_its_name() -> None:
    refused = make_operator(0).answer(make_task(to=FORBIDDEN).abi())
    assert refused == Refused(code="policy_refused", text="policy 'test' says no")


def test_a_policy_without_an_answer_refuses_with_the_reason() -> None:
    operator = make_operator(0, make_policies("args.limit.of.a.kind == 1"))
    answer = operator.answer(make_task().abi())
    assert isinstance(answer, Refused)
    assert answer.code == "policy_error"
    assert "has no answer" in answer.text


def test_an_answer_near_the_end_of_block_numbers_stays_a_block_number() -> None:
    policy = make_policies(expire_after_blocks=1_000_000).of(CLIENT)
    assert policy is not None
    allowed = evaluate(with_(make_task(), created_block=BlockNumber(2**32 - 5)), policy)
    assert isinstance(allowed, Allowed)
    assert allowed.response.expire_block == 2**32 - 1
    assert allowed.response.abi()


def changed_intent(task: Task, **changes: object) -> Intent:
    intent = task.intent
    fields = {name: getattr(intent, name) for name in Intent.__dataclass_fields__}
    return Intent(**{**fields, **changes})


TASK = make_task()


@pytest.mark.parametrize(
    ("task", "code", "text"),
    [
        (with_(TASK, task_id=bytes(32)), "invalid_task", "task_id is zero"),
        (with_(TASK, intent=changed_intent(TASK, from_=bytes(20))), "invalid_task", "intent.from"),
        (with_(TASK, intent=changed_intent(TASK, to=bytes(20))), "invalid_task", "intent.to"),
        (with_(TASK, quorum_numbers=b"\x01"), "invalid_task", "quorum_numbers is 0x01"),
        (with_(TASK, quorum_numbers=b""), "invalid_task", "quorum_numbers is 0x,"),
        (with_(TASK, threshold_percent=0), "invalid_task", "threshold is 0 %"),
        (with_(TASK, threshold_percent=101), "invalid_task", "threshold is 101 %"),
        (with_(TASK, created_block=0), "invalid_task", "created_block is 0"),
        (with_(TASK, policy_client=b"\x55" * 20), "unknown_policy_client", "0x5555"),
        (with_(TASK, wasm_args=bytes(70_000)), "task_too_large", "at most"),
    ],
)
def test_a_task_that_could_never_land_is_not_signed(task: Task, code: str, text: str) -> None:
    answer = make_operator(0).answer(task.abi())
    assert isinstance(answer, Failed)
    assert (answer.code, answer.retryable) == (code, False)
    assert text in answer.text


@pytest.mark.parametrize("encoded", [b"", b"\xff" * 2000, make_task().abi()[:300], b"not a task"])
def test_bytes_that_are_no_task_are_said_to_be_none(encoded: bytes) -> None:
    answer = make_operator(0).answer(encoded)
    assert isinstance(answer, Failed)
    assert answer.code == "malformed_task"


def test_a_task_asked_about_again_is_signed_again() -> None:
    operator = make_operator(0)
    assert operator.answer(make_task().abi()) == operator.answer(make_task().abi())


def test_two_tasks_under_one_id_are_never_both_signed() -> None:
    operator = make_operator(0)
    assert isinstance(operator.answer(make_task(value=5).abi()), Signed)
    other = operator.answer(make_task(value=6).abi())
    assert isinstance(other, Failed)
    assert other.code == "signed_otherwise"


def test_a_changed_policy_does_not_make_it_sign_two_responses() -> None:
    operator = make_operator(0)
    assert isinstance(operator.answer(make_task().abi()), Signed)
    operator.policies = make_policies(POLICY + " && true")
    other = operator.answer(make_task().abi())
    assert isinstance(other, Failed)
    assert other.code == "signed_otherwise"


def test_threads_that_ask_at_once_get_one_response_a_task() -> None:
    operator = make_operator(0)
    tasks = [make_task(value=value).abi() for value in range(16)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(operator.answer, tasks))
    assert sum(isinstance(answer, Signed) for answer in answers) == 1


def test_its_memory_is_bounded() -> None:
    operator = make_operator(0, remembered_max=3)
    for number in range(1, 10):
        operator.answer(make_task(number).abi())
    assert len(operator._signed) == 3
    assert isinstance(operator.answer(make_task(9, value=6).abi()), Failed)
    assert isinstance(operator.answer(make_task(1, value=6).abi()), Signed)


def test_its_key_is_not_in_its_repr() -> None:
    assert repr(make_operator(3)) == f"Operator(0x{Address(bytes([0xEE] * 19 + [3])).hex()})"

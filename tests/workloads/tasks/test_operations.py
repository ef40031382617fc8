from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.operation import Operation
from headrace.core.words import BlockNumber, ChainId, OperationId
from headrace.testing.builders import CHAIN, Builder
from headrace.workloads.tasks.operations import Windows, operation_of, recording
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, KINDS, RESPOND

MADE = Builder(2)
TASK = MADE.task(created_block=100)
RESPONSE = MADE.response(TASK, expire_block=10_000)
SIGNATURE = MADE.signature_data()
WINDOWS = Windows(creation=64, response=128)


def operation(kind: str = CREATE_AND_RESPOND, **changes: Any) -> Operation:
    creates_only = kind == CREATE
    parts: dict[str, Any] = {
        "id": OperationId("one"),
        "chain": CHAIN,
        "kind": kind,
        "task": TASK,
        "response": None if creates_only else RESPONSE,
        "signature_data": b"" if creates_only else SIGNATURE,
        "windows": WINDOWS,
        "received_at": 5.0,
    }
    return operation_of(**(parts | changes))


def test_an_operation_travels_as_its_kind_and_shows_under_its_task_id() -> None:
    for kind in KINDS:
        made = operation(kind)
        assert (made.kind, made.form, made.subject, made.workload) == (kind, kind, TASK.task_id, "tasks")


def test_asking_the_same_again_is_the_same_whoever_signed() -> None:
    other_signers = MADE.signature_data()
    assert operation(signature_data=other_signers).content == operation().content
    assert operation(id=OperationId("two"), received_at=9.0).content == operation().content


@pytest.mark.parametrize(
    "changes",
    [
        {"task": replace(TASK, timestamp=1)},
        {"response": replace(RESPONSE, evaluation_result=b"\x00")},
        {"chain": ChainId(1)},
        {"kind": RESPOND},
        {"after": OperationId("another")},
        {"deadline": 99.0},
    ],
)
def test_asking_for_something_else_is_something_else(changes: dict[str, Any]) -> None:
    assert operation(**changes).content != operation().content


@pytest.mark.parametrize(
    ("kind", "expires", "last"),
    [
        (CREATE, 110, 164),  # TaskManager: block.number - created <= 64
        (RESPOND, 10_000, 227),  # and block.number < created + 128
        (RESPOND, 150, 150),  # and block.number <= expireBlock
        (CREATE_AND_RESPOND, 10_000, 164),
        (CREATE_AND_RESPOND, 110, 110),
    ],
)
def test_the_last_block_is_the_earliest_of_the_contracts_windows(kind: str, expires: int, last: int) -> None:
    response = None if kind == CREATE else replace(RESPONSE, expire_block=BlockNumber(expires))
    assert operation(kind, response=response).deadline_block == last


def record(mode: str) -> tuple[Operation, ...]:
    return recording(
        mode,
        id=OperationId("mine"),
        chain=CHAIN,
        task=TASK,
        response=RESPONSE,
        signature_data=SIGNATURE,
        windows=WINDOWS,
        respond_wait_s=60,
        received_at=5.0,
        now=7.0,
    )


def test_combined_recording_is_one_operation() -> None:
    (one,) = record("combined")
    assert (one.id, one.kind, one.after) == ("mine", CREATE_AND_RESPOND, None)


def test_separate_recording_is_a_create_and_a_respond_that_waits_for_it_under_the_callers_id() -> None:
    create, respond = record("separate")
    assert (create.kind, create.after, create.wait_until) == (CREATE, None, None)
    assert (respond.id, respond.kind, respond.after, respond.wait_until) == ("mine", RESPOND, create.id, 67.0)


@given(st.sampled_from(["combined", "separate"]))
def test_recording_the_same_twice_is_the_same(mode: str) -> None:
    assert record(mode) == record(mode)

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from headrace.core.errors import FixTheRequest
from headrace.core.words import Address
from headrace.testing.builders import Builder
from headrace.workloads.tasks.payload import (
    CLIENT_BYTES_MAX,
    CREATE,
    CREATE_AND_RESPOND,
    RESPOND,
    Payload,
    payload_of,
)
from headrace.workloads.tasks.structs import Task, TaskResponse
from workloads.tasks.making import responses, tasks

MADE = Builder(1)
TASK = MADE.task()
RESPONSE = MADE.response(TASK)
SIGNATURE = MADE.signature_data()


@given(tasks, responses)
def test_it_survives_the_store(task: Task, response: TaskResponse) -> None:
    payload = Payload(task.abi(), response.abi(), b"signature")
    assert Payload.unpack(payload.pack()) == payload
    assert payload.task_hash() == task.hash()
    assert payload.response_hash() == response.hash()


def test_a_create_carries_a_task_only() -> None:
    assert payload_of(CREATE, TASK, None, b"") == Payload(TASK.abi(), b"", b"")


@pytest.mark.parametrize("kind", [RESPOND, CREATE_AND_RESPOND])
def test_the_others_carry_all_three(kind: str) -> None:
    assert payload_of(kind, TASK, RESPONSE, SIGNATURE) == Payload(TASK.abi(), RESPONSE.abi(), SIGNATURE)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("kind", {"kind": "delete"}),
        ("response", {"kind": CREATE}),
        ("response", {"kind": CREATE, "response": None}),
        ("response", {"response": None}),
        ("response.task_id", {"response": replace(RESPONSE, task_id=bytes(32))}),
        ("response.policy_client", {"response": replace(RESPONSE, policy_client=Address(bytes(20)))}),
        ("response.intent_hash", {"response": replace(RESPONSE, intent_hash=bytes(32))}),
        ("signature_data", {"signature_data": SIGNATURE[:-1]}),
        ("signature_data", {"signature_data": b""}),
        ("task", {"task": replace(TASK, wasm_args=bytes(CLIENT_BYTES_MAX))}),
    ],
)
def test_parts_that_make_no_operation_are_refused_by_the_name_of_the_field(
    field: str, changes: dict[str, Any]
) -> None:
    parts = {"kind": RESPOND, "task": TASK, "response": RESPONSE, "signature_data": SIGNATURE} | changes
    with pytest.raises(FixTheRequest) as refused:
        payload_of(**parts)
    assert refused.value.data["field"] == field
    assert refused.value.message.startswith(f"{field}:")


def test_as_many_client_bytes_as_are_allowed_are_allowed() -> None:
    intent = replace(TASK.intent, data=b"", function_signature=b"")
    task = replace(TASK, intent=intent, intent_signature=b"", wasm_args=bytes(CLIENT_BYTES_MAX))
    assert payload_of(CREATE, task, None, b"")

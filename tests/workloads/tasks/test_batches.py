import json
from importlib.resources import files

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from headrace.workloads.tasks.batches import SINGLE, STRICT, TRY, batch_calldata, item_bytes, single_calldata
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, KINDS, RESPOND, Payload
from headrace.workloads.tasks.structs import Task, TaskResponse
from workloads.tasks.making import responses, tasks
from workloads.tasks.test_structs import RESPONSE, TASK, response_fields, task_fields

Item = tuple[Task, TaskResponse, bytes]
items = st.tuples(tasks, responses, st.binary(max_size=130))


def payload(item: Item) -> Payload:
    task, response, signature_data = item
    return Payload(task.abi(), response.abi(), signature_data)


def arguments(form: str, several: list[Item]) -> bytes:
    """By eth-abi, from the values themselves."""
    all_tasks = [task_fields(task) for task, _, _ in several]
    if form == CREATE:
        return encode([f"{TASK}[]"], [all_tasks])
    all_responses = [response_fields(response) for _, response, _ in several]
    return encode(
        [f"{TASK}[]", f"{RESPONSE}[]", "bytes[]"], [all_tasks, all_responses, [s for _, _, s in several]]
    )


@given(st.lists(items, max_size=5), st.sampled_from(KINDS), st.booleans())
def test_a_batch_is_byte_for_byte_what_eth_abi_gives(several: list[Item], form: str, strict: bool) -> None:
    data = batch_calldata(form, [payload(item) for item in several], strict=strict)
    assert data[:4] == (STRICT if strict else TRY)[form]
    assert data[4:] == arguments(form, several)


@given(items)
def test_a_single_call_is_byte_for_byte_what_eth_abi_gives(item: Item) -> None:
    task, response, signature_data = item
    three = encode([TASK, RESPONSE, "bytes"], [task_fields(task), response_fields(response), signature_data])
    assert single_calldata(CREATE, payload(item)) == SINGLE[CREATE] + encode([TASK], [task_fields(task)])
    assert single_calldata(RESPOND, payload(item)) == SINGLE[RESPOND] + three
    assert single_calldata(CREATE_AND_RESPOND, payload(item)) == SINGLE[CREATE_AND_RESPOND] + three


@given(st.lists(items, max_size=4), items, st.sampled_from(KINDS))
def test_an_items_size_is_what_it_adds_to_its_batch(several: list[Item], one: Item, form: str) -> None:
    without = batch_calldata(form, [payload(item) for item in several], strict=True)
    with_it = batch_calldata(form, [payload(item) for item in [*several, one]], strict=True)
    assert len(with_it) - len(without) == item_bytes(form, payload(one))


def selectors_of(contract: str) -> dict[str, str]:
    artifact = json.loads((files("headrace.chain") / "artifacts" / f"{contract}.json").read_text())

    def type_of(argument: dict[str, object]) -> str:
        kind = str(argument["type"])
        parts = argument.get("components")
        assert parts is None or isinstance(parts, list)
        return kind if parts is None else f"({','.join(map(type_of, parts))}){kind.removeprefix('tuple')}"

    signatures = {
        entry["name"]: f"{entry['name']}({','.join(type_of(i) for i in entry['inputs'])})"
        for entry in artifact["abi"]
        if entry["type"] == "function"
    }
    return {name: keccak(text=signature)[:4].hex() for name, signature in signatures.items()}


@pytest.mark.parametrize(
    ("contract", "form", "ours", "function"),
    [
        ("BatchTaskManager", CREATE, STRICT, "batchCreateTasks"),
        ("BatchTaskManager", RESPOND, STRICT, "batchRespondToTasks"),
        ("BatchTaskManager", CREATE_AND_RESPOND, STRICT, "batchCreateAndRespondToTasks"),
        ("BatchTaskManager", CREATE, TRY, "tryBatchCreateTasks"),
        ("BatchTaskManager", RESPOND, TRY, "tryBatchRespondToTasks"),
        ("BatchTaskManager", CREATE_AND_RESPOND, TRY, "tryBatchCreateAndRespondToTasks"),
        ("TaskManager", CREATE, SINGLE, "createNewTask"),
        ("TaskManager", RESPOND, SINGLE, "respondToTask"),
        ("TaskManager", CREATE_AND_RESPOND, SINGLE, "createAndRespondToTask"),
    ],
)
def test_the_compiled_contracts_have_these_functions(
    contract: str, form: str, ours: dict[str, bytes], function: str
) -> None:
    assert ours[form].hex() == selectors_of(contract)[function]

"""What is read from JSON and written to it means the same on both sides."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.api.task_forms import TaskForms, read_response, response_form, task_form
from headrace.api.wire import jsonable, read_address, read_data, read_quantity, read_seconds, shown
from headrace.core.words import Address, BlockNumber, ChainId
from headrace.workloads.tasks.structs import Intent, Task, TaskResponse

FORMS = TaskForms(quorums=b"\0", threshold_percent=67)

addresses = st.binary(min_size=20, max_size=20).filter(any).map(Address)
words = st.binary(min_size=32, max_size=32)
uint32 = st.integers(1, 2**32 - 1)
uint256 = st.integers(0, 2**256 - 1)
short = st.binary(max_size=200)
intents = st.builds(
    Intent,
    from_=addresses,
    to=addresses,
    value=uint256,
    data=short,
    chain=st.integers(1, 2**256 - 1).map(ChainId),
    function_signature=short,
)
tasks = st.builds(
    Task,
    task_id=words.filter(any),
    policy_client=addresses,
    created_block=uint32.map(BlockNumber),
    threshold_percent=st.integers(1, 100),
    intent=intents,
    intent_signature=short,
    wasm_args=short,
    quorum_numbers=st.just(b"\0"),
    timestamp=uint256,
)
responses = st.builds(
    TaskResponse,
    task_id=words,
    policy_client=addresses,
    policy_id=words,
    intent_hash=words,
    evaluation_result=short,
    expire_block=uint32.map(BlockNumber),
)


def in_camel_case(value: object) -> object:
    if not isinstance(value, dict):
        return value
    camel = {}
    for name, inner in value.items():
        first, *rest = name.split("_")
        camel[first + "".join(word.capitalize() for word in rest)] = in_camel_case(inner)
    return camel


@given(tasks)
def test_a_task_that_is_written_is_read_as_the_same_task(task: Task) -> None:
    form = json.loads(json.dumps(task_form(task), default=dict))
    assert FORMS.read_task(form, "task") == FORMS.read_task(in_camel_case(form), "task") == task


@given(responses)
def test_a_response_that_is_written_is_read_as_the_same_response(response: TaskResponse) -> None:
    form = json.loads(json.dumps(response_form(response)))
    assert read_response(form, "r") == read_response(in_camel_case(form), "r") == response


@given(uint256)
def test_a_quantity_is_read_in_each_of_its_forms(number: int) -> None:
    for form in (number, str(number), hex(number), hex(number).upper().replace("X", "x")):
        assert read_quantity(form, "x") == number


def test_an_address_in_mixed_case_is_held_to_its_checksum() -> None:
    right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # an example of EIP-55
    expected = bytes.fromhex(right[2:])
    assert read_address(right, "x") == read_address(right.lower(), "x") == expected
    assert read_address("0x" + right[2:].upper(), "x") == expected
    with pytest.raises(Exception, match="checksum"):
        read_address(right.replace("aAeb", "aaeb"), "x")
    assert read_address("0x" + "00" * 20, "x", zero_ok=True) == bytes(20)


def test_data_comes_with_or_without_its_prefix_where_the_sdk_strips_it() -> None:
    assert read_data("0x", "x") == read_data("", "x", bare=True) == b""
    assert read_data("0xAb", "x") == read_data("aB", "x", bare=True) == b"\xab"


@pytest.mark.parametrize("value", [1, 0.001, 120, 119.9])
def test_seconds_are_whole_or_not(value: float) -> None:
    assert read_seconds(value, "x", most=120) == value


@pytest.mark.parametrize("value", [None, True, 5, 1.5, "a" * 10_000, {"a": 1}, [1], 10**4000])
def test_whatever_came_is_shown_short(value: object) -> None:
    assert 0 < len(shown(value)) <= 82


def test_bytes_become_hex_wherever_they_are() -> None:
    assert jsonable({"a": [b"\x01", (b"", None)], "b": {1: 2**70}}) == {
        "a": ["0x01", ["0x", None]],
        "b": {"1": 2**70},
    }

"""Our own encoding against eth-abi's: the same bytes for every value, the same values or refusal for all bytes."""

from collections.abc import Callable
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.core.words import Address
from headrace.testing.builders import Builder
from headrace.workloads.tasks.structs import Intent, Task, TaskResponse
from workloads.tasks.making import intents, responses, tasks
from workloads.tasks.test_structs import INTENT, RESPONSE, TASK, intent_fields, response_fields, task_fields

Struct = Task | TaskResponse
MADE = Builder(1)
A_TASK = MADE.task()
A_RESPONSE = MADE.response(A_TASK)

any_bytes = st.binary(max_size=40)
any_int = st.integers(-(2**257), 2**257) | st.sampled_from([-1, 0, 2**32 - 1, 2**32, 2**256 - 1, 2**256])


def outcome(make: Callable[[], object]) -> object:
    """What came of it: a value, or the kind of error and its words."""
    try:
        return make()
    except Exception as error:
        return type(error), str(error)


def changed(struct: Any, **changes: Any) -> Any:
    return type(struct)(**{name: getattr(struct, name) for name in struct.__dataclass_fields__} | changes)


# ---- Writing


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 1024])
def test_parts_of_any_length_end_at_whole_words_as_in_eth_abi(length: int) -> None:
    some = bytes(range(256)) * 4
    intent = changed(A_TASK.intent, data=some[:length], function_signature=some[: length // 2])
    task = changed(A_TASK, intent=intent, wasm_args=some[:length], quorum_numbers=some[:length])
    assert task.abi() == encode([TASK], [task_fields(task)])
    assert intent.abi() == encode([INTENT], [intent_fields(intent)])


@given(intents, any_bytes, any_bytes, any_int, any_int)
def test_an_intent_that_does_not_fit_is_refused_or_padded_as_by_eth_abi(
    intent: Intent, from_: bytes, to: bytes, value: int, chain: int
) -> None:
    for odd in (
        changed(intent, from_=from_),
        changed(intent, to=to),
        changed(intent, value=value),
        changed(intent, chain=chain),
        changed(intent, value=None),
        changed(intent, data="text"),
    ):
        assert outcome(odd.abi) == outcome(lambda odd=odd: encode([INTENT], [intent_fields(odd)]))


@given(tasks, any_bytes, any_bytes, any_int, any_int)
def test_a_task_that_does_not_fit_is_refused_or_padded_as_by_eth_abi(
    task: Task, word: bytes, address: bytes, small: int, large: int
) -> None:
    for odd in (
        changed(task, task_id=word),
        changed(task, policy_client=address),
        changed(task, created_block=small),
        changed(task, threshold_percent=small),
        changed(task, timestamp=large),
        changed(task, timestamp=1.5),
        changed(task, intent=changed(task.intent, from_=Address(address))),
    ):
        assert outcome(odd.abi) == outcome(lambda odd=odd: encode([TASK], [task_fields(odd)]))


@given(responses, any_bytes, any_bytes, any_int)
def test_a_response_that_does_not_fit_is_refused_or_padded_as_by_eth_abi(
    response: TaskResponse, word: bytes, address: bytes, small: int
) -> None:
    for odd in (
        changed(response, task_id=word),
        changed(response, policy_id=word),
        changed(response, intent_hash=word),
        changed(response, policy_client=address),
        changed(response, expire_block=small),
    ):
        assert outcome(odd.abi) == outcome(lambda odd=odd: encode([RESPONSE], [response_fields(odd)]))


# ---- Reading


def as_eth_abi_reads(kind: type[Struct], encoded: bytes) -> object:
    def read() -> object:
        (fields,) = decode([TASK if kind is Task else RESPONSE], encoded)
        return _bytes_for_addresses(fields)

    return outcome(read)


def as_we_read(kind: type[Struct], encoded: bytes) -> object:
    def read() -> object:
        read = kind.from_abi(encoded)
        return task_fields(read) if isinstance(read, Task) else response_fields(read)

    return outcome(read)


def _bytes_for_addresses(fields: Any) -> Any:
    if isinstance(fields, tuple):
        return tuple(_bytes_for_addresses(field) for field in fields)
    return bytes.fromhex(fields[2:]) if isinstance(fields, str) else fields


@st.composite
def spoilt(draw: st.DrawFn, plain: bytes) -> bytes:
    """An encoding that was changed somewhere, cut short, or made longer."""
    data = bytearray(plain)
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    end = draw(st.just(len(data)) | st.integers(0, len(data)))
    return bytes(data[:end]) + draw(st.just(b"") | st.binary(max_size=70))


@given(spoilt(A_TASK.abi()))
@example(A_TASK.abi())
@example(A_TASK.abi() + bytes(32))
def test_a_spoilt_task_is_read_or_refused_as_by_eth_abi(encoded: bytes) -> None:
    assert as_we_read(Task, encoded) == as_eth_abi_reads(Task, encoded)


@given(spoilt(A_RESPONSE.abi()))
@example(A_RESPONSE.abi())
@example(A_RESPONSE.abi() + bytes(32))
def test_a_spoilt_response_is_read_or_refused_as_by_eth_abi(encoded: bytes) -> None:
    assert as_we_read(TaskResponse, encoded) == as_eth_abi_reads(TaskResponse, encoded)


@pytest.mark.parametrize("kind", [Task, TaskResponse])
def test_every_word_is_held_to_eth_abis_rules_at_its_edges(kind: type[Struct]) -> None:
    plain = (A_TASK if kind is Task else A_RESPONSE).abi()
    for at in range(0, len(plain), 32):
        for word in (bytes(32), b"\xff" * 32, bytes(31) + b"\x01", b"\x80" + bytes(31), len(plain).to_bytes(32)):
            encoded = plain[:at] + word + plain[at + 32 :]
            assert as_we_read(kind, encoded) == as_eth_abi_reads(kind, encoded), (at, word.hex())


@given(st.binary(max_size=700))
def test_any_bytes_are_read_or_refused_as_by_eth_abi(encoded: bytes) -> None:
    assert as_we_read(Task, encoded) == as_eth_abi_reads(Task, encoded)
    assert as_we_read(TaskResponse, encoded) == as_eth_abi_reads(TaskResponse, encoded)


def test_parts_in_another_order_are_read_as_by_eth_abi_and_encode_to_their_plain_form() -> None:
    """No encoder writes it, but it is the same response: its part stands behind a gap of one word."""
    plain = A_RESPONSE.abi()
    moved = plain[:160] + (224).to_bytes(32) + plain[192:224] + bytes(32) + plain[224:]
    read = TaskResponse.from_abi(moved)
    assert read == A_RESPONSE
    assert read.abi() == plain

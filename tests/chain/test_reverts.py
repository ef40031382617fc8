"""Revert data, decoded by selector and arguments."""

import pytest
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.chain.abi import Abi
from headrace.chain.artifacts import load
from headrace.chain.reverts import PANICS, Errors
from headrace.core.words import Revert, Selector

ALREADY_EXISTS = bytes.fromhex("2e98c533")
PARTIAL_FAILURE = bytes.fromhex("19ed9977")
HASH = b"\xab" * 32

errors = Errors.of(load("TaskManager").abi, load("BatchTaskManager").abi)


def fresh() -> Errors:
    return Errors.of(load("TaskManager").abi, load("BatchTaskManager").abi)


def test_a_custom_error_has_its_name_and_arguments() -> None:
    revert = errors.decode(ALREADY_EXISTS + HASH)
    assert revert == Revert(ALREADY_EXISTS + HASH, "TaskAlreadyExists", {"existingTaskHash": "0x" + "ab" * 32})


def test_structs_in_arrays_become_objects_in_lists() -> None:
    inner = ALREADY_EXISTS + HASH
    data = PARTIAL_FAILURE + encode(["(uint256,bytes32,bytes)[]"], [[(0, HASH, inner), (5, b"\x01" * 32, b"")]])
    revert = errors.decode(data)
    assert revert.name == "BatchPartialFailure"
    assert revert.args == {
        "failures": [
            {"index": 0, "taskId": "0x" + "ab" * 32, "reason": "0x" + inner.hex()},
            {"index": 5, "taskId": "0x" + "01" * 32, "reason": "0x"},
        ]
    }


def test_error_and_panic_are_known_without_any_abi() -> None:
    plain = Errors.of()
    error = plain.decode(bytes.fromhex("08c379a0") + encode(["string"], ["not yours"]))
    assert (error.name, error.args) == ("Error", {"message": "not yours"})
    panic = plain.decode(bytes.fromhex("4e487b71") + encode(["uint256"], [0x11]))
    assert (panic.name, panic.args) == ("Panic", {"code": 0x11, "meaning": PANICS[0x11]})
    strange = plain.decode(bytes.fromhex("4e487b71") + encode(["uint256"], [2**200]))
    assert strange.args == {"code": 2**200, "meaning": "unknown panic code"}


def test_a_string_that_is_not_utf_8_is_still_read() -> None:
    revert = errors.decode(bytes.fromhex("08c379a0") + encode(["bytes"], [b"bad \xff byte"]))
    assert revert.args == {"message": "bad \ufffd byte"}


def test_addresses_have_their_checksum() -> None:
    abi = Abi([{"type": "error", "name": "NotOwner", "inputs": [{"name": "", "type": "address"}]}])
    data = abi.errors[0].selector + encode(["address"], ["0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"])
    assert Errors.of(abi).decode(data).args == {"arg0": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"}


def test_unknown_reverts_stay_raw_and_are_counted() -> None:
    registry = fresh()
    for _ in range(3):
        assert registry.decode(b"\xde\xad\xbe\xef" + HASH) == Revert(b"\xde\xad\xbe\xef" + HASH)
    registry.decode(b"\x01\x02")
    assert registry.unknown == {Selector(b"\xde\xad\xbe\xef"): 3, Selector(b""): 1}


def test_empty_data_is_no_unknown_error() -> None:
    registry = fresh()
    assert registry.decode(b"") == Revert(b"")
    assert registry.unknown == {}


@pytest.mark.parametrize("cut", [0, 1, 31])
def test_malformed_data_under_a_known_selector_stays_raw_and_is_counted(cut: int) -> None:
    registry = fresh()
    data = ALREADY_EXISTS + HASH[:cut]
    assert registry.decode(data) == Revert(data)
    assert registry.unknown == {Selector(ALREADY_EXISTS): 1}


def test_the_count_of_unknown_ones_is_bounded() -> None:
    registry = fresh()
    for number in range(1_000):
        registry.decode(b"\xee\xee" + number.to_bytes(2))
    assert len(registry.unknown) <= 257
    assert sum(registry.unknown.values()) == 1_000


def test_many_pointers_to_one_long_tail_do_not_blow_up() -> None:
    # 800 items that all point to the same 60,000 bytes: 100 KB that would become 48 MB.
    count, tail = 800, 60_000
    head = (32).to_bytes(32) + count.to_bytes(32) + (count * 32).to_bytes(32) * count
    item = (0).to_bytes(32) + HASH + (96).to_bytes(32) + tail.to_bytes(32) + b"\x01" * tail
    registry = fresh()
    assert registry.decode(PARTIAL_FAILURE + head + item).name is None
    assert registry.unknown == {Selector(PARTIAL_FAILURE): 1}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([e.selector for e in (*load("TaskManager").abi.errors, *load("BatchTaskManager").abi.errors)]),
    st.binary(max_size=400),
)
def test_no_data_makes_it_raise(selector: bytes, rest: bytes) -> None:
    assert errors.decode(selector + rest).data == selector + rest


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 2**256 - 1), max_size=12))
def test_no_words_make_a_batch_failure_raise(words: list[int]) -> None:
    errors.decode(PARTIAL_FAILURE + b"".join(word.to_bytes(32) for word in words))


def test_two_errors_with_one_selector_are_refused() -> None:
    # A known pair: both have the selector 0x42966c68.
    one = Abi([{"type": "error", "name": "burn", "inputs": [{"name": "", "type": "uint256"}]}], name="One")
    other = Abi(
        [{"type": "error", "name": "collate_propagate_storage", "inputs": [{"name": "", "type": "bytes16"}]}]
    )
    with pytest.raises(ValueError, match="cannot be told apart"):
        Errors.of(one, other)
    assert Errors.of(one, one).decode(one.errors[0].selector + HASH).name == "burn"

"""Functions, events and constructors from an ABI, checked against eth-abi and known selectors."""

import pytest
from eth_abi import encode

from headrace.chain.abi import Abi
from headrace.chain.abi_codec import Undecodable
from headrace.chain.artifacts import load
from headrace.chain.hexes import keccak
from headrace.core.words import Address, Log

ALICE, BOB = Address(b"\xaa" * 20), Address(b"\xbb" * 20)
ERC20 = Abi(
    [
        {
            "type": "function",
            "name": "transfer",
            "inputs": [{"name": "to", "type": "address"}, {"name": "value", "type": "uint256"}],
            "outputs": [{"name": "", "type": "bool"}],
        },
        {
            "type": "event",
            "name": "Transfer",
            "inputs": [
                {"name": "from", "type": "address", "indexed": True},
                {"name": "to", "type": "address", "indexed": True},
                {"name": "value", "type": "uint256", "indexed": False},
            ],
        },
        {"type": "event", "name": "Named", "inputs": [{"name": "who", "type": "string", "indexed": True}]},
        {"type": "constructor", "inputs": [{"name": "owner", "type": "address"}]},
        {"type": "receive"},
        {"type": "function", "name": "f", "inputs": [], "outputs": []},
        {"type": "function", "name": "f", "inputs": [{"name": "", "type": "uint8"}], "outputs": []},
    ],
    name="Token",
)


def test_calldata_is_selector_and_arguments() -> None:
    transfer = ERC20.function("transfer")
    assert transfer.selector.hex() == "a9059cbb"
    assert transfer.encode(BOB, 5) == transfer.selector + encode(["address", "uint256"], [BOB, 5])
    assert transfer.decode_input(transfer.encode(BOB, 5)) == (BOB, 5)


def test_addresses_are_bytes_on_the_way_back_too() -> None:
    assert ERC20.function("transfer").decode_output((1).to_bytes(32)) == (True,)
    abi = Abi([{"type": "function", "name": "o", "inputs": [], "outputs": [{"name": "", "type": "address[]"}]}])
    answer = encode(["address[]"], [["0x" + "aa" * 20]])
    assert abi.function("o").decode_output(answer) == ((ALICE,),)


def test_events_are_read_by_name_from_topics_and_data() -> None:
    event = ERC20.event("Transfer")
    assert event.topic.hex().startswith("ddf252ad")
    log = Log(BOB, (event.topic, bytes(12) + ALICE, bytes(12) + BOB), (9).to_bytes(32))
    assert event.matches(log)
    assert event.decode(log) == {"from": ALICE, "to": BOB, "value": 9}


def test_an_indexed_string_is_its_hash() -> None:
    event = ERC20.event("Named")
    log = Log(BOB, (event.topic, keccak(b"alice")), b"")
    assert event.decode(log) == {"who": keccak(b"alice")}


def test_a_log_of_something_else_is_undecodable() -> None:
    event = ERC20.event("Transfer")
    for log in (Log(BOB, (), b""), Log(BOB, (b"\x00" * 32,), b""), Log(BOB, (event.topic,), (9).to_bytes(32))):
        with pytest.raises(Undecodable, match="Transfer"):
            event.decode(log)
    short = Log(BOB, (event.topic, bytes(12) + ALICE, bytes(12) + BOB), b"\x01")
    with pytest.raises(Undecodable, match="Transfer"):
        event.decode(short)


def test_arguments_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"transfer\(address,uint256\) takes 2 arguments, not 1"):
        ERC20.function("transfer").encode(BOB)
    with pytest.raises(ValueError, match=r"argument 1 \(value\): -1 is not a uint256"):
        ERC20.function("transfer").encode(BOB, -1)
    with pytest.raises(ValueError, match=r"argument 0 \(to\)"):
        ERC20.function("transfer").encode(b"\x01" * 19, 1)


def test_an_overloaded_name_needs_its_signature() -> None:
    with pytest.raises(KeyError, match=r"f\(uint8\)"):
        ERC20.function("f")
    assert ERC20.function("f(uint8)").encode(3)[4:] == (3).to_bytes(32)
    with pytest.raises(KeyError, match="Token has no event Gone"):
        ERC20.event("Gone")


def test_the_constructor_s_arguments_are_encoded() -> None:
    assert ERC20.encode_constructor(ALICE) == bytes(12) + ALICE


def test_our_contracts_have_the_names_and_selectors_of_the_surface() -> None:
    manager, batch = load("TaskManager").abi, load("BatchTaskManager").abi
    assert manager.event("NewTaskCreated").signature == "NewTaskCreated(bytes32,bytes32,address)"
    assert manager.event("TaskResponded").signature == "TaskResponded(bytes32,bytes32)"
    selectors = {error.name: error.selector.hex() for abi in (manager, batch) for error in abi.errors}
    assert selectors["TaskAlreadyExists"] == "2e98c533"
    assert selectors["TaskAlreadyResponded"] == "68905dff"
    assert selectors["BatchPartialFailure"] == "19ed9977"
    create = batch.function("batchCreateTasks")
    assert create.inputs[0].type == (
        "(bytes32,address,uint32,uint32,(address,address,uint256,bytes,uint256,bytes),bytes,bytes,bytes,uint256)[]"
    )


@pytest.mark.parametrize(
    "entries",
    [
        ["x"],
        [{"type": "function"}],
        [{"type": "wish", "name": "x"}],
        [{"type": "error", "name": "E", "inputs": "no"}],
        [{"type": "error", "name": "E", "inputs": [{"name": "x"}]}],
        [{"type": "error", "name": "E", "inputs": [{"name": "x", "type": "tuple"}]}],
    ],
)
def test_what_is_no_abi_is_refused(entries: list[object]) -> None:
    with pytest.raises(ValueError, match=r"Odd\[0\]"):
        Abi(entries, name="Odd")

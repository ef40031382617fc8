"""eth_simulateV1: several calls in one question, each seeing what those before it did.

Owns      the form of the question, and the strict reading of the answer.
Promises  what is not exactly an answer to what was asked is Malformed, never half read.
Leaves    asking, and what to do where a node cannot, to `chain.node`.

Forms of the answer from the execution-apis specification, and from what nodes say: geth has revert data under
error.data and an empty returnData, anvil has it in returnData and an error without data.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from headrace.chain.hexes import (
    Malformed,
    address_text,
    data_text,
    quantity_text,
    read_data,
    read_quantity,
    shown,
)
from headrace.chain.receipts import items
from headrace.core.ports import Call, Ran, Returned, Reverted
from headrace.core.words import Address, BlockNumber

METHOD: Final = "eth_simulateV1"

# Answers with what stands in slot 0, then puts NUMBER there: SLOAD(0), MSTORE, SSTORE(0, NUMBER), RETURN 32 bytes.
_COUNTING: Final = bytes.fromhex("60005460005243600055" + "60206000f3")
_NOBODY: Final = Address(bytes.fromhex("0000000000000000000000000000000000c0ffee"))
_PROBE_GAS: Final = 200_000


def question(
    calls: Sequence[Call], *, sender: Address, gas: int, in_block: BlockNumber, timestamp: int
) -> tuple[object, ...]:
    """The parameters. `gas` is what each of the calls may use; the block that they stand in has room for all."""
    same = {"from": address_text(sender), "gas": quantity_text(gas)}
    made = [{**same, "to": address_text(call.to), "data": data_text(call.data)} for call in calls]
    return _parameters(made, in_block=in_block, timestamp=timestamp, gas=gas, states=None)


def probe(*, in_block: BlockNumber, timestamp: int) -> tuple[object, ...]:
    """The parameters of a question whose answer shows that the node runs both calls in the block asked for, the
    second on what the first left."""
    call = {"from": address_text(_NOBODY), "to": address_text(_NOBODY), "gas": quantity_text(_PROBE_GAS)}
    states = {address_text(_NOBODY): {"code": data_text(_COUNTING)}}
    return _parameters([call, call], in_block=in_block, timestamp=timestamp, gas=_PROBE_GAS, states=states)


def passes_probe(answer: object, *, in_block: BlockNumber) -> bool:
    """Raises Malformed."""
    first, second = (ran.result for ran in read_answer(answer, count=2))
    return first == Returned(bytes(32)) and second == Returned(in_block.to_bytes(32))


def read_answer(answer: object, *, count: int) -> list[Ran]:
    """What each of `count` calls did. Raises Malformed."""
    blocks = items(answer, "result")
    if len(blocks) != 1:
        raise Malformed(f"result: {len(blocks)} blocks, one was asked for")
    calls = items(_field(blocks[0], "calls"), "result[0].calls")
    if len(calls) != count:
        raise Malformed(f"result[0].calls: {len(calls)} results for {count} calls")
    return [_read_call(call, f"result[0].calls[{index}]") for index, call in enumerate(calls)]


def _parameters(
    calls: Sequence[object], *, in_block: BlockNumber, timestamp: int, gas: int, states: object
) -> tuple[object, ...]:
    block: dict[str, object] = {
        "blockOverrides": {
            "number": quantity_text(in_block),
            "time": quantity_text(timestamp),
            "gasLimit": quantity_text(gas * len(calls)),
        },
        "calls": list(calls),
    }
    if states is not None:
        block["stateOverrides"] = states
    # On the block right before, by its number: nodes fill a gap with blocks of their own, and refuse to go back.
    return {"blockStateCalls": [block]}, quantity_text(in_block - 1)


def _read_call(value: object, what: str) -> Ran:
    status = read_quantity(_field(value, "status"), f"{what}.status")
    gas_used = read_quantity(_field(value, "gasUsed"), f"{what}.gasUsed")
    returned = read_data(_field(value, "returnData"), f"{what}.returnData")
    if status not in (0, 1):
        raise Malformed(f"{what}.status: {status} is neither 0 nor 1")
    if status == 1:
        return Ran(Returned(returned), gas_used)
    told = _field(_field(value, "error"), "data")
    if told is None:
        return Ran(Reverted(returned), gas_used)
    return Ran(Reverted(read_data(told, f"{what}.error.data")), gas_used)


def _field(value: object, name: str) -> object:
    if value is not None and not isinstance(value, Mapping):
        raise Malformed(f"{shown(value)} is not an object with {name}")
    return None if value is None else value.get(name)

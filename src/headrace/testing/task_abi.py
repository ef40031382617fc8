"""The task contracts' ABI as the fakes speak it: selectors, errors, events, from the text of the signatures.

Owns      the bytes of calls, reverts and topics on the contracts' side.
Promises  written apart from `workloads.tasks`, so that a mistake there is not repeated here.
Leaves    what they mean to `fake_contracts`.
"""

from typing import Any, Final

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from headrace.testing.fake_world import FakeRevert

INTENT: Final = "(address,address,uint256,bytes,uint256,bytes)"
TASK: Final = f"(bytes32,address,uint32,uint32,{INTENT},bytes,bytes,bytes,uint256)"
RESPONSE: Final = "(bytes32,address,bytes32,bytes32,bytes,uint32)"
_BATCH: Final = f"({TASK}[],{RESPONSE}[],bytes[])"
_PAIR: Final = f"({TASK},{RESPONSE},bytes)"

TASK_CREATED: Final = keccak(text="NewTaskCreated(bytes32,bytes32,address)")
TASK_RESPONDED: Final = keccak(text="TaskResponded(bytes32,bytes32)")
ITEM_FAILED: Final = keccak(text="BatchItemFailed(uint256,bytes32,bytes)")


def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


def arguments(signature: str, data: bytes) -> tuple[Any, ...]:
    """What a call carries after its selector. Reverts without data where Solidity's decoder would."""
    types = split_types(signature)
    try:
        return decode(types, data[4:])
    except (DecodingError, OverflowError):
        raise FakeRevert from None


def error(signature: str, *values: object) -> FakeRevert:
    """`raise error("TaskMismatch(bytes32,bytes32)", recorded, given)`"""
    return FakeRevert(error_data(signature, *values))


def error_data(signature: str, *values: object) -> bytes:
    return selector(signature) + encode(split_types(signature), values)


def split_types(signature: str) -> list[str]:
    """`f(a,(b,c)[])` has the types `a` and `(b,c)[]`."""
    types: list[str] = []
    depth, start = 0, signature.index("(") + 1
    for at in range(start, len(signature)):
        character = signature[at]
        depth += (character == "(") - (character == ")")
        if (character == "," and depth == 0) or depth < 0:
            if at > start:
                types.append(signature[start:at])
            start = at + 1
    return types


CREATE: Final = f"createNewTask({TASK})"
RESPOND: Final = f"respondToTask{_PAIR}"
CREATE_AND_RESPOND: Final = f"createAndRespondToTask{_PAIR}"
TASK_HASHES: Final = "allTaskHashes(bytes32)"
TASK_RESPONSES: Final = "allTaskResponses(bytes32)"

BATCH_CREATE: Final = f"batchCreateTasks({TASK}[])"
BATCH_RESPOND: Final = f"batchRespondToTasks{_BATCH}"
BATCH_CREATE_AND_RESPOND: Final = f"batchCreateAndRespondToTasks{_BATCH}"
TRY_CREATE: Final = f"tryBatchCreateTasks({TASK}[])"
TRY_RESPOND: Final = f"tryBatchRespondToTasks{_BATCH}"
TRY_CREATE_AND_RESPOND: Final = f"tryBatchCreateAndRespondToTasks{_BATCH}"
PARTIAL_FAILURE: Final = "BatchPartialFailure((uint256,bytes32,bytes)[])"

"""Joins encoded items into one contract call.

Owns      the calldata of the batch and of the single calls.
Promises  byte for byte what eth-abi would give for the same arguments, at a thirtieth
          of the time (a test compares).

The encoding of an array of dynamic elements is its length, the elements' offsets, and the elements; an element's
own bytes do not depend on where it stands. So elements that were encoded once can be joined.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from eth_utils.crypto import keccak

from headrace.workloads.tasks.encoding import RESPONSE, TASK, WORD, bytes_part
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, RESPOND, Payload


def _selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


_ARGUMENTS: Final = {
    CREATE: f"({TASK}[])",
    RESPOND: f"({TASK}[],{RESPONSE}[],bytes[])",
    CREATE_AND_RESPOND: f"({TASK}[],{RESPONSE}[],bytes[])",
}
STRICT: Final = {
    CREATE: _selector(f"batchCreateTasks{_ARGUMENTS[CREATE]}"),
    RESPOND: _selector(f"batchRespondToTasks{_ARGUMENTS[RESPOND]}"),
    CREATE_AND_RESPOND: _selector(f"batchCreateAndRespondToTasks{_ARGUMENTS[CREATE_AND_RESPOND]}"),
}
TRY: Final = {
    CREATE: _selector(f"tryBatchCreateTasks{_ARGUMENTS[CREATE]}"),
    RESPOND: _selector(f"tryBatchRespondToTasks{_ARGUMENTS[RESPOND]}"),
    CREATE_AND_RESPOND: _selector(f"tryBatchCreateAndRespondToTasks{_ARGUMENTS[CREATE_AND_RESPOND]}"),
}
SINGLE: Final = {
    CREATE: _selector(f"createNewTask({TASK})"),
    RESPOND: _selector(f"respondToTask({TASK},{RESPONSE},bytes)"),
    CREATE_AND_RESPOND: _selector(f"createAndRespondToTask({TASK},{RESPONSE},bytes)"),
}


def batch_calldata(form: str, payloads: Sequence[Payload], *, strict: bool) -> bytes:
    selector = (STRICT if strict else TRY)[form]
    tasks = _array([_body(p.task) for p in payloads])
    if form == CREATE:
        return selector + _arguments([tasks])
    responses = _array([_body(p.response) for p in payloads])
    signatures = _array([bytes_part(p.signature_data) for p in payloads])
    return selector + _arguments([tasks, responses, signatures])


def single_calldata(form: str, payload: Payload) -> bytes:
    """Straight to TaskManager. (The source document's own has no single call for create_and_respond.)"""
    if form == CREATE:
        return SINGLE[form] + _arguments([_body(payload.task)])
    parts = [_body(payload.task), _body(payload.response), bytes_part(payload.signature_data)]
    return SINGLE[form] + _arguments(parts)


def item_bytes(form: str, payload: Payload) -> int:
    """What one item adds to a batch's calldata: its elements, and an offset word for each of them."""
    size = len(_body(payload.task)) + WORD
    if form == CREATE:
        return size
    return size + len(_body(payload.response)) + len(bytes_part(payload.signature_data)) + 2 * WORD


def _body(encoded: bytes) -> bytes:
    # abi.encode of a dynamic struct begins with the offset of its body, always one word.
    return encoded[WORD:]


def _array(elements: Sequence[bytes]) -> bytes:
    return len(elements).to_bytes(WORD, "big") + _arguments(elements)


def _arguments(parts: Sequence[bytes]) -> bytes:
    """Dynamic parts behind their offsets, which count from the first offset."""
    ends = accumulate((len(p) for p in parts), initial=WORD * len(parts))  # where one ends, the next begins
    offsets = (o.to_bytes(WORD, "big") for o, _ in zip(ends, parts, strict=False))
    return b"".join([*offsets, *parts])

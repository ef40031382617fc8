"""A task as a policy's expression sees it.

Owns      the names and kinds of the values; what they mean is written in `operators.expression`.
Promises  equal tasks look equal; whatever a client put into a task, this does not fail.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headrace.workloads.tasks.structs import Task

NUMBER_MAX: Final = 2**63 - 1  # of CEL
_GWEI: Final = 10**9
_DEPTH_MAX: Final = 32


def view_of(task: Task) -> Mapping[str, Any]:
    """The task as an expression sees it."""
    intent = task.intent
    return {
        "intent": {
            "from": _hex(intent.from_),
            "to": _hex(intent.to),
            "value": str(intent.value),
            # Rounded up: a limit in gwei must not let a fraction of one slip through.
            "value_gwei": min(-(-intent.value // _GWEI), NUMBER_MAX),
            "data": _hex(intent.data),
            "selector": _hex(intent.data[:4]) if len(intent.data) >= 4 else "0x",
            "chain_id": min(intent.chain, NUMBER_MAX),
            "function_signature": _text_or_hex(intent.function_signature),
        },
        "task": {
            "created_block": task.created_block,
            "timestamp": min(task.timestamp, NUMBER_MAX),
            "policy_client": _hex(task.policy_client),
        },
        "args": _args(task.wasm_args),
    }


def _args(raw: bytes) -> object:
    try:
        return _within_cel(msgspec.json.decode(raw), depth=0)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _within_cel(value: Any, *, depth: int) -> object:
    if depth > _DEPTH_MAX:
        raise RecursionError
    match value:
        case dict():
            return {key: _within_cel(inner, depth=depth + 1) for key, inner in value.items()}
        case list():
            return [_within_cel(inner, depth=depth + 1) for inner in value]
        case int() if abs(value) > NUMBER_MAX:
            return str(value)  # CEL would make it a double, and the last digits would be gone
        case _:
            return value


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"


def _text_or_hex(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _hex(raw)


# An ordinary task: what an expression is tried on when it is loaded.
SAMPLE: Final[Mapping[str, Any]] = {
    "intent": {
        "from": "0x" + "11" * 20,
        "to": "0x" + "22" * 20,
        "value": "1000000000000000000",
        "value_gwei": 1_000_000_000,
        "data": "0xa9059cbb" + "00" * 64,
        "selector": "0xa9059cbb",
        "chain_id": 1,
        "function_signature": "transfer(address,uint256)",
    },
    "task": {"created_block": 1_000_000, "timestamp": 1_700_000_000, "policy_client": "0x" + "33" * 20},
    "args": "",
}

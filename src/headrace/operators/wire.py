"""The operator protocol's messages: `POST /v1/evaluate`, in MessagePack or JSON (bytes then as base64).

Owns      the shapes and their bounds, and the way to and from `operators.answers`.
Promises  what decodes is within its bounds; a reply is one entry for each task, in the request's order.
Leaves    sending and serving to `clients` and `service`.
"""

from typing import Annotated, Final, assert_never

from msgspec import Meta, Struct

from headrace.operators.answers import Answer, Failed, Refused, Signed
from headrace.operators.operator import TASK_BYTES_MAX

TASKS_PER_REQUEST_MAX: Final = 64
REQUEST_BYTES_MAX: Final = 1 << 20
REPLY_BYTES_MAX: Final = 1 << 20
MSGPACK: Final = "application/msgpack"
JSON: Final = "application/json"

Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Text = Annotated[str, Meta(max_length=1000)]


class EvaluateRequest(Struct, frozen=True):
    """`chain_id` and `task_manager` (20 bytes) say what the signatures are for; `tasks` are ABI-encoded."""

    chain_id: Annotated[int, Meta(gt=0)]
    task_manager: Annotated[bytes, Meta(min_length=20, max_length=20)]
    tasks: Annotated[
        list[Annotated[bytes, Meta(max_length=TASK_BYTES_MAX)]],
        Meta(min_length=1, max_length=TASKS_PER_REQUEST_MAX),
    ]


class SignedEntry(Struct, frozen=True, tag="signed"):
    task_id: Bytes32
    response: Annotated[bytes, Meta(max_length=4096)]
    signature: Annotated[bytes, Meta(max_length=1024)]


class RefusedEntry(Struct, frozen=True, tag="refused"):
    task_id: Bytes32
    code: Text
    text: Text


class FailedEntry(Struct, frozen=True, tag="failed"):
    task_id: Bytes32
    code: Text
    text: Text
    retryable: bool


Entry = SignedEntry | RefusedEntry | FailedEntry


class EvaluateReply(Struct, frozen=True):
    answers: Annotated[list[Entry], Meta(max_length=4 * TASKS_PER_REQUEST_MAX)]


class ErrorReply(Struct, frozen=True):
    """Why a whole request was turned away."""

    error: Text


def task_id_of(encoded: bytes) -> bytes:
    """Where an ABI-encoded Task has its id (32 bytes, after the offset of the struct), whatever else it holds."""
    return encoded[32:64].ljust(32, b"\0")


def to_entry(task_id: bytes, answer: Answer) -> Entry:
    match answer:
        case Signed(response=response, signature=signature):
            return SignedEntry(task_id, response, signature)
        case Refused(code=code, text=text):
            return RefusedEntry(task_id, code[:1000], text[:1000])
        case Failed(code=code, text=text, retryable=retryable):
            return FailedEntry(task_id, code[:1000], text[:1000], retryable)
        case _:
            assert_never(answer)


def from_entry(entry: Entry) -> Answer:
    match entry:
        case SignedEntry(response=response, signature=signature):
            return Signed(response=response, signature=signature)
        case RefusedEntry(code=code, text=text):
            return Refused(code=code, text=text)
        case FailedEntry(code=code, text=text, retryable=retryable):
            return Failed(code=code, text=text, retryable=retryable)
        case _:
            assert_never(entry)

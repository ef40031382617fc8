"""Reads a gateway's HTTP reply to one JSON-RPC request, named by what the client does next.

Promises  only a conclusive answer ends a request; whatever leaves doubt is asked again, under the same id.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from headrace.app.load.journal import Accepted, Refused

TRY_LATER: Final = -32005
POLICY_REFUSED: Final = -32615  # a no of the policy's: the gateway did what it should


class Method(Enum):
    """How tasks are asked for."""

    CREATE_TASK = "newt_createTask"  # answers with the operators' certificate
    SEND_TASK = "newt_sendTask"  # answers at once with the task id


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Same request, same operation id. `after_s` where the gateway named a pause."""

    reason: str
    after_s: float | None = None


class _ErrorData(msgspec.Struct):
    retry_after_s: float | None = None


class _Error(msgspec.Struct):
    code: int
    message: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Result(msgspec.Struct):
    task_id: str | None = None
    status: str | None = None
    signature_data: str | None = None
    error: object = None


class _Reply(msgspec.Struct):
    result: _Result | None = None
    error: _Error | None = None


_decoder = msgspec.json.Decoder(_Reply)


def read_reply(method: Method, status: int, body: bytes) -> Accepted | Refused | AskAgain:
    """`status` is the HTTP status."""
    try:
        reply = _decoder.decode(body)
    except msgspec.MsgspecError as error:
        if 400 <= status < 500 and status not in (408, 429):
            return Refused(status, body[:200].decode(errors="replace"))
        return AskAgain(f"HTTP {status}, {error}")
    if reply.error is not None:
        if reply.error.code == TRY_LATER:
            return AskAgain(reply.error.message, _retry_after_s(reply.error))
        if status >= 500:
            return AskAgain(f"HTTP {status}: {reply.error.message}")
        return Refused(reply.error.code, reply.error.message)
    if reply.result is None:
        return AskAgain(f"HTTP {status}, neither result nor error")
    return _read_result(method, reply.result)


def _read_result(method: Method, result: _Result) -> Accepted | Refused | AskAgain:
    try:
        task_id = bytes.fromhex((result.task_id or "").removeprefix("0x"))
    except ValueError:
        task_id = b""
    if len(task_id) != 32:
        return Refused(None, f"task_id {result.task_id!r} is not 32 bytes of hex")
    if method is Method.SEND_TASK:
        return Accepted(task_id, certified=False)
    if result.status != "success":
        return Refused(None, f"status {result.status!r}: {result.error or 'no reason given'}")
    if result.signature_data in (None, "", "0x"):
        return Refused(None, "status 'success' without signature_data: no certificate")
    return Accepted(task_id, certified=True)


def _retry_after_s(error: _Error) -> float | None:
    try:
        return msgspec.json.decode(error.data, type=_ErrorData).retry_after_s
    except msgspec.MsgspecError:
        return None  # no data, or data of another shape: the pause is ours to choose

"""JSON-RPC 2.0: from a body to calls, from answers to a body.

Owns      the shape of requests and responses, single and in batches.
Promises  an id comes back byte for byte as it came; what is no valid request is answered as the standard says.
Leaves    methods and their parameters to `api.rpc`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from headrace.api.body import nests_deeper
from headrace.api.wire import jsonable, shown
from headrace.core.errors import HeadraceError

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
TRY_LATER: Final = -32005

_NULL: Final = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class Call:
    """`id` as it came; None for a notification, which gets no answer."""

    id: msgspec.Raw | None
    method: str
    params: object


@dataclass(frozen=True, slots=True)
class Fault:
    """What stands in the place of an answer."""

    id: msgspec.Raw | None
    code: int
    message: str
    data: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    items: Sequence[Call | Fault]


class _Envelope(msgspec.Struct):
    jsonrpc: object = None
    id: msgspec.Raw = msgspec.Raw()
    method: object = None
    params: object = None


class _OnlyId(msgspec.Struct):
    id: msgspec.Raw = msgspec.Raw()


_envelopes: Final = msgspec.json.Decoder(_Envelope)
_only_ids: Final = msgspec.json.Decoder(_OnlyId)
_lists: Final = msgspec.json.Decoder(list[msgspec.Raw])
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_body(body: bytes, *, depth_max: int, batch_max: int) -> Call | Fault | Batch:
    if nests_deeper(body, depth_max):
        return Fault(_NULL, INVALID_REQUEST, f"the body nests deeper than {depth_max} levels")
    if not body.lstrip(b" \t\r\n").startswith(b"["):
        return _read_one(body)
    try:
        items = _lists.decode(body)
    except _NOT_JSON as error:
        return _not_json(error)
    if not items:
        return Fault(_NULL, INVALID_REQUEST, "the batch is empty")
    if len(items) > batch_max:
        return Fault(_NULL, INVALID_REQUEST, f"the batch has {len(items)} requests, at most {batch_max} are taken")
    return Batch([_read_one(item) for item in items])


def _read_one(raw: bytes | msgspec.Raw) -> Call | Fault:
    try:
        envelope = _envelopes.decode(raw)
    except msgspec.ValidationError as error:  # JSON, but no object, or with a number that no machine holds
        return Fault(_id_of(raw), INVALID_REQUEST, f"the request is no JSON-RPC object: {error}")
    except _NOT_JSON as error:
        return _not_json(error)
    id = envelope.id if len(memoryview(envelope.id)) else None
    if id is not None and not _may_be_id(id):
        return Fault(_NULL, INVALID_REQUEST, "id: is neither text nor a number nor null")
    answered_as = _NULL if id is None else id
    if envelope.jsonrpc != "2.0":
        return Fault(answered_as, INVALID_REQUEST, f'jsonrpc: {shown(envelope.jsonrpc)} is not "2.0"')
    if not isinstance(envelope.method, str):
        return Fault(answered_as, INVALID_REQUEST, f"method: {shown(envelope.method)} is not a name")
    params = envelope.params
    if params is not None and not isinstance(params, dict | list):
        return Fault(answered_as, INVALID_REQUEST, f"params: {shown(params)} is neither an object nor a list")
    return Call(id, envelope.method, params)


def _id_of(raw: bytes | msgspec.Raw) -> msgspec.Raw:
    try:
        id = _only_ids.decode(raw).id
    except _NOT_JSON:
        return _NULL
    return id if len(memoryview(id)) and _may_be_id(id) else _NULL


def _may_be_id(id: msgspec.Raw) -> bool:
    try:
        return isinstance(msgspec.json.decode(id), str | int | float | None) and bytes(id) not in (
            b"true",
            b"false",
        )
    except _NOT_JSON:
        return False


def _not_json(error: Exception) -> Fault:
    return Fault(_NULL, PARSE_ERROR, f"the body is not valid JSON: {error}")


# ---- Answers


def fault_of(id: msgspec.Raw | None, error: HeadraceError) -> Fault:
    return Fault(id, error.rpc_code, error.message, error.data or None)


def encode_result(id: msgspec.Raw, result: object) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "result": result})


def encode_fault(fault: Fault) -> bytes:
    error: dict[str, object] = {"code": fault.code, "message": fault.message}
    if fault.data is not None:
        error["data"] = jsonable(dict(fault.data))
    return msgspec.json.encode({"jsonrpc": "2.0", "id": _NULL if fault.id is None else fault.id, "error": error})


def join_batch(answers: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(answers) + b"]"

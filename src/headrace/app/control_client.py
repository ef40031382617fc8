"""Speaks to a running gateway at its operator's socket.

Promises  either the answer, or in words why there is none: nobody there, not for this user, not now, refused.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import aiohttp

from headrace.app.control_socket import short_name
from headrace.core.errors import FixTheRequest, HeadraceError, NeedsOperator, TryLater

ANSWER_S: Final = 60.0
_ERRORS: Final = {kind.rpc_code: kind for kind in (FixTheRequest, TryLater, NeedsOperator)}
_ids = itertools.count(1)


class NobodyThere(Exception):
    """No gateway listens at this socket."""


async def call_gateway(path: Path, method: str, params: Mapping[str, object]) -> Mapping[str, Any]:
    """The result. Raises NobodyThere; FixTheRequest, TryLater and NeedsOperator as the gateway says them."""
    body = {"jsonrpc": "2.0", "id": next(_ids), "method": method, "params": dict(params)}
    answer = await _post(path, body)
    error = answer.get("error")
    if error is None:
        return cast(Mapping[str, Any], answer["result"])
    raise _as_said(error)


async def _post(path: Path, body: object) -> Mapping[str, Any]:
    try:
        with short_name(path) as name:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.UnixConnector(path=name), timeout=aiohttp.ClientTimeout(total=ANSWER_S)
                ) as session,
                session.post("http://gateway/rpc", json=body) as answer,
            ):
                return cast(Mapping[str, Any], await answer.json(content_type=None))
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise _unreachable(path, error) from None


def _unreachable(path: Path, error: Exception) -> Exception:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ConnectionRefusedError | FileNotFoundError):
        return NobodyThere()
    if isinstance(cause, PermissionError):
        return NeedsOperator(f"the operator's socket {path} is another user's: run this as the gateway's user")
    if isinstance(cause, TimeoutError):
        return NeedsOperator(
            f"the gateway at {path} did not answer within {ANSWER_S:g} s; it may have done what was asked: look"
        )
    return NeedsOperator(f"the gateway at {path} broke off: {cause}; it may have done what was asked: look")


def _as_said(error: Mapping[str, Any]) -> HeadraceError:
    data = dict(error.get("data") or {})
    kind = _ERRORS.get(error["code"], NeedsOperator)
    if kind is TryLater:
        return TryLater(error["message"], retry_after_s=data.get("retry_after_s", 1.0))
    return kind(error["message"], **data)

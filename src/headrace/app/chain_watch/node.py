"""Plain JSON-RPC over HTTP: one call, or several in one request.

Promises  an answer of the asked type, or one of two errors: the node says no, or we could not reach it.
Leaves    trying again to the caller: it knows whether that makes sense.
"""

import itertools
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import msgspec

T = TypeVar("T")

METHOD_NOT_FOUND = -32601


class NodeSays(Exception):
    """The node answered with an error."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: node says {code}: {message}")
        self.code = code


class NodeUnreachable(Exception):
    """No answer, or one that is no JSON-RPC. Asking again may help."""


class _Error(msgspec.Struct):
    code: int
    message: str = ""


class _Answer(msgspec.Struct):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


_answer = msgspec.json.Decoder(_Answer)
_answers = msgspec.json.Decoder(list[_Answer])


class PlainNode:
    """`url` may carry a secret path, so errors name the method and never the address."""

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=4),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            headers={"content-type": "application/json"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def call(self, method: str, params: Sequence[object], of: type[T]) -> T | None:
        """`result` decoded as `of`, or None where the node says null. Raises NodeSays, NodeUnreachable."""
        body = await self._post(method, _request(next(self._ids), method, params))
        try:
            return _result(method, _answer.decode(body), of)
        except msgspec.MsgspecError as error:
            raise NodeUnreachable(f"{method}: the answer is no JSON-RPC: {error}") from error

    async def call_many(self, method: str, many: Sequence[Sequence[object]], of: type[T]) -> list[T | None]:
        """The same method with several parameter lists, in one HTTP request; answers in the order asked."""
        requests = {next(self._ids): params for params in many}
        if not requests:
            return []
        body = await self._post(method, [_request(id_, method, params) for id_, params in requests.items()])
        try:
            by_id = {answer.id: answer for answer in _answers.decode(body)}
            return [_result(method, by_id[id_], of) for id_ in requests]
        except (msgspec.MsgspecError, KeyError) as error:
            raise NodeUnreachable(f"{method}: the answer is no JSON-RPC batch: {error}") from error

    async def _post(self, method: str, content: object) -> bytes:
        assert self._session is not None, "use as `async with`"
        try:
            async with self._session.post(self._url, data=msgspec.json.encode(content)) as reply:
                body = await reply.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NodeUnreachable(f"{method}: {type(error).__name__}") from error
        if reply.status >= 500:
            raise NodeUnreachable(f"{method}: HTTP {reply.status}")
        return body


def _request(id_: int, method: str, params: Sequence[object]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


def _result(method: str, answer: _Answer, of: type[T]) -> T | None:
    if answer.error is not None:
        raise NodeSays(method, answer.error.code, answer.error.message)
    return msgspec.json.decode(answer.result, type=of | None)

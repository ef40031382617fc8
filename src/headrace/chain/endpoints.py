"""JSON-RPC over HTTP to one chain, through one or more endpoints.

Owns      which endpoint is asked, and when one that failed is asked again.
Promises  a JSON-RPC error is an answer; drops, time-outs, HTTP errors, rate limits and unreadable answers are
          trouble, and the next endpoint is asked, as it is for a method that one of them lacks. No endpoint is
          asked twice for one call: nothing is sent again behind the caller's back (to another node it may be: the
          same bytes are the same transaction there).
          What is raised names hosts, never paths or credentials, since those are keys; nothing is logged.
Leaves    what the answers mean to `chain.node`.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from web3 import AsyncHTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from headrace.chain.hexes import shown
from headrace.chain.replies import says_too_many_requests
from headrace.core.ports import Clock, NodeTrouble

# Shorter than servers keep idle connections (5 s and more): a question on one just closed looks like trouble.
_IDLE_S: Final = 4.0
_NO_SUCH_METHOD: Final = (-32601, -32604)  # by code alone: an answer's words may speak of something else
_ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024  # all receipts of a full block, generously


class RpcError(Exception):
    """A node's answer was a JSON-RPC error. `data` as it came."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{message} (code {code})")
        self.code = code
        self.message = message
        self.data = data


class _Trouble(Exception):
    """One endpoint gave no usable answer. Its text holds no part of the URL."""


class _Http(AsyncHTTPProvider):
    """web3's provider without its retries and its logging, which writes whole URLs."""

    def __init__(self, url: str, *, connections_max: int) -> None:
        super().__init__(url, exception_retry_configuration=None)
        self._url = url
        self._connections_max = connections_max
        self._session: aiohttp.ClientSession | None = None

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        body = await self._make_request(method, self.encode_rpc_request(method, params))
        try:
            return self.decode_rpc_response(body)
        except ValueError:
            raise _Trouble(f"answered with something else than JSON: {shown(body[:60])}") from None

    async def _make_request(self, method: RPCEndpoint, request_data: bytes) -> bytes:
        # web3 opens a connection for each request (force_close); ours are kept.
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections_max, keepalive_timeout=_IDLE_S)
            self._session = aiohttp.ClientSession(connector=connector)
        async with self._session.post(
            self._url,
            data=request_data,
            headers={"Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=None),  # whoever asks bounds the whole call
            allow_redirects=False,
        ) as response:
            if response.status == 429 or response.status >= 500 or 300 <= response.status < 400:
                raise _Trouble(f"HTTP {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > _ANSWER_BYTES_MAX:
                    raise _Trouble(f"answered with more than {_ANSWER_BYTES_MAX} bytes")
            # Some nodes answer a JSON-RPC error with HTTP 400: that is an answer, if it is one.
            if response.status != 200 and b'"jsonrpc"' not in body:
                raise _Trouble(f"HTTP {response.status}")
            return bytes(body)

    async def disconnect(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


@dataclass(slots=True, eq=False)
class _Endpoint:
    name: str
    http: _Http = field(repr=False)
    failures: int = 0
    rests_until: float = 0.0
    rests: int = 0  # how often it was put aside; failures that began before the last time do not count again
    on_trial: bool = False
    lacks: set[str] = field(default_factory=set)  # methods; forgotten with a failure: it may come back upgraded


class Endpoints:
    """Asks the first endpoint that is well; those put aside are asked last, and on trial once their pause is over.

    `timeout_s` bounds one question to one endpoint; a call takes at most that for each endpoint, and as long again
    waiting for its turn. `pause_first_s` doubles with each failure in a row, up to `pause_most_s`.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        clock: Clock,
        timeout_s: float = 10.0,
        concurrent_max: int = 64,
        pause_first_s: float = 1.0,
        pause_most_s: float = 60.0,
    ) -> None:
        """Raises ValueError for a URL that is not http(s)://host..., naming its position and never the URL."""
        if not urls:
            raise ValueError("a chain needs at least one HTTP endpoint")
        self._endpoints: list[_Endpoint] = []
        for position, url in enumerate(urls, start=1):
            name = host_of(url, schemes=("http", "https"), what=f"endpoint {position}")
            if any(other.name == name for other in self._endpoints):
                name = f"{name} (endpoint {position})"
            self._endpoints.append(_Endpoint(name, _Http(url, connections_max=concurrent_max)))
        self._clock = clock
        self._timeout_s = timeout_s
        self._pause_first_s = pause_first_s
        self._pause_most_s = pause_most_s
        self._turns = asyncio.Semaphore(concurrent_max)
        self._concurrent_max = concurrent_max

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(endpoint.name for endpoint in self._endpoints)

    def resting(self) -> tuple[str, ...]:
        """Those put aside now, for people and metrics."""
        now = self._clock.now()
        return tuple(e.name for e in self._endpoints if e.failures and e.rests_until > now)

    async def ask(self, method: str, *params: object) -> object:
        """The result (may be None). Raises RpcError for an error answered, NodeTrouble where nobody answered."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._turns.acquire()
        except TimeoutError:
            raise NodeTrouble(
                f"{method}: {self._concurrent_max} requests are under way, none ended in {self._timeout_s:g} s"
            ) from None
        try:
            return await self._ask_each(method, params)
        finally:
            self._turns.release()

    async def close(self) -> None:
        for endpoint in self._endpoints:
            await endpoint.http.disconnect()

    async def _ask_each(self, method: str, params: Sequence[object]) -> object:
        troubles: list[str] = []
        missing = RpcError(_NO_SUCH_METHOD[0], f"no endpoint has {method}")
        for endpoint in self._in_order():
            if method in endpoint.lacks:
                continue
            rests = endpoint.rests
            trial = endpoint.failures > 0 and not endpoint.on_trial
            if trial:
                endpoint.on_trial = True
            try:
                result = await self._ask_one(endpoint, method, params)
            except _Trouble as trouble:
                troubles.append(f"{endpoint.name}: {trouble}")
                if endpoint.rests == rests:
                    self._put_aside(endpoint)
            except RpcError as error:
                endpoint.failures = 0
                if error.code not in _NO_SUCH_METHOD:
                    raise
                endpoint.lacks.add(method)
                missing = error
            else:
                endpoint.failures = 0
                return result
            finally:
                if trial:
                    endpoint.on_trial = False
        if not troubles:
            raise missing
        raise NodeTrouble(f"{method}: no endpoint gave an answer; " + "; ".join(troubles))

    def _in_order(self) -> list[_Endpoint]:
        now = self._clock.now()

        def rests(endpoint: _Endpoint) -> bool:
            return endpoint.failures > 0 and (endpoint.rests_until > now or endpoint.on_trial)

        # Resting ones are asked too, at the end: a doubtful answer is better than none.
        well = [e for e in self._endpoints if not rests(e)]
        return well + sorted((e for e in self._endpoints if rests(e)), key=lambda e: e.rests_until)

    def _put_aside(self, endpoint: _Endpoint) -> None:
        pause_s = min(self._pause_first_s * 2**endpoint.failures, self._pause_most_s)
        endpoint.failures = min(endpoint.failures + 1, 32)
        endpoint.rests += 1
        endpoint.lacks.clear()
        endpoint.rests_until = self._clock.now() + pause_s

    async def _ask_one(self, endpoint: _Endpoint, method: str, params: Sequence[object]) -> object:
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await endpoint.http.make_request(RPCEndpoint(method), list(params))
        except TimeoutError:
            raise _Trouble(f"no answer in {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            # Only the kind: the text of an aiohttp error often holds the URL, and the URL often holds a key.
            raise _Trouble(_kind(error)) from None
        return _read_answer(answer)


def host_of(url: str, *, schemes: tuple[str, ...], what: str) -> str:
    """host:port of a URL, the only part of it that may be shown. Raises ValueError without showing the rest."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{what}: not a URL") from None
    if parts.scheme not in schemes or not host:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{what}: a URL that begins with {wanted} and names a host is needed")
    return f"{host}:{port}" if port else host


def _kind(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    return f"{type(error).__name__}" + (f" ({type(cause).__name__})" if cause is not error else "")


def _read_answer(answer: object) -> object:
    if not isinstance(answer, dict):
        raise _Trouble(f"answered {shown(answer)}, which is no JSON-RPC answer")
    if (error := answer.get("error")) is not None:
        if not isinstance(error, dict):
            raise _Trouble(f"answered with the error {shown(error)}, which is no JSON-RPC error")
        code, message = error.get("code"), error.get("message")
        code = code if isinstance(code, int) else 0
        text = message if isinstance(message, str) else json.dumps(message)
        if says_too_many_requests(text, code):
            raise _Trouble(f"too many requests: {text}")
        raise RpcError(code, text, error.get("data"))
    if "result" not in answer:
        raise _Trouble(f"answered {shown(answer)}, without result or error")
    return answer["result"]

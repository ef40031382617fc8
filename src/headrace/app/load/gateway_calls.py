"""Asks a gateway for tasks over HTTP, again and again until it knows the answer.

Owns      connections (kept alive, bounded).
Promises  every try of a request carries the same operation id; each request ends by its deadline.
Leaves    the schedule to `offering`, what is sent and sent again to `request`, reading replies to `replies`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from headrace.app.load.journal import Accepted, Refused
from headrace.app.load.replies import AskAgain, Method, read_reply
from headrace.app.load.request import CONNECT_MAX_S, Asked, GatewayLimits, Tries, request_body, rpc_url
from headrace.app.load.task_source import TaskWish


class GatewayCalls:
    """`url` is the gateway's address, with or without its /rpc. `clock` and `sleep` in seconds, of the run."""

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        method: Method = Method.CREATE_TASK,
        limits: GatewayLimits | None = None,
        api_key: str | None = None,
        seed: int = 0,
    ) -> None:
        self.method = method
        self._url = rpc_url(url)
        self._clock = clock
        self._sleep = sleep
        self._limits = limits or GatewayLimits()
        self._api_key = api_key
        self._chance = random.Random(seed)  # noqa: S311 - spreads retries, keeps no secret
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"content-type": "application/json"}
        if self._api_key is not None:
            headers["authorization"] = f"Bearer {self._api_key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._limits.connections_max, keepalive_timeout=60),
            # No total: waiting for one of our own connections is part of the measured latency, not a failed try.
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_MAX_S, sock_read=self._limits.silence_max_s
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def ask(self, wish: TaskWish, operation_id: str, scheduled_at_s: float) -> Asked:
        """Asks until there is a conclusive answer or the deadline has passed. Raises nothing of the network's."""
        body = request_body(wish, operation_id, self.method, self._limits.timeout_s)
        tries = Tries(scheduled_at_s, sent_at_s=self._clock(), limits=self._limits, chance=self._chance)
        while True:
            reply = await self._try(body, tries.deadline_s)
            judged = tries.judge(reply, self._clock())
            if isinstance(judged, Asked):
                return judged
            await self._sleep(judged)

    async def call(self, many: Mapping[str, Mapping[str, object]], method: str) -> Mapping[str, msgspec.Raw]:
        """One JSON-RPC batch of `method`: parameters by request id, results by request id (errors are left out).

        Raises aiohttp.ClientError, TimeoutError, msgspec.MsgspecError.
        """
        requests = [{"jsonrpc": "2.0", "id": id_, "method": method, "params": dict(p)} for id_, p in many.items()]
        answers = msgspec.json.decode((await self._post(msgspec.json.encode(requests)))[1], type=list[_Answer])
        return {answer.id: answer.result for answer in answers if answer.error is None and answer.id is not None}

    async def _try(self, body: bytes, deadline_s: float) -> Accepted | Refused | AskAgain:
        try:
            async with asyncio.timeout(max(deadline_s - self._clock(), 0.001)):
                status, content = await self._post(body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return AskAgain(f"{type(error).__name__}: {error}".rstrip(": "))
        return read_reply(self.method, status, content)

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        assert self._session is not None, "use as `async with`"
        async with self._session.post(self._url, data=body) as reply:
            return reply.status, await reply.read()


class _Answer(msgspec.Struct):
    id: str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: object = None

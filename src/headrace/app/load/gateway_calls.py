"""Asks a gateway for tasks over HTTP, again and again until it knows the answer.

Owns      connections (kept alive, bounded), retries and their pauses, the form of a request.
Promises  every try of a request carries the same operation id; each request ends by its deadline.
Leaves    the schedule to `offering`, reading replies to `replies`.
"""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import aiohttp
import msgspec

from headrace.app.load.journal import Accepted, Answer, Refused, Unanswered
from headrace.app.load.replies import AskAgain, Method, read_reply
from headrace.app.load.task_source import TaskWish

FIRST_PAUSE_S: Final = 0.05
CONNECT_MAX_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits:
    """`give_up_s` counts from the scheduled moment; `silence_max_s` is how long one try may go without a byte;
    `pause_max_s`: pauses between tries double up to it."""

    connections_max: int = 256
    give_up_s: float = 60.0
    silence_max_s: float = 35.0
    pause_max_s: float = 2.0
    timeout_s: int = 30  # the `timeout` parameter of newt_createTask


@dataclass(frozen=True, slots=True)
class Asked:
    """How a request went: its answer, and after how many tries. `sent_at_s`: when the first one left."""

    answer: Answer
    sent_at_s: float
    answered_at_s: float | None
    attempts: int


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
        body = msgspec.json.encode(
            {
                "jsonrpc": "2.0",
                "id": str(uuid.uuid4()),
                "method": self.method.value,
                "params": task_params(wish, operation_id, self.method, self._limits.timeout_s),
            }
        )
        sent_at_s = self._clock()
        deadline_s = scheduled_at_s + self._limits.give_up_s
        pause_s = FIRST_PAUSE_S
        attempts = 0
        while True:
            attempts += 1
            reply = await self._try(body, deadline_s)
            now_s = self._clock()
            if not isinstance(reply, AskAgain):
                return Asked(reply, sent_at_s, now_s, attempts)
            # Ever longer also where the gateway names a pause: it does not know how many of us wait.
            wait_s = max(reply.after_s or 0.0, pause_s * self._chance.uniform(0.5, 1.0))
            if now_s + wait_s >= deadline_s:
                return Asked(Unanswered(reply.reason), sent_at_s, None, attempts)
            await self._sleep(max(wait_s, 0.0))
            pause_s = min(pause_s * 2, self._limits.pause_max_s)

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


def rpc_url(url: str) -> str:
    """The JSON-RPC address of a gateway: people give the one that they open in a browser."""
    base = url.rstrip("/")
    return base if base.endswith("/rpc") else base + "/rpc"


class _Answer(msgspec.Struct):
    id: str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: object = None


def task_params(wish: TaskWish, operation_id: str, method: Method, timeout_s: int) -> dict[str, object]:
    """Parameters by the names of the public API; quantities as compact hex."""
    intent = wish.intent
    params: dict[str, object] = {
        "operation_id": operation_id,
        "policy_client": _hex(wish.policy_client),
        "intent": {
            "from": _hex(intent.from_),
            "to": _hex(intent.to),
            "value": hex(intent.value_wei),
            "data": _hex(intent.data),
            "chain_id": hex(intent.chain_id),
            "function_signature": _hex(intent.function_signature),
        },
        "intent_signature": _hex(wish.intent_signature),
    }
    if wish.quorum_threshold_percentage is not None:
        params["quorum_threshold_percentage"] = wish.quorum_threshold_percentage
    if method is Method.CREATE_TASK:
        params["timeout"] = timeout_s
    return params


def _hex(data: bytes) -> str:
    return "0x" + data.hex()

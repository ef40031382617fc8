"""Asks a gateway for tasks over HTTP, again and again until it knows the answer.

Promises  every try of a request carries the same operation id; each request ends by its deadline.
Leaves    sockets to `connections`, the schedule to `offering`, what is sent and sent again to `request`, reading
          replies to `replies`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

import msgspec

from headrace.app.load.connections import Connections
from headrace.app.load.journal import Accepted, Refused
from headrace.app.load.replies import AskAgain, Method, read_reply
from headrace.app.load.request import Asked, GatewayLimits, Tries, request_body, rpc_url
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
        self._clock = clock
        self._sleep = sleep
        self._limits = limits or GatewayLimits()
        self._chance = random.Random(seed)  # noqa: S311 - spreads retries, keeps no secret
        headers = {"content-type": "application/json"}
        if api_key is not None:
            headers["authorization"] = f"Bearer {api_key}"
        self._connections = Connections(
            rpc_url(url),
            headers=headers,
            most=self._limits.connections_max,
            # Waiting for one of our own connections is part of the measured latency: only silence fails a try.
            silence_max_s=self._limits.silence_max_s,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connections.close()

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

        Raises OSError (a time-out is one too), msgspec.MsgspecError.
        """
        requests = [{"jsonrpc": "2.0", "id": id_, "method": method, "params": dict(p)} for id_, p in many.items()]
        _, content = await self._connections.post(msgspec.json.encode(requests))
        answers = msgspec.json.decode(content, type=list[_Answer])
        return {answer.id: answer.result for answer in answers if answer.error is None and answer.id is not None}

    async def _try(self, body: bytes, deadline_s: float) -> Accepted | Refused | AskAgain:
        try:
            async with asyncio.timeout(max(deadline_s - self._clock(), 0.001)):
                status, content = await self._connections.post(body)
        except OSError as error:  # a time-out is one too
            return AskAgain(f"{type(error).__name__}: {error}".rstrip(": "))
        return read_reply(self.method, status, content)


class _Answer(msgspec.Struct):
    id: str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: object = None

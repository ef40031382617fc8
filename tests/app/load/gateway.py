"""A gateway that answers as told, to see how the client behaves. It evaluates nothing and knows no chain."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from eth_utils.crypto import keccak

Answer = dict[str, Any] | int | None  # a JSON-RPC result or error, an HTTP status, or None: hang up


def task_of(operation_id: str) -> str:
    return "0x" + keccak(text=operation_id).hex()


def certificate(operation_id: str) -> Answer:
    return {"result": {"task_id": task_of(operation_id), "status": "success", "signature_data": "0x" + "11" * 128}}


def error(code: int, message: str = "", **data: object) -> Answer:
    return {"error": {"code": code, "message": message, "data": data}}


@dataclass
class StandIn:
    """`answer` gets operation id and the number of the try (from 1)."""

    answer: Callable[[str, int], Answer] = lambda operation_id, attempt: certificate(operation_id)
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)  # answers wait for it
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    at_work: int = 0
    at_work_max: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = await request.json()
        if isinstance(call, list):
            return web.json_response([{"jsonrpc": "2.0", "id": c["id"], **self._reply(c)} for c in call])
        async with self.arrived:
            self.requests.append(call)
            self.headers.append(dict(request.headers))
            self.arrived.notify_all()
        self.at_work += 1
        self.at_work_max = max(self.at_work_max, self.at_work)
        try:
            await self.gate.wait()
        finally:
            self.at_work -= 1
        operation_id = call["params"]["operation_id"]
        answer = self.answer(operation_id, sum(r["params"]["operation_id"] == operation_id for r in self.requests))
        if answer is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if isinstance(answer, int):
            return web.Response(status=answer, text="proxy says no")
        return web.json_response({"jsonrpc": "2.0", "id": call["id"], **answer})

    def _reply(self, call: dict[str, Any]) -> dict[str, Any]:
        answer = self.answer(call["params"]["operation_id"], 1)
        assert isinstance(answer, dict)
        return answer

    async def until(self, requests: int) -> None:
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= requests)


@contextlib.asynccontextmanager
async def stand_in(
    answer: Callable[[str, int], Answer] | None = None, *, gate: bool = False
) -> AsyncIterator[StandIn]:
    """`gate`: hold every answer back until `gate.set()`."""
    gateway = StandIn() if answer is None else StandIn(answer)
    if not gate:
        gateway.gate.set()
    app = web.Application()
    app.router.add_post("/rpc", gateway.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}/rpc"
    try:
        yield gateway
    finally:
        await runner.cleanup()

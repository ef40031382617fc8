"""Stands between a watcher and a real node, to make single methods slow, unknown or empty."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web


@dataclass
class Relay:
    node_url: str
    url: str = ""
    unknown: set[str] = field(default_factory=set)  # methods this node does not know
    empty: dict[str, int] = field(default_factory=dict)  # methods that answer null, so many times
    held: dict[str, asyncio.Event] = field(default_factory=dict)  # methods that answer once the event is set
    asked: Counter[str] = field(default_factory=Counter)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        many = body if isinstance(body, list) else [body]
        answers = [await self._answer(call) for call in many]
        return web.json_response(answers if isinstance(body, list) else answers[0])

    async def subscribe(self, request: web.Request) -> web.WebSocketResponse:
        """Says yes to a subscription and hangs up, every time."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        call = await socket.receive_json()
        self.asked[call["method"]] += 1
        await socket.send_json({"jsonrpc": "2.0", "id": call["id"], "result": "0x1"})
        await socket.close()
        return socket

    async def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        method = call["method"]
        self.asked[method] += 1
        if method in self.held:
            await self.held[method].wait()
        if method in self.unknown:
            return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32601, "message": "method not found"}}
        if self.empty.get(method, 0) > 0:
            self.empty[method] -= 1
            return {"jsonrpc": "2.0", "id": call["id"], "result": None}
        async with aiohttp.ClientSession() as session, session.post(self.node_url, json=call) as reply:
            answer: dict[str, Any] = json.loads(await reply.text())
            return answer


@contextlib.asynccontextmanager
async def relay_to(node_url: str) -> AsyncIterator[Relay]:
    relay = Relay(node_url)
    app = web.Application()
    app.router.add_post("/", relay.handle)
    app.router.add_get("/", relay.subscribe)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    relay.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield relay
    finally:
        await runner.cleanup()

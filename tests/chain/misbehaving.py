"""An HTTP node in this process that does what it is told: drops, errors, garbage, silence, or an answer."""

import asyncio
import json
from collections import deque
from contextlib import suppress
from typing import Any

Plan = str | int | dict[str, object]


class Misbehaving:
    """Each request takes the next of `plans`; the last one stays.

    "drop": closes without an answer. "half": closes in the middle of one. "silent": answers when released. An int:
    that HTTP status, without a body. Another str: that text as body. A dict: a JSON-RPC answer with these members.
    """

    def __init__(self, *plans: Plan, status: int = 200) -> None:
        self.plans: deque[Plan] = deque(plans)
        self.requests: list[dict[str, Any]] = []
        self.open = 0
        self.most_open = 0
        self.release = asyncio.Event()  # lets the silent ones end
        self._status = status
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def asked(self) -> list[str]:
        """The methods, in order."""
        return [request["method"] for request in self.requests]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v3/secret-key"

    async def __aenter__(self) -> "Misbehaving":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._handlers:
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass  # the client or the test has ended
        finally:
            self._handlers.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        request = json.loads(await reader.readexactly(length))
        self.requests.append(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            return await self._carry_out(
                self.plans.popleft() if len(self.plans) > 1 else self.plans[0], request, writer
            )
        finally:
            self.open -= 1

    async def _carry_out(self, plan: Plan, request: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        match plan:
            case "drop":
                return False
            case "half":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
                await writer.drain()
                return False
            case "silent":
                await self.release.wait()
                plan = {"result": "0x1"}
            case int():
                writer.write(f"HTTP/1.1 {plan} No\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
                return True
            case _:
                pass
        text = plan if isinstance(plan, str) else json.dumps({"jsonrpc": "2.0", "id": request["id"], **plan})
        body = text.encode()
        writer.write(f"HTTP/1.1 {self._status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        return True

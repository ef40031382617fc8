"""A proxy before anvil that refuses what a real node refuses and anvil does not.

Owns      the sockets: HTTP POST and WebSocket towards the client, both towards the node.
Promises  refusals in geth's words (see `pool_rules`); what needs no look goes on as it came; every call counted.
Leaves    what is answered to `proxy_answers`, faults to the `Faults` handed in.

Runs inside a test (`start_strict_proxy`), or as a process of its own:

    python -m headrace.testing.strict_proxy --upstream http://127.0.0.1:8545 --port 0

which prints `{"http_url": ..., "ws_url": ...}` in one line. GET / answers its counters.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, assert_never

import aiohttp
import uvloop
from aiohttp import WSMsgType, web

from headrace.testing.child_process import start_child
from headrace.testing.faults import Faults, NoFaults
from headrace.testing.pool_rules import NodeRules
from headrace.testing.proxy_answers import Body, Done, HttpStatus, ProxyAnswers, Silence
from headrace.testing.proxy_gate import ProxyGate
from headrace.testing.rpc_client import RpcClient

_BODY_MAX: Final = 64 << 20  # bytes; the receipts of a full block are large
_UPSTREAM_S: Final = 60.0
_CONNECTIONS_MAX: Final = 256
_AT_ONCE_MAX: Final = 64  # requests of one WebSocket that are being answered
_START_S: Final = 20.0
_JSON: Final = {"content-type": "application/json"}
_SUBSCRIBE: Final = (b'"eth_subscribe"', b'"eth_unsubscribe"')


class StrictProxy:
    """One proxy. `calls` by method and `refusals` by words are counters a test can read and clear."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        upstream_http: str,
        upstream_ws: str,
        rules: NodeRules,
        faults: Faults,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._session = session
        self._upstream_http = upstream_http
        self._upstream_ws = upstream_ws
        self._faults = faults
        gate = ProxyGate(RpcClient(session, upstream_http).ask, rules)
        self._answers = ProxyAnswers(post=self._post, gate=gate, faults=faults, sleep=sleep)
        self._clients: set[web.WebSocketResponse] = set()
        self.http_url = ""
        self.ws_url = ""

    @property
    def calls(self) -> Counter[str]:
        return self._answers.calls

    @property
    def refusals(self) -> Counter[str]:
        return self._answers.refusals

    @property
    def faults_done(self) -> Counter[Done]:
        return self._answers.faults_done

    async def on_post(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            answer = await self._answers.answer(body)
        except (aiohttp.ClientError, TimeoutError) as error:
            return web.Response(status=502, text=f"no answer from {self._upstream_http}: {error!r}\n")
        match answer:
            case Body(content):
                return web.Response(body=content, headers=_JSON)
            case HttpStatus(status, retry_after_s):
                headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
                return web.Response(status=status, headers=headers)
            case Silence():
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()  # goes nowhere: the connection is gone
            case _:
                assert_never(answer)

    async def on_get(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("upgrade", "").lower() != "websocket":
            return web.json_response({"calls": self.calls, "refusals": self.refusals})
        client = web.WebSocketResponse(max_msg_size=_BODY_MAX, compress=False)
        await client.prepare(request)
        self._clients.add(client)
        try:
            node = await self._session.ws_connect(self._upstream_ws, max_msg_size=_BODY_MAX)
        except aiohttp.ClientError:
            await client.close(code=1014, message=b"no answer from upstream")
        else:
            async with node:
                await self._carry(client, node)
        finally:
            self._clients.discard(client)
        return client

    async def close_clients(self) -> None:
        for client in list(self._clients):
            await client.close(code=1001, message=b"proxy ends")

    async def _carry(self, client: web.WebSocketResponse, node: aiohttp.ClientWebSocketResponse) -> None:
        """Subscriptions go over the node's own WebSocket, everything else the way of HTTP: one set of rules."""
        places = asyncio.Semaphore(_AT_ONCE_MAX)

        async def answer(body: bytes) -> None:
            try:
                answer = await self._answers.answer(body)
            except (aiohttp.ClientError, TimeoutError):
                await client.close(code=1014, message=b"no answer from upstream")
                return
            finally:
                places.release()
            match answer:
                case Body(content):
                    if content and not client.closed:
                        await client.send_str(content.decode())
                case HttpStatus(status):
                    await client.close(code=1013, message=f"HTTP {status}".encode())
                case Silence():
                    pass  # a WebSocket has no connection per request to close: the answer never comes
                case _:
                    assert_never(answer)

        async with asyncio.TaskGroup() as tasks:
            notifying = tasks.create_task(self._notify(client, node), name="proxy notifications")
            answering: set[asyncio.Task[None]] = set()
            async for message in client:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                body = message.data.encode() if isinstance(message.data, str) else message.data
                if any(name in body for name in _SUBSCRIBE):
                    self.calls["eth_unsubscribe" if _SUBSCRIBE[1] in body else "eth_subscribe"] += 1
                    await node.send_str(body.decode())
                    continue
                await places.acquire()
                task = tasks.create_task(answer(body), name="proxy answer")
                answering.add(task)
                task.add_done_callback(answering.discard)
            notifying.cancel()
            for task in answering:
                task.cancel()

    async def _notify(self, client: web.WebSocketResponse, node: aiohttp.ClientWebSocketResponse) -> None:
        async for message in node:
            if message.type is not WSMsgType.TEXT:
                break
            body = message.data.encode()
            is_answer = b'"eth_subscription"' not in body  # to eth_subscribe: the client waits for it
            if is_answer or self._faults.keep_notification(body):
                await client.send_str(message.data)
            else:
                self.faults_done[Done.NOTIFICATION_LOST] += 1
        await client.close(code=1012, message=b"upstream closed")

    async def _post(self, body: bytes) -> bytes:
        async with self._session.post(self._upstream_http, data=body, headers=_JSON) as response:
            return await response.read()


@contextlib.asynccontextmanager
async def start_strict_proxy(
    upstream_http: str,
    upstream_ws: str | None = None,
    *,
    rules: NodeRules | None = None,
    faults: Faults | None = None,
    port: int = 0,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[StrictProxy]:
    """Serves on 127.0.0.1 in this loop until the block ends. `upstream_ws` defaults to upstream_http as ws://."""
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS_MAX),
                timeout=aiohttp.ClientTimeout(total=_UPSTREAM_S),
                headers={"accept-encoding": "identity"},
            )
        )
        proxy = StrictProxy(
            session,
            upstream_http=upstream_http,
            upstream_ws=upstream_ws or "ws" + upstream_http.removeprefix("http"),
            rules=rules or NodeRules(),
            faults=faults or NoFaults(),
            sleep=sleep,
        )
        app = web.Application(client_max_size=_BODY_MAX)
        app.router.add_post("/{path:.*}", proxy.on_post)
        app.router.add_get("/{path:.*}", proxy.on_get)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(proxy.close_clients)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        host, bound = runner.addresses[0][:2]
        proxy.http_url, proxy.ws_url = f"http://{host}:{bound}", f"ws://{host}:{bound}"
        yield proxy


class StrictProxyProcess:
    """A proxy in a process of its own, so that it costs the caller's loop nothing."""

    def __init__(self, http_url: str, ws_url: str, pid: int) -> None:
        self.http_url = http_url
        self.ws_url = ws_url
        self.pid = pid

    async def counters(self) -> dict[str, dict[str, int]]:
        """`calls` by method, `refusals` by words."""
        async with aiohttp.ClientSession() as session, session.get(self.http_url) as response:
            counters: dict[str, dict[str, int]] = await response.json()
            return counters


@contextlib.asynccontextmanager
async def start_strict_proxy_process(
    upstream_http: str, *, gas_per_transaction_max: int | None = NodeRules().gas_per_transaction_max
) -> AsyncIterator[StrictProxyProcess]:
    """Raises RuntimeError with its last words if it does not start."""
    options = ["--upstream", upstream_http, "--port", "0", "--gas-cap", str(gas_per_transaction_max or 0)]
    async with start_child([sys.executable, "-m", "headrace.testing.strict_proxy", *options]) as process:
        assert process.stdout is not None
        async with asyncio.timeout(_START_S):
            line = await process.stdout.readline()
        if not line.startswith(b"{"):
            rest = await process.stdout.read()
            raise RuntimeError("the strict proxy did not start: " + (line + rest).decode(errors="replace")[-500:])
        urls: dict[str, Any] = json.loads(line)
        yield StrictProxyProcess(urls["http_url"], urls["ws_url"], process.pid)


async def _serve(options: argparse.Namespace) -> None:
    rules = NodeRules(gas_per_transaction_max=options.gas_cap or None)
    ended = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    async with start_strict_proxy(options.upstream, options.upstream_ws, rules=rules, port=options.port) as proxy:
        sys.stdout.write(json.dumps({"http_url": proxy.http_url, "ws_url": proxy.ws_url}) + "\n")
        sys.stdout.flush()
        await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m headrace.testing.strict_proxy", description=__doc__)
    parser.add_argument("--upstream", required=True, help="HTTP URL of the node")
    parser.add_argument("--upstream-ws", help="its WebSocket URL (default: the same as ws://)")
    parser.add_argument("--port", type=int, default=0, help="0: one that is free (default)")
    gas_cap = NodeRules().gas_per_transaction_max
    parser.add_argument("--gas-cap", type=int, default=gas_cap, help="gas per transaction; 0: no cap")
    uvloop.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()

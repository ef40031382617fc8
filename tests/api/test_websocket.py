"""/ws over a real socket."""

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.ferry import Ferry
from api.gateway import (
    FORBIDDEN_INTENT,
    Gateway,
    open_gateway,
    serve,
    submission,
    task_params,
    until,
    with_limits,
)
from headrace.api import GatewayServer, Topics
from headrace.api.ws import Sockets
from headrace.core.words import Outcome


class Client:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, message: object) -> None:
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def hear(self) -> Any:
        return json.loads(await asyncio.wait_for(self.socket.recv(), 20))

    async def subscribe(self, topic: str, id: object = "1") -> Any:
        await self.say({"type": "subscribe", "id": id, "method": topic, "params": None})
        answer = await self.hear()
        assert answer == {"type": "subscribed", "id": id, "subscription": topic}
        return answer

    async def update(self) -> Any:
        message = await self.hear()
        assert set(message) == {"type", "subscription", "result"} and message["type"] == "update", message
        return message["result"]


@asynccontextmanager
async def client_of(gateway: Gateway) -> AsyncIterator[Client]:
    async with serve(gateway.app) as (host, port), connect(f"ws://{host}:{port}/ws") as websocket:
        yield Client(websocket)


def sockets_of(gateway: Gateway) -> Sockets:
    sockets = gateway.app.state.sockets  # type: ignore[attr-defined]
    assert isinstance(sockets, Sockets)
    return sockets


async def test_a_task_is_followed_from_send_task_to_its_end_on_chain(gateway: Gateway) -> None:
    gateway.keep_operators_quiet()
    async with client_of(gateway) as client:
        sent = await gateway.call("newt_sendTask", task_params(operation_id="one"))
        await client.subscribe(sent["subscription_topic"])
        update = await client.update()
        assert (update["event"], update["task_id"]) == ("evaluating", sent["task_id"])
        assert update["data"]["status"] == "processing"
        gateway.let_operators_answer()
        update = await client.update()
        assert (update["event"], update["data"]["status"]) == ("certified", "success")
        assert update["data"]["result"]["task_response"]["task_id"] == sent["task_id"]
        assert len(update["data"]["result"]["signature_data"]) == 2 + 2 * 128
        await until(lambda: gateway.stored() == (1, 1))
        ferry = Ferry(gateway)
        await ferry.batch()
        await ferry.mine()
        await ferry.uncle()
        await ferry.mine()
        await ferry.settle()
        events = [await client.update() for _ in range(6)]
        assert [e["event"] for e in events] == ["batched", "mined", "retracted", "mined", "final", "done"]
        assert events[1]["data"]["result"]["transaction"]["block_number"] == 7


async def test_a_late_subscriber_is_told_how_things_stand(gateway: Gateway) -> None:
    await gateway.call("newt_createTask", task_params(operation_id="good"))
    await gateway.error("newt_createTask", task_params(operation_id="bad", intent=FORBIDDEN_INTENT))
    await gateway.call("headrace_submit", submission(operation_id="other"))
    async with client_of(gateway) as client:
        good = await gateway.call("newt_createTask", task_params(operation_id="good"))
        await client.subscribe(f"newton.task.{good['task_id']}")
        update = await client.update()
        assert update["event"] == "certified"
        assert update["data"]["result"]["signature_data"] == good["signature_data"]
        await client.subscribe("headrace.operation.bad", id=7)
        update = await client.update()
        assert (update["event"], update["data"]["outcome"], update["operation_id"]) == ("done", "rejected", "bad")
        await client.subscribe("headrace.operation.other", id=None)
        assert (await client.update())["data"]["status"] == "queued"
        await gateway.end("good", Outcome.EXPIRED)
        update = await client.update()
        assert (update["event"], update["data"]["status"]) == ("done", "failed")
        assert update["data"]["result"]["outcome"] == "expired"


async def test_what_does_not_exist_yet_can_be_subscribed_to(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        await client.subscribe("headrace.operation.one")
        await client.subscribe("headrace.batches")
        await gateway.call("headrace_submit", submission(operation_id="one"))
        ferry = Ferry(gateway)
        await ferry.batch()
        assert {(await client.update())["event"], (await client.update())["event"]} == {"batched"}


async def test_unsubscribed_hears_nothing_more(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        await client.subscribe("headrace.operation.one")
        unsubscribe = {"type": "unsubscribe", "id": "2", "method": "headrace.operation.one"}
        await client.say(unsubscribe)
        unsubscribed = {"type": "unsubscribed", "id": "2", "subscription": "headrace.operation.one"}
        assert await client.hear() == unsubscribed
        await gateway.call("headrace_submit", submission(operation_id="one"))
        await gateway.end("one")
        await client.say({"type": "ping", "id": 3})
        assert await client.hear() == {"type": "pong", "id": 3}
        await client.say(unsubscribe)
        answer = await client.hear()
        assert (answer["type"], answer["id"]) == ("error", "2")
        assert "not subscribed" in answer["error"]["message"]
        assert gateway.topics.subscriptions == 0


@pytest.mark.parametrize(
    ("message", "id", "code", "says"),
    [
        ("", None, -32700, "not valid JSON"),
        ("{", None, -32700, "not valid JSON"),
        (b"{}", None, -32700, "text, not binary"),
        ("[" * 9, None, -32700, "nests too deep"),
        ("[]", None, -32602, "a list is not an object"),
        ("7", None, -32602, "7 is not an object"),
        ({}, None, -32602, "type: is missing"),
        ({"type": "dance"}, None, -32602, "none of subscribe, unsubscribe, ping"),
        ({"type": "subscribe", "id": "5"}, "5", -32602, "method: is missing"),
        ({"type": "subscribe", "id": "5", "method": "headrace.blocks"}, "5", -32602, "is no topic"),
        ({"type": "subscribe", "id": "5", "method": "newton.task.0x12"}, "5", -32602, "2 bytes|1 bytes"),
        ({"type": "subscribe", "id": [5], "method": "headrace.batches"}, None, -32602, "id: is neither"),
        ({"type": "subscribe", "id": "5", "method": "headrace.batches", "topic": 1}, None, -32602, "topic: is no"),
    ],
)
async def test_a_bad_message_is_answered_precisely_and_the_connection_lives_on(
    gateway: Gateway, message: object, id: object, code: int, says: str
) -> None:
    async with client_of(gateway) as client:
        await client.say(message)
        answer = await client.hear()
        assert (answer["type"], answer["id"], answer["error"]["code"]) == ("error", id, code)
        assert any(part in answer["error"]["message"] for part in says.split("|")), answer
        await client.subscribe("headrace.batches")


async def test_too_large_a_message_ends_the_connection(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        await client.say("x" * 20_000)
        with pytest.raises(ConnectionClosed) as closed:
            await client.hear()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009
    await until(lambda: sockets_of(gateway).connections == 0)


async def test_who_neither_listens_nor_speaks_is_closed(gateway: Gateway) -> None:
    async with (
        serve(gateway.app) as (host, port),
        connect(f"ws://{host}:{port}/ws") as idle,
        connect(f"ws://{host}:{port}/ws") as listening,
    ):
        await Client(listening).subscribe("headrace.batches")
        await Client(idle).say({"type": "ping"})
        await Client(idle).hear()
        await until(lambda: gateway.clock.sleeping == 2)
        gateway.clock.advance(60)  # it spoke in these
        await until(lambda: gateway.clock.sleeping == 2)
        assert sockets_of(gateway).connections == 2
        gateway.clock.advance(60)
        with pytest.raises(ConnectionClosed) as closed:
            await Client(idle).hear()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
            1000,
            "no subscription and no message for 60 s",
        )
        await Client(listening).say({"type": "ping"})
        assert (await Client(listening).hear())["type"] == "pong"


async def test_everything_of_a_closed_connection_is_freed(gateway: Gateway) -> None:
    async with serve(gateway.app) as (host, port):
        for _ in range(20):
            async with connect(f"ws://{host}:{port}/ws") as websocket:
                client = Client(websocket)
                await client.subscribe("headrace.batches")
                await client.subscribe("newton.task.0x" + "01" * 32)
                assert gateway.topics.subscriptions >= 2
        for _ in range(5):  # cut off without a goodbye
            async with connect(f"ws://{host}:{port}/ws") as websocket:
                await Client(websocket).subscribe("headrace.batches")
                websocket.transport.abort()
        await until(lambda: sockets_of(gateway).connections == 0)
        assert (gateway.topics.subscriptions, gateway.topics.listeners) == (0, 0)
        await until(lambda: gateway.clock.sleeping == 0)


async def test_one_connection_more_than_may_be_is_told_so(tmp_path: Path) -> None:
    async with (
        open_gateway(tmp_path, limits=with_limits(sockets_max=1)) as gateway,
        serve(gateway.app) as (host, port),
        connect(f"ws://{host}:{port}/ws"),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{host}:{port}/ws")
        assert refused.value.response.status_code == 503


async def test_a_stop_of_the_server_closes_politely(gateway: Gateway) -> None:
    async with serve(gateway.app) as (host, port):
        websocket = await connect(f"ws://{host}:{port}/ws")
        await Client(websocket).subscribe("headrace.batches")
    with pytest.raises(ConnectionClosed) as closed:
        await websocket.recv()
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012
    assert (sockets_of(gateway).connections, gateway.topics.subscriptions) == (0, 0)


# ---- Slow readers


def shake_hands(host: str, port: int) -> socket.socket:
    """A client with a small window that says what it must, and then never reads."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.settimeout(10)
    slow.connect((host, port))
    key = base64.b64encode(os.urandom(16)).decode()
    slow.sendall(
        f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b"101" in slow.recv(64)
    message = json.dumps({"type": "subscribe", "id": "1", "method": "headrace.batches"}).encode()
    slow.sendall(bytes([0x81, 0x80 | len(message)]) + bytes(4) + message)
    return slow


async def slow_reader_is_cut_off(folder: Path) -> None:
    limits = with_limits(socket_close_s=0.1)
    async with open_gateway(folder, limits=limits, topics=Topics(waiting_max=50)) as gateway:
        for id in range(3):
            await gateway.call("headrace_submit", submission(operation_id=f"op-{id}"))
        ferry = Ferry(gateway)
        await ferry.batch()
        servers: list[GatewayServer] = []
        async with serve(gateway.app, into=servers) as (host, port):
            with await asyncio.to_thread(shake_hands, host, port):
                await until(lambda: gateway.topics.subscriptions == 1)
                told = 0
                while gateway.topics.subscriptions:
                    await ferry.tell("sent")
                    told += 1
                    assert told < 50_000, "nothing stops what is kept for it"
                await until(lambda: sockets_of(gateway).connections == 0)
                assert (gateway.topics.listeners, gateway.clock.sleeping) == (0, 0)
                await until(lambda: not servers[0].server_state.connections)  # cut, though it never read


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_reads_too_slowly_is_closed_and_costs_nothing_more(tmp_path: Path, loop: Any) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(slow_reader_is_cut_off(tmp_path))


async def test_a_reader_that_falls_behind_but_still_reads_is_told_why(tmp_path: Path) -> None:
    async with open_gateway(tmp_path, topics=Topics(waiting_max=5)) as gateway, client_of(gateway) as client:
        await gateway.call("headrace_submit", submission(operation_id="one"))
        ferry = Ferry(gateway)
        await ferry.batch()
        await client.subscribe("headrace.batches")
        accounts = [await gateway.store.account(id) for id in ferry.ids]
        assert accounts
        news = await captured(gateway, ferry)
        for _ in range(6):  # at once: nobody could have read in between
            gateway.topics(news)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await client.hear()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, "5 updates were not read in time")


async def captured(gateway: Gateway, ferry: Ferry) -> Any:
    caught: list[Any] = []
    topics, gateway.topics = gateway.topics, caught.append  # type: ignore[assignment]
    await ferry.tell("sent")
    gateway.topics = topics
    return caught[0]

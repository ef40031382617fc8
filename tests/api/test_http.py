"""Bodies, disconnects and health over a real socket."""

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from api.gateway import Gateway, open_gateway, serve, submission, task_params, until, with_limits
from headrace.api.gateway import gateway_app
from headrace.api.rpc import Rpc
from headrace.core.words import Selector

LANES = b'{"jsonrpc":"2.0","id":1,"method":"headrace_lanes"}'


def rpc_of(gateway: Gateway) -> Rpc:
    rpc = gateway.app.state.rpc  # type: ignore[attr-defined]
    assert isinstance(rpc, Rpc)
    return rpc


class Wire:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def closed(self) -> bool:
        async with asyncio.timeout(20):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True


@asynccontextmanager
async def wire_to(host: str, port: int) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST /rpc HTTP/1.1", "host: x", *lines, "", ""]).encode()


async def test_requests_are_answered_one_after_the_other_on_one_connection(gateway: Gateway) -> None:
    async with serve(gateway.app) as address, wire_to(*address) as wire:
        await wire.send((head(f"content-length: {len(LANES)}") + LANES) * 3)
        for _ in range(3):
            status, headers, body = await wire.answer()
            assert (status, headers["content-type"]) == (200, "application/json")
            assert json.loads(body)["result"] == {"lanes": []}


async def test_an_announced_body_over_the_bound_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with open_gateway(tmp_path, limits=with_limits(body_bytes_max=1000)) as gateway:
        async with serve(gateway.app) as address, wire_to(*address) as wire:
            await wire.send(head("content-length: 1001"))
            status, _, body = await wire.answer()
            assert status == 413
            assert "has 1001 bytes, at most 1000" in json.loads(body)["error"]["message"]
            await wire.send(b" " * 1001, head(f"content-length: {len(LANES)}"), LANES)
            assert (await wire.answer())[0] == 200  # what was on its way is thrown away, and on we go
        async with serve(gateway.app) as address, wire_to(*address) as wire:
            await wire.send(head(f"content-length: {10**15}"))
            status, headers, _ = await wire.answer()
            assert (status, headers["connection"]) == (413, "close") and await wire.closed()


async def test_a_body_of_unknown_length_is_cut_off_at_the_bound(tmp_path: Path) -> None:
    async with open_gateway(tmp_path, limits=with_limits(body_bytes_max=1000)) as gateway:
        async with serve(gateway.app) as address, wire_to(*address) as wire:
            await wire.send(head("transfer-encoding: chunked"), b"3e8\r\n" + b" " * 1000 + b"\r\n")
            await wire.send(b"1\r\n \r\n")
            status, headers, body = await wire.answer()
            assert (status, headers["connection"]) == (413, "close") and await wire.closed()
            assert "more than 1000 bytes" in json.loads(body)["error"]["message"]
        assert rpc_of(gateway)._bodies.held_bytes == 0


async def test_a_body_of_exactly_the_bound_is_read(tmp_path: Path) -> None:
    async with (
        open_gateway(tmp_path, limits=with_limits(body_bytes_max=1000)) as gateway,
        serve(gateway.app) as address,
        wire_to(*address) as wire,
    ):
        await wire.send(head("content-length: 1000"), LANES.ljust(1000))
        assert (await wire.answer())[0] == 200


async def test_all_bodies_together_are_bounded(tmp_path: Path) -> None:
    limits = with_limits(body_bytes_max=50_000, bodies_bytes_max=60_000)
    async with open_gateway(tmp_path, limits=limits) as gateway, serve(gateway.app) as address:
        async with wire_to(*address) as first, wire_to(*address) as second:
            await first.send(head("content-length: 50000"), b" " * 40_000)
            await until(lambda: rpc_of(gateway)._bodies.held_bytes == 40_000)
            await second.send(head("content-length: 50000"), b" " * 40_000)
            status, headers, body = await second.answer()
            assert (status, headers["retry-after"]) == (503, "1")
            assert json.loads(body)["error"]["code"] == -32005
            await first.send(LANES.rjust(10_000))
            assert (await first.answer())[0] == 200
        await until(lambda: rpc_of(gateway)._bodies.held_bytes == 0)


async def test_a_body_that_does_not_arrive_is_not_waited_for_without_end(tmp_path: Path) -> None:
    async with (
        open_gateway(tmp_path, limits=with_limits(body_read_s=0.05)) as gateway,
        serve(gateway.app) as address,
        wire_to(*address) as wire,
    ):
        await wire.send(head("content-length: 100"), b"{")
        status, headers, body = await wire.answer()
        assert (status, headers["connection"]) == (408, "close") and await wire.closed()
        assert "within 0.05 s" in json.loads(body)["error"]["message"]


async def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing(gateway: Gateway) -> None:
    async with serve(gateway.app) as address:
        async with wire_to(*address) as wire:
            await wire.send(head("content-length: 100"), b"{")
            await until(lambda: rpc_of(gateway)._bodies.held_bytes == 1)
        await until(lambda: rpc_of(gateway)._bodies.held_bytes == 0)


async def test_a_client_that_hangs_up_frees_its_place_and_its_evaluation(gateway: Gateway) -> None:
    gateway.keep_operators_quiet()
    request = {"jsonrpc": "2.0", "id": 1, "method": "newt_createTask", "params": task_params(operation_id="one")}
    body = json.dumps(request).encode()
    async with serve(gateway.app) as address:
        async with wire_to(*address) as wire:
            await wire.send(head(f"content-length: {len(body)}"), body)
            await until(lambda: gateway.operators[0].asked == 1)
            assert (rpc_of(gateway).calls, gateway.desk.running()) == (1, 1)
        await until(lambda: rpc_of(gateway).calls == 0 and gateway.desk.running() == 0)
        gateway.let_operators_answer()
        async with wire_to(*address) as wire:  # and comes back, with the same id
            await wire.send(head(f"content-length: {len(body)}"), body)
            assert json.loads((await wire.answer())[2])["result"]["operation_id"] == "one"


async def test_a_waiter_that_hangs_up_listens_no_longer(gateway: Gateway) -> None:
    await gateway.call("headrace_submit", submission(operation_id="one"))
    request = {"jsonrpc": "2.0", "id": 1, "method": "headrace_waitOperation", "params": {"operation_id": "one"}}
    body = json.dumps([request]).encode()
    async with serve(gateway.app) as address:
        async with wire_to(*address) as wire:
            await wire.send(head(f"content-length: {len(body)}"), body)
            await until(lambda: gateway.clock.sleeping == 1)
        await until(lambda: gateway.topics.listeners == 0)
        await until(lambda: gateway.clock.sleeping == 0 and rpc_of(gateway).calls == 0)


async def test_a_submission_whose_client_hung_up_is_stored_once(gateway: Gateway) -> None:
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "headrace_submit",
        "params": submission(operation_id="one"),
    }
    body = json.dumps(request).encode()
    async with serve(gateway.app) as address:
        async with wire_to(*address) as wire:
            await wire.send(head(f"content-length: {len(body)}"), body)
        await until(lambda: gateway.stored() == (0, 1))
        async with aiohttp.ClientSession() as session:
            url = "http://{}:{}/rpc".format(*address)
            async with session.post(url, data=body) as reply:
                assert (await reply.json())["result"] == {"operation_id": "one", "state": "queued"}
        assert gateway.stored() == (0, 1)


async def test_an_ordinary_client_reads_the_413_of_a_large_body(gateway: Gateway) -> None:
    async with (
        serve(gateway.app) as address,
        aiohttp.ClientSession() as session,
        session.post("http://{}:{}/rpc".format(*address), data=io.BytesIO(b" " * (2 << 20))) as reply,
    ):
        assert reply.status == 413
        assert (await reply.json())["error"]["code"] == -32600


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/"])
async def test_health_is_told_in_json(gateway: Gateway, path: str) -> None:
    async with (
        serve(gateway.app) as address,
        aiohttp.ClientSession() as session,
        session.get("http://{}:{}{}".format(*address, path)) as reply,
    ):
        assert reply.status == 200
        document = await reply.json()
    assert document.get("status") == "alive" or document.get("ready") is True or document["rpc"] == "POST /rpc"


async def test_not_ready_says_why(gateway: Gateway) -> None:
    gateway.reasons = ["the chain does not answer: refused", "lane 0x01 has no coin"]
    async with serve(gateway.app) as address, aiohttp.ClientSession() as session:
        async with session.get("http://{}:{}/readyz".format(*address)) as reply:
            assert (reply.status, await reply.json()) == (503, {"ready": False, "reasons": gateway.reasons})
        async with session.get("http://{}:{}/healthz".format(*address)) as reply:
            assert reply.status == 200
        async with session.get("http://{}:{}/nowhere".format(*address)) as reply:
            assert reply.status == 404


async def test_reverts_that_nobody_can_read_are_shown_and_are_no_reason_to_be_unready(gateway: Gateway) -> None:
    unknown = {Selector(bytes.fromhex("deadbeef")): 3, Selector(b""): 1}
    app = gateway_app(replace(gateway.services, unknown_reverts=lambda: unknown))
    async with (
        serve(app) as address,
        aiohttp.ClientSession() as session,
        session.get("http://{}:{}/readyz".format(*address)) as reply,
    ):
        told = {"ready": True, "reasons": [], "unknown_reverts": {"0xdeadbeef": 3, "0x": 1}}
        assert (reply.status, await reply.json()) == (200, told)


async def test_a_connection_that_never_sends_harms_nobody(gateway: Gateway) -> None:
    async with serve(gateway.app) as address:
        silent = [socket.create_connection(address) for _ in range(20)]
        async with wire_to(*address) as wire:
            await wire.send(head(f"content-length: {len(LANES)}"), LANES)
            assert (await wire.answer())[0] == 200
        for each in silent:
            each.close()

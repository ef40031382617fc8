"""`Heads` on a real chain, directly and through a relay that can be cut."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from chain.conftest import Anvil, RealClock, until
from chain.relay import Relay
from headrace.chain.endpoints import Endpoints
from headrace.chain.heads import Heads
from headrace.chain.node import RpcNode
from headrace.core.words import Block
from headrace.testing.clock import HandClock


class Listener:
    """Runs the iteration in a task, as the engine does, and keeps what came."""

    def __init__(self, heads: Heads) -> None:
        self.heads = heads
        self.blocks: list[Block] = []
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async for block in self.heads:
            self.blocks.append(block)

    @property
    def numbers(self) -> list[int]:
        return [block.number for block in self.blocks]

    async def heard(self, count: int) -> None:
        await until(lambda: len(self.blocks) >= count or self._task.done())
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def listening(heads: Heads) -> AsyncIterator[Listener]:
    before = asyncio.all_tasks()
    listener = Listener(heads)
    yield listener
    await listener.stop()
    # Cancellation leaves nothing behind. (The library closes its transport in the same breath.)
    await until(lambda: not (asyncio.all_tasks() - before), within_s=3)


async def mine(endpoints: Endpoints, count: int = 1) -> None:
    for _ in range(count):
        await endpoints.ask("anvil_mine", "0x1")


async def test_polling_begins_with_the_head_and_yields_each_new_one_once(
    node: RpcNode, endpoints: Endpoints
) -> None:
    clock = HandClock()
    head = await node.head()
    async with listening(Heads(node, clock=clock, poll_every_s=1, quiet_s=6)) as listener:
        await listener.heard(1)
        assert listener.blocks == [head]

        for _ in range(3):  # the same head again is not a new one
            await until(lambda: clock.sleeping > 0)
            clock.advance(1)
        await until(lambda: clock.sleeping > 0)
        assert listener.blocks == [head]

        await mine(endpoints)
        clock.advance(1)
        await listener.heard(2)
        assert listener.numbers == [head.number, head.number + 1]


async def test_polling_sees_a_reorg_as_another_head_of_the_same_height(
    node: RpcNode, endpoints: Endpoints
) -> None:
    clock = HandClock()
    await mine(endpoints, 2)
    async with listening(Heads(node, clock=clock, poll_every_s=1, quiet_s=6)) as listener:
        await listener.heard(1)
        await endpoints.ask("anvil_reorg", 1, [])
        await until(lambda: clock.sleeping > 0)
        clock.advance(1)
        await listener.heard(2)
        old, new = listener.blocks
        assert (old.number, old.parent_hash) == (new.number, new.parent_hash)
        assert old.hash != new.hash


async def test_the_socket_announces_each_head_and_nothing_is_polled(
    node: RpcNode, endpoints: Endpoints, anvil: Anvil
) -> None:
    clock = HandClock()  # never moves: whatever comes after the first was announced
    heads = Heads(node, clock=clock, poll_every_s=1, quiet_s=6, websocket=anvil.ws)
    async with listening(heads) as listener:
        await listener.heard(1)
        await until(lambda: heads.listening)
        await mine(endpoints, 5)
        await listener.heard(6)
        first = listener.numbers[0]
        assert listener.numbers == list(range(first, first + 6))
        assert listener.blocks[-1] == await node.head()


async def test_who_was_busy_with_a_head_for_long_hears_only_the_newest_of_those_that_came_meanwhile(
    node: RpcNode, endpoints: Endpoints, anvil: Anvil
) -> None:
    clock = HandClock()
    heads = Heads(node, clock=clock, poll_every_s=1, quiet_s=60, websocket=anvil.ws)
    blocks: list[Block] = []
    mined_meanwhile = asyncio.Event()

    async def slow() -> None:
        async for block in heads:
            blocks.append(block)
            if len(blocks) == 2:
                await mined_meanwhile.wait()

    busy = asyncio.create_task(slow())
    await until(lambda: heads.listening)
    await mine(endpoints)
    await until(lambda: len(blocks) == 2)
    await mine(endpoints, 8)
    clock.advance(1)
    mined_meanwhile.set()
    head = await node.head()
    await until(lambda: blocks[-1] == head)
    assert len(blocks) < 10, "not one after the other"
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)


async def test_the_socket_announces_the_blocks_of_a_reorg(
    node: RpcNode, endpoints: Endpoints, anvil: Anvil
) -> None:
    await mine(endpoints, 3)
    old = await node.head()
    heads = Heads(node, clock=HandClock(), poll_every_s=1, quiet_s=6, websocket=anvil.ws)
    async with listening(heads) as listener:
        await listener.heard(1)
        await until(lambda: heads.listening)
        await endpoints.ask("anvil_reorg", 2, [])
        await until(lambda: listener.blocks[-1].number == old.number and len(listener.blocks) > 1)
        assert listener.blocks[-1] == await node.head()
        assert listener.blocks[-1].hash != old.hash


async def test_while_the_socket_is_down_it_polls_and_then_listens_again(
    node: RpcNode, endpoints: Endpoints, anvil: Anvil
) -> None:
    clock = HandClock()
    async with Relay(anvil.port) as relay:
        heads = Heads(
            node, clock=clock, poll_every_s=1, quiet_s=60, websocket=f"ws://127.0.0.1:{relay.port}/?key=secret"
        )
        async with listening(heads) as listener:
            await listener.heard(1)
            await until(lambda: heads.listening)

            await relay.cut()
            await until(lambda: not heads.listening)
            await mine(endpoints)
            await until(lambda: clock.sleeping > 0)
            await until(lambda: _advanced(clock, listener, 2))
            assert heads.trouble is not None
            assert "127.0.0.1" in heads.trouble
            assert "secret" not in heads.trouble

            await relay.open()
            await until(lambda: _advance_until_listening(clock, heads))
            assert heads.trouble is None
            count = len(listener.blocks)
            await mine(endpoints, 2)
            await listener.heard(count + 2)
            assert listener.blocks[-1] == await node.head()


def _advanced(clock: HandClock, listener: Listener, count: int) -> bool:
    clock.advance(1)
    return len(listener.blocks) >= count


def _advance_until_listening(clock: HandClock, heads: Heads) -> bool:
    if not heads.listening:
        clock.advance(1)
    return heads.listening


async def test_a_deaf_socket_is_found_out_by_asking(node: RpcNode, endpoints: Endpoints, anvil: Anvil) -> None:
    clock = HandClock()
    async with Relay(anvil.port) as relay:
        heads = Heads(node, clock=clock, poll_every_s=1, quiet_s=6, websocket=f"ws://127.0.0.1:{relay.port}")
        async with listening(heads) as listener:
            await listener.heard(1)
            await until(lambda: heads.listening)
            relay.deaf = True
            for expected in (2, 3):
                await mine(endpoints)
                clock.advance(6)
                await listener.heard(expected)
            await until(lambda: not heads.listening)
            assert heads.trouble is not None
            assert "silent" in heads.trouble
            relay.deaf = False
            await until(lambda: _advance_until_listening(clock, heads))
            assert relay.connected == 2


async def test_trouble_with_the_node_never_ends_it(endpoints: Endpoints, anvil: Anvil) -> None:
    clock = HandClock()
    async with Relay(anvil.port) as relay:
        through = Endpoints([f"http://127.0.0.1:{relay.port}"], clock=RealClock(), timeout_s=5)
        heads = Heads(RpcNode(through), clock=clock, poll_every_s=1, quiet_s=6)
        await relay.cut()
        async with listening(heads) as listener:
            await until(lambda: heads.trouble is not None)
            await relay.open()
            await until(lambda: _advanced(clock, listener, 1))
            assert heads.trouble is None
            await through.close()
            await relay.cut()


async def test_an_announcement_that_lacks_fields_is_completed_by_asking(
    node: RpcNode, endpoints: Endpoints
) -> None:
    announce = asyncio.Event()

    async def poor_node(connection: ServerConnection) -> None:
        request = json.loads(await connection.recv())
        await connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": "0x9"}))
        await announce.wait()
        head = await node.head()
        header = {"number": hex(head.number), "hash": "0x" + head.hash.hex()}
        params = {"subscription": "0x9", "result": header}
        await connection.send(json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": params}))
        await connection.wait_closed()

    async with serve(poor_node, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        heads = Heads(node, clock=HandClock(), poll_every_s=1, quiet_s=6, websocket=f"ws://127.0.0.1:{port}")
        async with listening(heads) as listener:
            await listener.heard(1)
            await until(lambda: heads.listening)
            await mine(endpoints)
            announce.set()
            await listener.heard(2)
            assert listener.blocks[-1] == await node.head()


async def test_a_node_that_refuses_to_subscribe_is_polled(node: RpcNode) -> None:
    async def refusing(connection: ServerConnection) -> None:
        request = json.loads(await connection.recv())
        error = {"code": -32601, "message": "the method eth_subscribe does not exist/is not available"}
        await connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}))
        await connection.wait_closed()

    clock = HandClock()
    async with serve(refusing, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        heads = Heads(node, clock=clock, poll_every_s=1, quiet_s=6, websocket=f"ws://127.0.0.1:{port}")
        async with listening(heads) as listener:
            await listener.heard(1)
            await until(lambda: heads.trouble is not None)
            assert "eth_subscribe" in (heads.trouble or "")


async def test_cancelled_while_it_connects_it_leaves_nothing(node: RpcNode, anvil: Anvil) -> None:
    async with Relay(anvil.port) as relay:
        relay.deaf = True  # the handshake never ends
        heads = Heads(node, clock=HandClock(), poll_every_s=1, quiet_s=6, websocket=f"ws://127.0.0.1:{relay.port}")
        async with listening(heads) as listener:
            await listener.heard(1)
            await until(lambda: relay.connected == 1)
        assert not heads.listening


async def test_leaving_the_loop_by_closing_it_leaves_nothing(node: RpcNode, anvil: Anvil) -> None:
    heads = Heads(node, clock=HandClock(), poll_every_s=1, quiet_s=6, websocket=anvil.ws)
    before = asyncio.all_tasks()
    async with aclosing(aiter(heads)) as blocks:
        async for block in blocks:
            assert block == await node.head()
            break
    await until(lambda: not (asyncio.all_tasks() - before), within_s=3)


async def test_whoever_is_cancelled_between_two_heads_closes_it(
    node: RpcNode, endpoints: Endpoints, anvil: Anvil
) -> None:
    heads = Heads(node, clock=HandClock(), poll_every_s=1, quiet_s=6, websocket=anvil.ws)
    before = asyncio.all_tasks()
    blocks = aiter(heads)
    await anext(blocks)
    following = asyncio.create_task(anext(blocks))
    await until(lambda: heads.listening)
    await mine(endpoints)
    await following
    assert heads.listening
    await heads.close()
    assert not heads.listening
    await until(lambda: not (asyncio.all_tasks() - before), within_s=3)


@pytest.mark.parametrize("url", ["http://host/key", "ws://", "key"])
def test_a_url_that_is_no_websocket_is_refused_without_being_shown(node: RpcNode, url: str) -> None:
    with pytest.raises(ValueError, match="ws://") as refused:
        Heads(node, clock=HandClock(), poll_every_s=1, quiet_s=6, websocket=url)
    assert "key" not in str(refused.value)

"""New heads, as soon as they can be known: by asking again and again, or by a subscription.

Promises  every change of the newest block is yielded with the time at which it was seen; trouble is reported,
          never raised.
Leaves    gaps and reorgs to `watch`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import aiohttp
import msgspec

from headrace.app.chain_watch.node import NodeSays, NodeUnreachable, PlainNode
from headrace.app.chain_watch.wire import Block, WireBlock, read_block

PAUSE_IN_TROUBLE_MAX_S: Final = 1.0
SILENCE_MAX_S: Final = 5.0  # of a subscription, before we ask for the head ourselves
HEARTBEAT_S: Final = 15.0

Trouble = Callable[[str | None], None]  # what is wrong, or None once it works again


async def newest(node: PlainNode) -> Block | None:
    wire = await node.call("eth_getBlockByNumber", ["latest", False], WireBlock)
    return None if wire is None else read_block(wire)


async def polled_heads(
    node: PlainNode, *, poll_s: float, clock: Callable[[], float], trouble: Trouble
) -> AsyncIterator[tuple[Block, float]]:
    """Asks for the newest block every `poll_s` seconds; yields it with the time of the answer when it changed."""
    last = b""
    pause_s = poll_s
    while True:
        try:
            head = await newest(node)
        except (NodeSays, NodeUnreachable) as error:
            trouble(str(error))
            pause_s = min(pause_s * 2, PAUSE_IN_TROUBLE_MAX_S)
        else:
            seen_at_s = clock()
            trouble(None)
            pause_s = poll_s
            if head is not None and head.hash != last:
                last = head.hash
                yield head, seen_at_s
        await asyncio.sleep(pause_s)


async def pushed_heads(
    node: PlainNode, ws_url: str, *, clock: Callable[[], float], trouble: Trouble
) -> AsyncIterator[tuple[Block, float]]:
    """Heads of an eth_subscribe over WebSocket; subscribes again when it breaks, asks when it is silent."""
    pause_s = 0.05
    while True:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(ws_url, heartbeat=HEARTBEAT_S, max_msg_size=1 << 20) as socket,
            ):
                await socket.send_json(
                    {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
                )
                async for head, seen_at_s in _heads_of(socket, node, clock):
                    trouble(None)
                    pause_s = 0.05
                    yield head, seen_at_s
        except (aiohttp.ClientError, OSError, NodeSays, NodeUnreachable) as error:
            trouble(f"subscription to new heads: {type(error).__name__}: {error}")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, PAUSE_IN_TROUBLE_MAX_S)


class _Params(msgspec.Struct):
    result: WireBlock


class _Message(msgspec.Struct):
    """Either the answer to eth_subscribe (a result or an error) or a head."""

    params: _Params | None = None
    error: dict[str, object] | None = None


async def _heads_of(
    socket: aiohttp.ClientWebSocketResponse, node: PlainNode, clock: Callable[[], float]
) -> AsyncIterator[tuple[Block, float]]:
    """Ends when the socket does. Raises NodeUnreachable for a refused subscription or an unreadable message."""
    while True:
        try:
            message = await socket.receive(timeout=SILENCE_MAX_S)
        except TimeoutError:
            head = await newest(node)
            if head is not None:
                yield head, clock()
            continue
        seen_at_s = clock()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return
        try:
            told = msgspec.json.decode(message.data, type=_Message)
        except msgspec.MsgspecError as problem:
            raise NodeUnreachable(f"eth_subscribe: unreadable message: {problem}") from problem
        if told.error is not None:
            raise NodeUnreachable(f"eth_subscribe: node says {told.error}")
        if told.params is None:
            # Subscribed. A block that came before this moment is announced by nobody: ask once.
            head = await newest(node)
            if head is not None:
                yield head, clock()
        else:
            yield read_block(told.params.result), seen_at_s

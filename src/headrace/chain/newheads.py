"""One WebSocket on which a node announces new heads (eth_subscribe, newHeads).

Owns      the subscription, and when to connect again (growing pauses).
Promises  every end of a connection is `SocketDown`, whose reason names the host only; closing leaves nothing.
Leaves    what to do while there is none to `chain.heads`.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from headrace.chain.endpoints import host_of
from headrace.chain.hexes import shown
from headrace.core.ports import Clock

_MESSAGE_BYTES_MAX: Final = 1024 * 1024
_CLOSE_TIMEOUT_S: Final = 1.0
_PING_EVERY_S: Final = 20.0
_OPEN_TIMEOUT_S: Final = 10.0

# The library logs handshakes with the whole URL, and the URL is often a key.
_silent = logging.Logger("headrace.chain.newheads.silent", level=logging.CRITICAL + 1)


class SocketDown(Exception):
    """The subscription ended, or could not be made."""


class NewHeads:
    """A running subscription. `next` answers with headers as the node sent them (JSON)."""

    def __init__(self, connection: ClientConnection, host: str, subscription: str) -> None:
        self._connection = connection
        self._host = host
        self._subscription = subscription

    @classmethod
    async def open(cls, url: str, *, timeout_s: float) -> "NewHeads":
        """Raises SocketDown."""
        host = host_of(url, schemes=("ws", "wss"), what="websocket")
        try:
            async with asyncio.timeout(timeout_s):
                connection = await connect(
                    url,
                    open_timeout=None,  # the timeout around all of it counts
                    close_timeout=_CLOSE_TIMEOUT_S,
                    ping_interval=_PING_EVERY_S,
                    ping_timeout=_PING_EVERY_S,
                    max_size=_MESSAGE_BYTES_MAX,
                    proxy=None,
                    logger=_silent,
                )
                try:
                    return cls(connection, host, await _subscribe(connection))
                except BaseException:
                    await connection.close()
                    raise
        except SocketDown as down:
            raise SocketDown(f"{host}: {down}") from None
        except TimeoutError:
            raise SocketDown(f"{host}: no subscription in {timeout_s:g} s") from None
        except (OSError, WebSocketException) as error:
            raise SocketDown(f"{host}: {type(error).__name__}") from None

    async def next(self) -> object:
        """May be cancelled without losing a header. Raises SocketDown."""
        while True:
            try:
                message = _read(await self._connection.recv())
            except (OSError, WebSocketException) as error:
                raise SocketDown(f"{self._host}: {type(error).__name__}") from None
            except SocketDown as down:
                raise SocketDown(f"{self._host}: {down}") from None
            params = message.get("params")
            if isinstance(params, Mapping) and params.get("subscription") == self._subscription:
                return params.get("result")

    async def newest(self) -> object:
        """Waits for a header, then goes on to the last of those that are there already. Raises SocketDown."""
        header = await self.next()
        while True:
            try:
                async with asyncio.timeout(0):  # only what is there at once
                    header = await self.next()
            except TimeoutError:
                return header

    async def close(self) -> None:
        await self._connection.close()


class Line:
    """Keeps a subscription up: connects in the background, and after a loss again, with growing pauses."""

    def __init__(self, url: str, *, clock: Clock, pause_first_s: float, pause_most_s: float) -> None:
        """Raises ValueError for a URL that is not ws(s)://host..., without showing it."""
        host_of(url, schemes=("ws", "wss"), what="websocket")
        self._url = url
        self._clock = clock
        self._pause_first_s = pause_first_s
        self._pause_most_s = pause_most_s
        self._failures = 0
        self._connect_at = clock.now()
        self.connecting: asyncio.Task[NewHeads] | None = None
        self.socket: NewHeads | None = None
        self.trouble: str | None = None  # why there is no socket

    def connect(self) -> bool:
        """Starts to connect when it is time, takes up a connection that is made. True when it was just made."""
        if self.socket is not None:
            return False
        if self.connecting is None and self._clock.now() >= self._connect_at:
            opening = NewHeads.open(self._url, timeout_s=_OPEN_TIMEOUT_S)
            self.connecting = asyncio.create_task(opening, name="connect for new heads")
        if self.connecting is None or not self.connecting.done():
            return False
        made, self.connecting = self.connecting, None
        try:
            self.socket = made.result()
        except SocketDown as down:
            self._put_off(str(down))
            return False
        self.trouble = None
        return True

    def works(self) -> None:
        """Something was heard: the next loss begins with a short pause again."""
        self._failures = 0

    async def drop(self, why: str) -> None:
        if self.socket is not None:
            socket, self.socket = self.socket, None
            self._put_off(why)
            await socket.close()

    async def close(self) -> None:
        if self.connecting is not None:
            self.connecting.cancel()
            made = (await asyncio.gather(self.connecting, return_exceptions=True))[0]
            self.connecting = None
            if isinstance(made, NewHeads):  # it was ready in that very moment
                self.socket = made
        await self.drop("closed")

    def _put_off(self, why: str) -> None:
        self.trouble = why
        self._connect_at = self._clock.now() + min(self._pause_first_s * 2**self._failures, self._pause_most_s)
        self._failures = min(self._failures + 1, 32)


async def _subscribe(connection: ClientConnection) -> str:
    request = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
    await connection.send(json.dumps(request))
    while True:
        message = _read(await connection.recv())
        if message.get("id") != 1:
            continue
        if not isinstance(subscription := message.get("result"), str):
            raise SocketDown(f"the node refused eth_subscribe newHeads: {shown(message.get('error'))}")
        return subscription


def _read(text: str | bytes) -> Mapping[str, object]:
    try:
        message = json.loads(text)
    except ValueError:
        raise SocketDown(f"sent something else than JSON: {shown(text)}") from None
    if not isinstance(message, dict):
        raise SocketDown(f"sent {shown(message)}, which is no JSON-RPC message")
    return message

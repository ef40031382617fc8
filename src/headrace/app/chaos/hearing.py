"""The client listens, over WebSocket, to what becomes of every operation that was acknowledged.

Owns      connections to /ws, each for a number of operations; what they hear goes into the book.
Promises  after a gateway died it connects again and subscribes again to what has not ended; bounded by the
          operations under way.
"""

import asyncio
import contextlib
from typing import Final

import aiohttp
import msgspec

from headrace.app.chaos.told import Told, ToldBook
from headrace.app.chaos.wire import RevertJson, RideJson, as_told
from headrace.app.load.journal import Accepted, Journal
from headrace.app.load.request import rpc_url

OPERATIONS_PER_EAR: Final = 100  # a block may bring news of all of them at once, and 256 may wait for a listener
LOOK_EVERY_S: Final = 0.2
PAUSE_FIRST_S: Final = 0.25
PAUSE_MOST_S: Final = 2.0
_TOPIC: Final = "headrace.operation."


class _Data(msgspec.Struct):
    status: str
    outcome: str | None = None
    revert: RevertJson | None = None
    transaction: RideJson | None = None


class _Result(msgspec.Struct):
    operation_id: str
    event: str
    data: _Data


class _Message(msgspec.Struct):
    type: str
    result: _Result | None = None


_read: Final = msgspec.json.Decoder(_Message).decode


class Hearing:
    """`url` of the gateway, which may die and come back there."""

    def __init__(self, url: str, journal: Journal, book: ToldBook) -> None:
        self._url = rpc_url(url).removesuffix("/rpc") + "/ws"
        self._journal, self._book = journal, book
        self._read = 0

    async def run(self) -> None:
        """Until cancelled."""
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as ears:
            ear = _Ear()
            while True:
                for entry in self._journal.entries[self._read :]:
                    if isinstance(entry.answer, Accepted):
                        if ear.full:
                            ear = _Ear()
                        if not ear.operations:
                            ears.create_task(self._keep(session, ear), name="ear")
                        ear.add(entry.operation_id)
                self._read = len(self._journal.entries)
                await asyncio.sleep(LOOK_EVERY_S)

    async def _keep(self, session: aiohttp.ClientSession, ear: "_Ear") -> None:
        """Until all of its operations have ended."""
        pause_s = PAUSE_FIRST_S
        while not ear.over:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with session.ws_connect(self._url, heartbeat=10.0) as socket:
                    pause_s = PAUSE_FIRST_S
                    await self._talk(socket, ear)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MOST_S)

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse, ear: "_Ear") -> None:
        subscribing = asyncio.create_task(_subscribe(socket, ear), name="ear subscribes")
        try:
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                update = _read(message.data).result
                if update is None:
                    continue
                told = _as_told(update)
                self._book.hear(update.operation_id, told, how="pushed")
                if told.ends:
                    ear.open.discard(update.operation_id)
                    if ear.over:
                        return
        finally:
            subscribing.cancel()
            await asyncio.gather(subscribing, return_exceptions=True)


class _Ear:
    def __init__(self) -> None:
        self.operations: list[str] = []
        self.open: set[str] = set()
        self.more = asyncio.Event()

    @property
    def full(self) -> bool:
        return len(self.operations) >= OPERATIONS_PER_EAR

    @property
    def over(self) -> bool:
        return self.full and not self.open

    def add(self, operation_id: str) -> None:
        self.operations.append(operation_id)
        self.open.add(operation_id)
        self.more.set()


async def _subscribe(socket: aiohttp.ClientWebSocketResponse, ear: _Ear) -> None:
    """To all that have not ended, and to those that come."""
    done = 0
    with contextlib.suppress(ConnectionError):  # the reader sees it too, and says what to do
        while True:
            ear.more.clear()
            for operation_id in ear.operations[done:]:
                if operation_id in ear.open:
                    await socket.send_json({"type": "subscribe", "id": "1", "method": _TOPIC + operation_id})
            done = len(ear.operations)
            await ear.more.wait()


def _as_told(update: _Result) -> Told:
    data = update.data
    word = "retracted" if update.event == "retracted" else data.status
    return as_told(word, data.outcome, data.revert, data.transaction)

"""The chain's heads, one after the other, as they come.

Owns      when to listen (WebSocket) and when to ask (HTTP): asks while the socket is down, and when it is silent.
Promises  a head is yielded when it differs from the one before, also at the same or a lower height (a reorg).
          Trouble never ends the iteration; it is to be read in `trouble`. Cancelled or closed, it leaves no task.
          Not promised: every block. Asking shows only the newest, and who was busy with one head for long hears
          only the newest of those that came meanwhile; who needs each block follows parent hashes.
Leaves    what a head means to `engine.watcher`.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Final

from headrace.chain.hexes import Malformed, read_data, read_quantity
from headrace.chain.newheads import Line, SocketDown
from headrace.chain.receipts import read_block
from headrace.core.ports import Clock, Node, NodeTrouble
from headrace.core.words import Block, BlockNumber

_DEAF_AFTER: Final = 2  # silences in a row that hid a new head
_BEHIND_AFTER_S: Final = 0.5  # busy with one head for so long: others may be waiting behind it


class Heads:
    """`async for block in heads`, one iteration at a time. Begins with the present head.

    Without `websocket` it only polls. `quiet_s`: after so long without an announcement the node is asked (some
    block times: a socket that is open and deaf looks like a chain that stands still). Cancelled while it waits
    for a head, it closes its socket; who leaves the loop in another way calls `close` or uses `aclosing`.
    """

    def __init__(
        self,
        node: Node,
        *,
        clock: Clock,
        poll_every_s: float,
        quiet_s: float,
        websocket: str | None = None,
        reconnect_first_s: float = 1.0,
        reconnect_most_s: float = 60.0,
    ) -> None:
        """Raises ValueError for a URL that is not ws(s)://host..., without showing it."""
        self._node = node
        self._clock = clock
        self._poll_every_s = poll_every_s
        self._quiet_s = quiet_s
        self._line: Line | None = None
        if websocket is not None:
            self._line = Line(
                websocket, clock=clock, pause_first_s=reconnect_first_s, pause_most_s=reconnect_most_s
            )
        self._last: Block | None = None
        self._unannounced: Block | None = None  # learned by asking; its announcement may be on its way
        self._hidden = 0  # silences in a row in which the chain had moved
        self._behind = False  # whoever we tell took long over the last head
        self._node_trouble: str | None = None

    @property
    def listening(self) -> bool:
        """To announcements, rather than polling."""
        return self._line is not None and self._line.socket is not None

    @property
    def trouble(self) -> str | None:
        """Why we cannot ask, or cannot listen, at present. For people."""
        return self._node_trouble or (self._line.trouble if self._line is not None else None)

    def __aiter__(self) -> AsyncGenerator[Block, None]:
        return self._follow()

    async def close(self) -> None:
        """Closes the socket, if one is open. An iteration that goes on would open another."""
        if self._line is not None:
            await self._line.close()

    async def _follow(self) -> AsyncGenerator[Block, None]:
        line = self._line
        self._last = self._unannounced = None
        try:
            while True:
                connected = line is not None and line.connect()
                if line is None or line.socket is None or connected:
                    # Also when just connected: what came a moment before was announced to nobody.
                    block = await self._ask()
                else:
                    block = await self._listen(line)
                if block is not None:
                    self._last = block
                    told_at = self._clock.now()
                    yield block
                    self._behind = self._clock.now() - told_at >= _BEHIND_AFTER_S
                if line is None:
                    await self._clock.sleep(self._poll_every_s)
                elif line.socket is None:
                    await self._pause(line.connecting)
        finally:
            await self.close()

    async def _ask(self) -> Block | None:
        try:
            head = await self._node.head()
        except NodeTrouble as trouble:
            self._node_trouble = str(trouble)
            return None
        self._node_trouble = None
        if not self._is_new(head):
            return None
        self._unannounced = head
        return head

    async def _listen(self, line: Line) -> Block | None:
        try:
            header = await self._hear(line)
            if header is None:
                return await self._suspect(line)
            line.works()
            self._hidden = 0
            block = await self._complete(header)
        except SocketDown as down:
            await line.drop(str(down))
            return await self._ask()
        if block is not None and self._is_late(block):
            # Below what we know already: announced before we asked, or a reorg. The node's head tells which.
            return await self._ask()
        return block if block is not None and self._is_new(block) else None

    async def _hear(self, line: Line) -> object | None:
        """The next header, or None for silence. Raises SocketDown."""
        assert line.socket is not None
        # Old heads one by one would keep who is behind behind for ever, asking nodes about blocks long gone.
        hearing = line.socket.newest() if self._behind else line.socket.next()
        heard = asyncio.create_task(hearing, name="hear a new head")
        silence = asyncio.create_task(self._sleep(self._quiet_s), name="silence of new heads")
        try:
            await asyncio.wait({heard, silence}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(heard, silence)
        return None if heard.cancelled() else heard.result()

    async def _suspect(self, line: Line) -> Block | None:
        """Nothing was heard for a while. Either the chain stands still, or the socket is deaf."""
        block = await self._ask()
        self._hidden = 0 if block is None else self._hidden + 1
        if self._hidden >= _DEAF_AFTER:
            self._hidden = 0
            await line.drop(f"open, but silent for {_DEAF_AFTER} times {self._quiet_s:g} s while the chain moved")
        return block

    async def _complete(self, header: object) -> Block | None:
        """The block of a header; fetched where the announcement lacks what we need."""
        try:
            return read_block(header, "newHeads")
        except Malformed:
            try:
                fields = header if isinstance(header, Mapping) else {}
                number = BlockNumber(read_quantity(fields.get("number"), "newHeads.number"))
                announced = read_data(fields.get("hash"), "newHeads.hash", size=32)
                block = await self._node.block(number)
            except Malformed as error:
                raise SocketDown(str(error)) from None
            except NodeTrouble as trouble:
                self._node_trouble = str(trouble)
                return None
            return block if block is not None and block.hash == announced else None

    def _is_new(self, block: Block) -> bool:
        return self._last is None or block.hash != self._last.hash

    def _is_late(self, block: Block) -> bool:
        """Whether this announcement is of a block below one that we know already by asking."""
        if self._unannounced is None:
            return False
        if block.number < self._unannounced.number:
            return True
        self._unannounced = None
        return False

    async def _pause(self, connecting: asyncio.Task[object] | None) -> None:
        """Until the next poll, or until there is a connection."""
        sleep = asyncio.create_task(self._sleep(self._poll_every_s), name="until the next poll")
        try:
            awaited = {sleep} if connecting is None else {sleep, connecting}
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(sleep)

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


async def _end(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

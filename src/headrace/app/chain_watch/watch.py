"""Follows the canonical chain block by block and keeps the record of what it showed.

Owns      the branch we believe in (the last blocks), and the time each block was first seen.
Promises  each canonical block is read once, in order, by its hash; a replaced block is taken back before its
          replacement is added; blocks that came while we looked away are filled in.
Leaves    what a block contains to `blocks`, when heads come to `heads`.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from headrace.app.chain_watch.blocks import BlockGone, BlockReader
from headrace.app.chain_watch.heads import polled_heads, pushed_heads
from headrace.app.chain_watch.node import NodeSays, NodeUnreachable, PlainNode
from headrace.app.chain_watch.record import ChainRecord, Undo
from headrace.app.chain_watch.wire import Block, to_hex

log = logging.getLogger(__name__)

HEADS_WAITING_MAX: Final = 256
BLOCKS_PER_REQUEST: Final = 64
GONE_TRIES: Final = 20
PAUSE_S: Final = 0.1


class ChainRewritten(Exception):
    """A reorg went deeper than the blocks we remember. What was recorded cannot be trusted any more."""


@dataclass(frozen=True, slots=True)
class _Believed:
    block: Block
    undo: Undo


class ChainWatch:
    """Watches `contracts` (20-byte addresses of the task manager and, where there is one, the batch contract).

    `url` is a node's HTTP address, `ws_url` (optional) its WebSocket: with it, heads are pushed, else polled every
    `poll_s` seconds. `from_block`: first block to record (default: the newest at the start). `clock` must be that
    of the load client; in seconds.
    """

    def __init__(
        self,
        url: str,
        contracts: Iterable[bytes],
        *,
        ws_url: str | None = None,
        poll_s: float = 0.05,
        from_block: int | None = None,
        reorg_depth_max: int = 256,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.record = ChainRecord()
        self.started = asyncio.Event()  # the chain is seen: its first block is in the record, or is yet to come
        self._url = url
        self._ws_url = ws_url
        self._contracts = frozenset(contracts)
        assert all(len(address) == 20 for address in self._contracts), "contracts are 20-byte addresses"
        self._poll_s = poll_s
        self._from_block = from_block
        self._reorg_depth_max = reorg_depth_max
        self._clock = clock
        self._branch: deque[_Believed] = deque()
        self._seen_at_s: dict[bytes, float] = {}
        self._heads: asyncio.Queue[Block] = asyncio.Queue(HEADS_WAITING_MAX)
        self._changed = asyncio.Event()
        self._troubles: dict[str, str] = {}

    @property
    def trouble(self) -> str | None:
        """Why we see nothing right now, or None."""
        return "; ".join(self._troubles.values()) or None

    async def run(self) -> None:
        """Until cancelled. Raises ChainRewritten; a node that is down is waited for, see `trouble`."""
        async with PlainNode(self._url) as node, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look(node), name="chain watch: heads")
            tasks.create_task(self._read(node), name="chain watch: blocks")

    async def changed(self) -> None:
        """Returns when the record has changed next."""
        await self._changed.wait()

    async def _look(self, node: PlainNode) -> None:
        """Heads are timed here, apart from reading blocks: a slow answer about one must not delay the next."""
        heads: AsyncIterator[tuple[Block, float]]
        if self._ws_url is None:
            heads = polled_heads(node, poll_s=self._poll_s, clock=self._clock, trouble=self._heads_trouble)
        else:
            heads = pushed_heads(node, self._ws_url, clock=self._clock, trouble=self._heads_trouble)
        async for head, seen_at_s in heads:
            self._saw(head, seen_at_s)
            await self._heads.put(head)

    async def _read(self, node: PlainNode) -> None:
        reader = BlockReader(node, self._contracts)
        while True:
            head = await self._heads.get()
            gone = 0
            while True:
                try:
                    await self._follow(reader, head)
                    self._set_trouble("blocks", None)
                    break
                except BlockGone as error:
                    # Replaced while we read, or the node lags behind its own word. The next head decides.
                    gone += 1
                    if gone >= GONE_TRIES or not self._heads.empty():
                        log.warning("head %d %s given up: %s", head.number, to_hex(head.hash), error)
                        break
                except (NodeSays, NodeUnreachable) as error:
                    self._set_trouble("blocks", str(error))
                await asyncio.sleep(PAUSE_S)

    def _heads_trouble(self, trouble: str | None) -> None:
        self._set_trouble("heads", trouble)

    def _set_trouble(self, where: str, trouble: str | None) -> None:
        if trouble is None:
            self._troubles.pop(where, None)
        elif self._troubles.get(where) != trouble:
            log.warning("the chain cannot be seen: %s", trouble)
            self._troubles[where] = trouble

    def _saw(self, block: Block, seen_at_s: float) -> float:
        """When this very block was first seen."""
        first = self._seen_at_s.setdefault(block.hash, seen_at_s)
        if len(self._seen_at_s) > self._reorg_depth_max + HEADS_WAITING_MAX:
            self._seen_at_s.pop(next(iter(self._seen_at_s)))
        return first

    async def _follow(self, reader: BlockReader, head: Block) -> None:
        """Brings the branch to `head`. May stop anywhere by an error and be called again: each step is whole."""
        if not self._branch:
            if self._from_block is not None and head.number < self._from_block:
                self.started.set()
                return
            first = head if self._from_block is None else (await reader.by_number([self._from_block]))[0]
            await self._append(reader, first, head)
        while head.number - self._branch[-1].block.number > BLOCKS_PER_REQUEST:
            step = self._branch[-1].block.number + BLOCKS_PER_REQUEST
            await self._join(reader, (await reader.by_number([step]))[0], head)
        await self._join(reader, head, head)

    async def _join(self, reader: BlockReader, target: Block, head: Block) -> None:
        if self._believes(target.hash):
            # Known: the tip again, or an older block from a node that lags. A chain that was really rolled back
            # shows it by its next block, which does not build on our tip.
            return
        path = [target]  # newest first, each the child of the next
        gap = range(self._branch[-1].block.number + 1, target.number)
        if gap:
            for block in reversed(await reader.by_number(gap)):
                if block.hash != path[-1].parent_hash:
                    break
                path.append(block)
        while not self._believes(path[-1].parent_hash):
            if path[-1].number <= self._branch[0].block.number:
                raise ChainRewritten(
                    f"block {path[-1].number} does not build on any of the last {len(self._branch)} blocks we saw"
                )
            path.append(await reader.by_hash(path[-1].parent_hash))
        while self._branch[-1].block.hash != path[-1].parent_hash:
            self._take_back()
        for block in reversed(path):
            await self._append(reader, block, head)

    def _believes(self, hash_: bytes) -> bool:
        return any(believed.block.hash == hash_ for believed in reversed(self._branch))

    async def _append(self, reader: BlockReader, block: Block, revealed_by: Block) -> None:
        # A block that no head announced was seen when the head that builds on it was.
        seen_at_s = self._seen_at_s.get(block.hash, self._seen_at_s.get(revealed_by.hash, self._clock()))
        content = await reader.content(block, seen_at_s)
        self._branch.append(_Believed(block, self.record.add(content)))
        if len(self._branch) > self._reorg_depth_max:
            self._branch.popleft()
        self.started.set()
        self._tell()

    def _take_back(self) -> None:
        gone = self._branch.pop()
        last = self._branch[-1].block.number
        self.record.take_back(gone.undo, last_block=last)
        log.info(
            "removed: block %d %s with %d events", gone.block.number, to_hex(gone.block.hash), gone.undo.events
        )
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

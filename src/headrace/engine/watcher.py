"""Follows the chain's head and tells the lanes what it shows.

Owns      which blocks were seen, and which of them are canonical.
Promises  every block between two heads is read; a block that left the canonical chain is told before what replaced
          it; a node in trouble delays what we know, and loses nothing.
Leaves    what it means to the lane runners.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from headrace.core.flush import BlockTimes
from headrace.core.ports import Clock, Node, NodeTrouble
from headrace.core.words import Block, BlockHash, BlockNumber
from headrace.engine.lane_runner import LaneRunner
from headrace.engine.packer import Packer

log = logging.getLogger(__name__)

# Deeper than any reorg that we settle under; a longer gap is bridged by looking for receipts instead.
BLOCKS_KEPT = 256
STANDSTILL_S = 15.0
STANDSTILL_BLOCKS = 5


class Watcher:
    def __init__(
        self,
        *,
        node: Node,
        heads: AsyncIterator[Block],
        lanes: Sequence[tuple[LaneRunner, Packer]],
        blocks: BlockTimes,
        clock: Clock,
        also: Callable[[Block], Awaitable[None]] | None = None,
    ) -> None:
        """`also` hears of each head before the lanes do: what a task may refer to must not wait for their work.
        Its trouble keeps nothing from them."""
        self._node, self._heads, self._lanes = node, heads, lanes
        self._blocks, self._clock, self._also = blocks, clock, also
        self._canonical: dict[BlockNumber, BlockHash] = {}
        self._newest: BlockNumber | None = None
        self._oldest: BlockNumber | None = None  # the lowest height that was ours to read
        self._trouble: str | None = "no head seen yet"

    @property
    def trouble(self) -> str | None:
        """Why we do not know what the chain does, or that it does nothing, for people."""
        interval = self._blocks.interval_s
        if self._trouble is not None or interval is None:
            return self._trouble
        silent_s = self._clock.now() - self._blocks.seen[-1]
        if silent_s <= max(STANDSTILL_S, STANDSTILL_BLOCKS * interval):
            return None
        return f"no new block for {silent_s:.0f} s, where one came every {interval:.1f} s"

    @property
    def blocks_kept(self) -> int:
        """Whose hashes are in memory: at most BLOCKS_KEPT."""
        return len(self._canonical)

    async def run(self) -> None:
        async for head in self._heads:
            try:
                await self.saw(head)
                self._trouble = None
            except NodeTrouble as trouble:
                self._trouble = str(trouble)
                log.warning("head %d: %s; the next head catches up", head.number, trouble)

    async def saw(self, head: Block) -> None:
        """Raises NodeTrouble; whatever was not told then is told at the next head."""
        if self._canonical.get(head.number) == head.hash:
            return
        new = await self._new_blocks(head)
        first = new[0].number
        self._oldest = first if self._oldest is None else min(self._oldest, first)
        await self._tell_uncled(new)
        for block in new:
            await self._tell_receipts(block)
            self._canonical[block.number] = block.hash
        self._newest = head.number
        self._forget()
        self._blocks.saw_block(self._clock.now())
        trouble = await self._tell_also(head)
        for lane, packer in self._lanes:
            await lane.saw_head(head)
            await packer.saw_head(head)
        if trouble is not None:
            raise trouble

    async def _tell_also(self, head: Block) -> NodeTrouble | None:
        if self._also is not None:
            try:
                await self._also(head)
            except NodeTrouble as trouble:
                return trouble
        return None

    async def _new_blocks(self, head: Block) -> list[Block]:
        """From the first one that we do not know to the head, oldest first."""
        new = [head]
        while True:
            first = new[0]
            parent = BlockNumber(first.number - 1)
            known = self._canonical.get(parent)
            if known == first.parent_hash or not self._is_ours_to_read(parent, head):
                return new
            if len(new) >= BLOCKS_KEPT:
                return new  # we were away for long: the lanes find what is theirs by its receipts
            block = await self._node.block(parent)
            if block is None or block.hash != first.parent_hash:
                raise NodeTrouble(f"block {parent} changed while it was read")
            new.insert(0, block)

    def _is_ours_to_read(self, number: BlockNumber, head: Block) -> bool:
        """Down to our first head, and to what a lane found by asking, as at a start. Not by what is in
        `_canonical`: a reorg may have emptied it, and then what replaced it could not be read."""
        mined = [block for lane, _ in self._lanes if (block := lane.mined_from()) is not None]
        lowest = min(mined if self._oldest is None else [self._oldest, *mined], default=head.number)
        newest = head.number if self._newest is None else self._newest
        return number >= lowest and number > newest - BLOCKS_KEPT

    async def _tell_uncled(self, new: Sequence[Block]) -> None:
        first = new[0].number
        for number in sorted((n for n in self._canonical if n >= first), reverse=True):
            uncled = self._canonical.pop(number)
            log.warning("block %d 0x%s is no longer canonical", number, uncled.hex())
            for lane, _ in self._lanes:
                await lane.saw_uncled(uncled)
        canonical = {block.number: block.hash for block in new}
        for lane, _ in self._lanes:
            await lane.saw_canonical(canonical)

    async def _tell_receipts(self, block: Block) -> None:
        watching = [lane for lane, _ in self._lanes if lane.watches()]
        if not watching:
            return
        receipts = await self._node.receipts(block.hash)
        if receipts is None:
            raise NodeTrouble(f"block {block.number} is not known by its hash (yet)")
        for lane in watching:
            await lane.saw_receipts(receipts)

    def _forget(self) -> None:
        assert self._newest is not None
        for number in [n for n in self._canonical if n <= self._newest - BLOCKS_KEPT or n > self._newest]:
            del self._canonical[number]

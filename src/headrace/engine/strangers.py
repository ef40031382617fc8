"""Proves that somebody else spent a nonce of ours.

Owns      the search for the block that spent it, and the look at everything that this block holds.
Promises  a stranger is never concluded from a receipt that is missing: nodes lose receipts, lag, and answer null.
          The block that spent the nonce tells all of its receipts, and ours is among them or is not.
Leaves    when that block is final to `core.transaction`.
"""

from typing import Final

from headrace.core import transaction as transactions
from headrace.core.ports import Node, NodeTrouble
from headrace.core.transaction import Fact
from headrace.core.words import Address, BlockNumber, Nonce
from headrace.engine.trips import Trip, included

# Every node keeps the states of 128 blocks. That a nonce was spent earlier, while we were down for long, is proven
# by the oldest of these states; who spent it by receipts alone, which are in order for blocks so old.
STATES_KEPT: Final = 100


class Strangers:
    def __init__(self, *, node: Node, lane: Address) -> None:
        self._node, self._lane = node, lane

    async def look(self, trip: Trip) -> tuple[Fact, ...]:
        """Raises NodeTrouble where it cannot be proven now."""
        head = (await self._node.head()).number
        oldest = BlockNumber(max(head - STATES_KEPT, 0))
        if await self._is_spent_after(trip.nonce, oldest):
            return (transactions.NonceTaken(head, spent_in=oldest),)
        spent_in = await self._search(trip.nonce, oldest, head)
        block = await self._node.block(spent_in)
        receipts = None if block is None else await self._node.receipts(block.hash)
        if receipts is None:
            raise NodeTrouble(f"block {spent_in}, which spent nonce {trip.nonce}, cannot be read")
        ours = {attempt.hash for attempt in trip.in_flight.attempts}
        for receipt in receipts:
            if receipt.transaction in ours:
                trip.receipt = receipt
                return (included(receipt),)
        return (transactions.NonceTaken(head, spent_in=spent_in),)

    async def _search(self, nonce: Nonce, free: BlockNumber, spent: BlockNumber) -> BlockNumber:
        """The first block after which the nonce is spent; after `free` it is not, after `spent` it should be."""
        if not await self._is_spent_after(nonce, spent):
            raise NodeTrouble(f"nonce {nonce} was spent a moment ago, and is not after block {spent}")
        while spent - free > 1:
            middle = BlockNumber((free + spent) // 2)
            if await self._is_spent_after(nonce, middle):
                spent = middle
            else:
                free = middle
        return spent

    async def _is_spent_after(self, nonce: Nonce, block: BlockNumber) -> bool:
        return await self._node.nonce_after(self._lane, block) > nonce

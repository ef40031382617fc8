"""Asks the chain what became of a transaction.

Owns      the questions (receipts, nonces, blocks) and their order; the answers become facts.
Promises  a lost answer is NodeTrouble, never a fact; a missing receipt alone proves nothing.
Leaves    the proof that a stranger has a nonce to `engine.strangers`; what follows from a fact to
          `core.transaction`.
"""

from headrace.core import transaction as transactions
from headrace.core.ports import Node, NodeTrouble
from headrace.core.transaction import Fact, Mined, Taken, Transaction
from headrace.core.words import Address
from headrace.engine.strangers import Strangers
from headrace.engine.trips import Trip, included


class Inquiry:
    def __init__(self, *, node: Node, lane: Address) -> None:
        self._node, self._lane = node, lane
        self._strangers = Strangers(node=node, lane=lane)

    async def look_for_receipts(self, trip: Trip) -> tuple[Fact, ...]:
        # The nonce first: a block that comes between the two questions may hold us, and must not look foreign.
        latest, _ = await self._node.nonces(self._lane)
        if latest <= trip.nonce:
            return _nonce_is_free(trip.transaction)
        for attempt in trip.in_flight.attempts:
            receipt = await self._node.receipt(attempt.hash)
            if receipt is not None:
                trip.receipt = receipt
                return (included(receipt),)
        if isinstance(trip.transaction, Mined):
            return await self._uncled(trip.transaction)  # the next look tells who has the nonce
        if isinstance(trip.transaction, Taken):
            return await self._strangers.look(trip)
        head = await self._node.head()
        return (transactions.NonceTaken(head.number),)

    async def reread(self, trip: Trip) -> tuple[Fact, ...]:
        assert isinstance(trip.transaction, Mined)
        mined = trip.transaction
        if trip.receipt is not None and trip.receipt.block_hash == mined.block_hash:
            # A block's hash speaks for its receipts: while the block is canonical, the one that we have holds.
            block = await self._node.block(mined.block)
            if block is not None and block.hash == mined.block_hash:
                return (transactions.ReceiptReread(mined.winner, mined.block_hash),)
        return await self._reread_receipt(trip, mined)

    async def _reread_receipt(self, trip: Trip, mined: Mined) -> tuple[Fact, ...]:
        winner = mined.winner
        receipt = await self._node.receipt(winner)
        if receipt is None:
            return await self._uncled(mined)
        trip.receipt = receipt
        if receipt.block_hash != mined.block_hash:
            return (included(receipt),)
        # A node may still tell receipts of a branch that it has left, or another node answers this time.
        block = await self._node.block(receipt.block)
        if block is None or block.hash != receipt.block_hash:
            raise NodeTrouble(
                f"a receipt of 0x{winner.hex()} speaks of block {receipt.block} 0x{receipt.block_hash.hex()}, "
                "which is not canonical by the same node's word"
            )
        return (transactions.ReceiptReread(winner, receipt.block_hash),)

    async def _uncled(self, mined: Mined) -> tuple[Fact, ...]:
        """A missing receipt alone does not prove it: a node may lack its index, or be behind."""
        block = await self._node.block(mined.block)
        if block is None or block.hash == mined.block_hash:
            raise NodeTrouble(
                f"no receipt of 0x{mined.winner.hex()}, and its block {mined.block} was not replaced"
            )
        return (transactions.Uncled(mined.winner),)


def _nonce_is_free(transaction: Transaction) -> tuple[Fact, ...]:
    match transaction:
        case Taken():
            return (transactions.NonceFree(),)
        case Mined(winner=winner):
            return (transactions.Uncled(winner),)
        case _:
            return ()

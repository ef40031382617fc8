"""Fetches what one block did to our contracts: one request per block with all receipts.

Promises  the answer belongs to the block hash that was asked for, never to a sibling at the same height.
          Nodes without eth_getBlockReceipts are asked for the block's logs, then one receipt per transaction.
"""

from collections.abc import Sequence
from typing import Final

from headrace.app.chain_watch.node import METHOD_NOT_FOUND, NodeSays, PlainNode
from headrace.app.chain_watch.record import BlockContent, TransactionContent
from headrace.app.chain_watch.wire import Block, WireBlock, WireLog, WireReceipt, read_block, read_receipt, to_hex

RECEIPTS_PER_REQUEST: Final = 100


class BlockGone(Exception):
    """The node does not (or not any more) have this block."""


class BlockReader:
    def __init__(self, node: PlainNode, contracts: frozenset[bytes]) -> None:
        self._node = node
        self._contracts = contracts
        self._whole_blocks = True  # until the node says it knows no eth_getBlockReceipts

    async def content(self, block: Block, seen_at_s: float) -> BlockContent:
        """Raises BlockGone, NodeSays, NodeUnreachable."""
        transactions: Sequence[TransactionContent] = ()
        if not block.empty:
            transactions = [
                content
                for receipt in await self._receipts(block)
                if (content := read_receipt(receipt, self._contracts)) is not None
            ]
        return BlockContent(
            number=block.number,
            hash=block.hash,
            timestamp_s=block.timestamp_s,
            seen_at_s=seen_at_s,
            transactions=tuple(transactions),
        )

    async def by_hash(self, hash_: bytes) -> Block:
        wire = await self._node.call("eth_getBlockByHash", [to_hex(hash_), False], WireBlock)
        if wire is None:
            raise BlockGone(f"block {to_hex(hash_)} is not known to the node")
        return read_block(wire)

    async def by_number(self, numbers: Sequence[int]) -> list[Block]:
        """In one request. Raises BlockGone where one of them does not exist."""
        wires = await self._node.call_many("eth_getBlockByNumber", [[hex(n), False] for n in numbers], WireBlock)
        blocks = [read_block(wire) for wire in wires if wire is not None]
        if len(blocks) < len(numbers):
            raise BlockGone(f"the node has {len(blocks)} of the blocks {numbers[0]} to {numbers[-1]}")
        return blocks

    async def receipts_of(self, transactions: Sequence[str]) -> list[WireReceipt]:
        """Receipts by transaction hash (hex text). Raises BlockGone where one is missing."""
        receipts: list[WireReceipt] = []
        for start in range(0, len(transactions), RECEIPTS_PER_REQUEST):
            part = transactions[start : start + RECEIPTS_PER_REQUEST]
            found = await self._node.call_many(
                "eth_getTransactionReceipt", [[hash_] for hash_ in part], WireReceipt
            )
            receipts += [receipt for receipt in found if receipt is not None]
        if len(receipts) < len(transactions):
            raise BlockGone(f"{len(transactions) - len(receipts)} of {len(transactions)} receipts are missing")
        return receipts

    async def _receipts(self, block: Block) -> list[WireReceipt]:
        if self._whole_blocks:
            try:
                receipts = await self._node.call("eth_getBlockReceipts", [to_hex(block.hash)], list[WireReceipt])
            except NodeSays as error:
                if error.code != METHOD_NOT_FOUND:
                    raise
                self._whole_blocks = False
            else:
                if receipts is None:
                    raise BlockGone(f"no receipts for block {block.number} {to_hex(block.hash)}")
                return receipts
        # Transactions that reverted leave no log, so this way does not see them (nor their gas).
        filter_ = {"blockHash": to_hex(block.hash), "address": [to_hex(address) for address in self._contracts]}
        logs = await self._node.call("eth_getLogs", [filter_], list[WireLog])
        if logs is None:
            raise BlockGone(f"no logs for block {block.number} {to_hex(block.hash)}")
        receipts = await self.receipts_of(list(dict.fromkeys(log.transaction_hash for log in logs)))
        return [receipt for receipt in receipts if receipt.block_hash == to_hex(block.hash)]

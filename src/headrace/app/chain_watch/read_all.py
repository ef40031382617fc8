"""One look at the whole history: the independent read that checks are made against.

Promises  another way than `watch` (logs by range, then receipts by transaction), so that the two can be compared.
Leaves    waiting, reorgs and times: nothing here was *seen* at a moment; block timestamps are all it has.
"""

import math
from collections.abc import Iterable
from itertools import groupby
from typing import Final

from headrace.app.chain_watch.blocks import BlockReader
from headrace.app.chain_watch.events import TOPICS
from headrace.app.chain_watch.heads import newest
from headrace.app.chain_watch.node import NodeSays, NodeUnreachable, PlainNode
from headrace.app.chain_watch.record import BlockContent, ChainRecord
from headrace.app.chain_watch.wire import Block, WireLog, read_receipt, to_bytes, to_hex

BLOCKS_PER_RANGE: Final = 2_000
HEADERS_PER_REQUEST: Final = 100


async def read_all(
    url: str, contracts: Iterable[bytes], from_block: int, to_block: int | None = None
) -> ChainRecord:
    """Everything `contracts` said from `from_block` to `to_block` (default: the newest), both included.

    `seen_at_s` is not a number in what this returns. Transactions that reverted have no logs and are not in it.
    Raises NodeSays, NodeUnreachable, BlockGone (a reorg while reading: read again).
    """
    addresses = frozenset(contracts)
    async with PlainNode(url, timeout_s=60) as node:
        reader = BlockReader(node, addresses)
        if to_block is None:
            head = await newest(node)
            if head is None:
                raise NodeUnreachable("eth_getBlockByNumber: the node has no newest block")
            to_block = head.number
        logs = await _logs(node, addresses, from_block, to_block)
        numbers = list(dict.fromkeys(int(log.block_number, 16) for log in logs))
        blocks: list[Block] = []
        for start in range(0, len(numbers), HEADERS_PER_REQUEST):
            blocks += await reader.by_number(numbers[start : start + HEADERS_PER_REQUEST])
        receipts = await reader.receipts_of(list(dict.fromkeys(log.transaction_hash for log in logs)))

    record = ChainRecord()
    by_block = {hash_: list(group) for hash_, group in groupby(receipts, lambda receipt: receipt.block_hash)}
    for block in blocks:
        contents = [read_receipt(receipt, addresses) for receipt in by_block.pop(to_hex(block.hash), [])]
        record.add(
            BlockContent(
                number=block.number,
                hash=block.hash,
                timestamp_s=block.timestamp_s,
                seen_at_s=math.nan,
                transactions=tuple(content for content in contents if content is not None),
            )
        )
    if by_block:
        raise NodeUnreachable(f"a reorg while reading: {len(by_block)} blocks changed; read again")
    record.blocks_seen, record.first_block, record.last_block = to_block - from_block + 1, from_block, to_block
    assert all(to_bytes(receipt.transaction_hash) in record.transactions for receipt in receipts)
    return record


async def _logs(node: PlainNode, addresses: frozenset[bytes], from_block: int, to_block: int) -> list[WireLog]:
    """Asks in ranges, and halves a range that the node finds too large."""
    logs: list[WireLog] = []
    start, span = from_block, BLOCKS_PER_RANGE
    while start <= to_block:
        end = min(start + span - 1, to_block)
        filter_ = {
            "fromBlock": hex(start),
            "toBlock": hex(end),
            "address": [to_hex(address) for address in addresses],
            "topics": [[to_hex(topic) for topic in TOPICS]],
        }
        try:
            logs += await node.call("eth_getLogs", [filter_], list[WireLog]) or []
        except NodeSays:
            if end == start:
                raise
            span = max(1, (end - start + 1) // 2)
            continue
        start = end + 1
    return logs

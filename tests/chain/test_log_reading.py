"""Logs of a range: all of them or none, in whatever pieces a node wants to give them."""

from typing import Any

import pytest

from chain.conftest import CHAIN, LOGS, mined
from headrace.chain.endpoints import RpcError
from headrace.chain.log_reading import SPAN_BLOCKS, LogReading
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.core.ports import NodeTrouble
from headrace.core.words import Address, BlockNumber, Fees, Nonce

ESCROW = Address(b"\xe5" * 20)
TOPIC, OTHER = b"\x07" * 32, b"\x08" * 32


def log(block: int, index: int = 0, **more: Any) -> dict[str, Any]:
    fields = {
        "address": "0x" + ESCROW.hex(),
        "topics": ["0x" + TOPIC.hex()],
        "data": "0x",
        "blockNumber": hex(block),
        "blockHash": "0x" + "11" * 32,
        "transactionHash": "0x" + "22" * 32,
        "logIndex": hex(index),
        "removed": False,
    }
    return fields | more


class PickyNode:
    """Has a log in each block; answers `most` blocks at once, refuses more in `words`."""

    def __init__(self, *, most: int = 10**9, words: str = "query exceeds max block range 7", **odd: Any) -> None:
        self.most, self.words, self.odd = most, words, odd
        self.asked: list[tuple[int, int]] = []

    async def ask(self, method: str, wanted: dict[str, str]) -> object:
        assert method == "eth_getLogs"
        first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
        self.asked.append((first, last))
        if last - first + 1 > self.most:
            raise RpcError(-32602, self.words)
        return [log(block, **self.odd) for block in range(first, last + 1)]


async def read(node: PickyNode, first: int, last: int, reading: LogReading | None = None) -> list[int]:
    reading = reading or LogReading(node.ask)
    found = await reading.logs(address=ESCROW, topics=[(TOPIC,)], first=BlockNumber(first), last=BlockNumber(last))
    return [one.block for one in found]


async def test_a_range_comes_in_the_pieces_that_the_node_takes_and_it_is_asked_for_them_at_once_next_time() -> (
    None
):
    node = PickyNode(most=7)
    reading = LogReading(node.ask)
    assert await read(node, 100, 140, reading) == list(range(100, 141))
    assert await read(node, 200, 213, reading) == list(range(200, 214))
    assert node.asked[-1][1] - node.asked[-1][0] < 7
    assert sum(last - first + 1 > 7 for first, last in node.asked if first >= 200) == 0


async def test_a_long_range_is_never_asked_for_at_once() -> None:
    node = PickyNode()
    await read(node, 0, 2 * SPAN_BLOCKS)
    assert node.asked == [(0, SPAN_BLOCKS - 1), (SPAN_BLOCKS, 2 * SPAN_BLOCKS - 1), (2 * SPAN_BLOCKS,) * 2]


async def test_a_single_block_that_is_refused_is_trouble() -> None:
    with pytest.raises(NodeTrouble, match="query exceeds max block range"):
        await read(PickyNode(most=0), 5, 8)


async def test_another_refusal_is_trouble_at_once() -> None:
    node = PickyNode(most=3, words="history has been pruned for this block")
    with pytest.raises(NodeTrouble, match="pruned"):
        await read(node, 5, 500)
    assert len(node.asked) == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"address": "0x" + "99" * 20},
        {"topics": ["0x" + OTHER.hex()]},
        {"topics": []},
        {"blockNumber": "0x1"},
        {"removed": True},
        {"blockHash": None},
        {"logIndex": "1"},
    ],
)
async def test_a_log_that_was_not_asked_for_or_cannot_be_read_is_trouble_not_an_answer(
    odd: dict[str, Any],
) -> None:
    with pytest.raises(NodeTrouble, match="logs"):
        await read(PickyNode(**odd), 5, 8)


async def test_logs_of_a_real_chain_are_found_by_topic_and_not_beyond_its_head(
    node: RpcNode, signer: LocalSigner
) -> None:
    fees = Fees(max_fee_wei=10 * 10**9, tip_wei=10**9)
    attempt = signer.sign(chain=CHAIN, nonce=Nonce(0), to=LOGS, data=b"", gas_limit=60_000, fees=fees)
    await node.send(attempt.raw)
    receipt = await mined(node, attempt.hash)
    seven = (7).to_bytes(32)
    (found,) = await node.logs(address=LOGS, topics=[(seven, TOPIC)], first=receipt.block, last=receipt.block)
    assert (found.transaction, found.block, found.block_hash) == (attempt.hash, receipt.block, receipt.block_hash)
    assert found.log == receipt.logs[0]
    assert await node.logs(address=LOGS, topics=[(TOPIC,)], first=BlockNumber(0), last=receipt.block) == []
    head = await node.head()
    with pytest.raises(NodeTrouble):
        await node.logs(address=LOGS, topics=[None], first=BlockNumber(0), last=BlockNumber(head.number + 50))

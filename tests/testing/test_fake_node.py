import asyncio
import contextlib

import pytest

from headrace.chain.replies import read_reply
from headrace.core.ports import Node, NodeTrouble, Returned
from headrace.core.words import Address, BlockNumber, Reply
from headrace.testing.clock import settle
from headrace.testing.fake_chain import FakeChain
from headrace.testing.fake_node import FakeNode
from headrace.testing.keys import keys_from_seed
from headrace.testing.node_faults import ReadFault, ScriptedFaults, SeededFaults, SendFault
from headrace.testing.raw_transaction import read_transaction
from testing.signing import GWEI, signed

A, B = keys_from_seed(8, 2)
ETHER = 10**18


def new_node(faults: ScriptedFaults | SeededFaults | None = None, **other: bool) -> FakeNode:
    return FakeNode(FakeChain(balances={A.address: 100 * ETHER}), faults=faults, **other)


async def test_it_fits_the_port_and_answers_from_the_chain() -> None:
    fake = new_node()
    node: Node = fake
    raw = signed(A, 0)
    tx_hash = read_transaction(raw).hash
    assert await node.chain_id() == 31337
    assert await node.send(raw) == (Reply.IN_POOL, "")
    assert await node.nonces(A.address) == (0, 1)
    assert await node.receipt(tx_hash) is None
    head = fake.mine()
    assert await node.head() == head
    assert await node.block(BlockNumber(1)) == head
    assert await node.block(BlockNumber(2)) is None
    receipts = await node.receipts(head.hash)
    assert receipts is not None
    assert [r.transaction for r in receipts] == [tx_hash]
    assert await node.receipt(tx_hash) == receipts[0]
    assert await node.nonces(A.address) == (1, 1)
    assert [await node.nonce_after(A.address, BlockNumber(number)) for number in (0, 1)] == [0, 1]
    with pytest.raises(NodeTrouble, match="block 2 not found"):
        await node.nonce_after(A.address, BlockNumber(2))
    assert await node.balance(A.address) == 100 * ETHER - receipts[0].gas_used * receipts[0].gas_price_wei
    assert await node.code(Address(b"\x01" * 20)) == b""
    assert await node.call(to=Address(b"\x01" * 20), data=b"") == Returned(b"")
    with pytest.raises(NodeTrouble, match="block 9 not found"):
        await node.call(to=Address(b"\x01" * 20), data=b"", as_of=BlockNumber(9))
    assert fake.calls["receipts"] == 1


async def test_every_refusal_is_named_as_the_real_adapter_names_it() -> None:
    node = new_node()
    await node.send(signed(A, 0))
    refused = [
        signed(A, 0),
        signed(A, 0, value=1),
        signed(A, 1, gas=2**24 + 1),
        signed(A, 1, gas=20_000),
        signed(A, 1, gas=21_016, data=b"\xff"),
        signed(A, 1, data=bytes(131_072), gas=10_000_000),
        signed(A, 1, maxPriorityFeePerGas=0),
        signed(A, 1, maxPriorityFeePerGas=11 * GWEI),
        signed(A, 1, chainId=5),
        signed(A, 1, value=100 * ETHER),
        signed(B, 0),
    ]
    node.chain.gas_limit = 15_000_000
    refused.append(signed(A, 1, gas=16_000_000))
    for raw in refused:
        reply, text = await node.send(raw)
        assert text
        assert reply is read_reply(text, -32000), text
    node.mine()
    assert (await node.send(signed(A, 0)))[0] is Reply.LOOK_FOR_RECEIPT
    for nonce in range(1, 65):
        await node.send(signed(A, nonce))
    reply, text = await node.send(signed(A, 65))
    assert reply is read_reply(text, -32000) is Reply.SEND_LATER
    assert (await node.send(b"\x02nonsense"))[0] is Reply.REFUSED


async def test_uncled_receipts_are_gone_or_still_there_by_their_hash_as_asked() -> None:
    for remembers in (False, True):
        node = new_node(remembers_uncled=remembers)
        node.mine()
        await node.send(signed(A, 0))
        head = node.mine()
        tx_hash = read_transaction(signed(A, 0)).hash
        node.chain.reorg(1, forget=True)
        assert (await node.receipts(head.hash) is not None) is remembers
        assert await node.receipt(tx_hash) is None


async def test_sends_can_be_lied_about() -> None:
    node = new_node(
        ScriptedFaults(
            send=[
                SendFault.TAKEN_BUT_UNSURE,
                SendFault.LOST_AND_UNSURE,
                SendFault.PROMISED_AND_FORGOTTEN,
                SendFault.BUSY,
                SendFault.TAKEN_LATER,
            ]
        )
    )
    assert (await node.send(signed(A, 0)))[0] is Reply.UNSURE
    assert len(node.chain.pool) == 1
    assert (await node.send(signed(A, 1)))[0] is Reply.UNSURE
    assert (await node.send(signed(A, 1)))[0] is Reply.IN_POOL
    assert (await node.send(signed(A, 1)))[0] is Reply.SEND_LATER
    assert len(node.chain.pool) == 1
    assert (await node.send(signed(A, 1)))[0] is Reply.UNSURE
    assert len(node.chain.pool) == 1
    node.mine()
    assert node.chain.world.nonce(A.address) == 2


async def test_questions_can_be_answered_late_with_nothing_or_not_at_all() -> None:
    node = new_node(
        ScriptedFaults(
            read={
                "head": [ReadFault.STALE, ReadFault.TROUBLE],
                "receipts": [ReadFault.EMPTY, ReadFault.STALE],
                "receipt": [ReadFault.STALE],
                "nonces": [ReadFault.STALE],
                "block": [ReadFault.EMPTY, ReadFault.STALE],
            }
        )
    )
    await node.send(signed(A, 0))
    head = node.mine()
    tx_hash = read_transaction(signed(A, 0)).hash
    assert (await node.head()).number == 0
    with pytest.raises(NodeTrouble):
        await node.head()
    assert await node.head() == head
    assert await node.receipts(head.hash) is None
    assert await node.receipts(head.hash) is None
    assert await node.receipts(head.hash) is not None
    assert await node.receipt(tx_hash) is None
    assert await node.receipt(tx_hash) is not None
    assert await node.nonces(A.address) == (0, 0)
    assert await node.block(BlockNumber(0)) is None
    assert await node.block(BlockNumber(1)) is None
    assert await node.block(BlockNumber(1)) == head


async def test_the_same_seed_lies_the_same_way() -> None:
    async def play(seed: int) -> list[object]:
        shares = {SendFault.TAKEN_BUT_UNSURE: 0.3, SendFault.LOST_AND_UNSURE: 0.3}
        node = new_node(SeededFaults(seed, send=shares, read={ReadFault.TROUBLE: 0.2, ReadFault.STALE: 0.3}))
        said: list[object] = []
        for nonce in range(20):
            said.append(await node.send(signed(A, nonce)))
            with contextlib.suppress(NodeTrouble):
                node.chain.mine()
                said.append(await node.head())
        return said

    assert await play(1) == await play(1)
    assert await play(1) != await play(2)


async def test_heads_begin_with_the_present_one_and_follow_reorgs() -> None:
    node = new_node()
    node.mine()
    seen: list[int] = []

    async def read() -> None:
        async with contextlib.aclosing(node.heads()) as heads:
            async for head in heads:
                seen.append(head.number)

    reading = asyncio.create_task(read())
    await settle()
    assert seen == [1]
    node.mine(2)
    node.chain.reorg(1)
    await settle()
    assert seen == [1, 2, 3, 3]
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    node.mine()

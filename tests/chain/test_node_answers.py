"""`RpcNode` and the answers of nodes that anvil never gives."""

import pytest

from chain.conftest import CHAIN, LOGS, mined
from chain.misbehaving import Misbehaving, Plan
from chain.test_receipts import BLOCK, RECEIPT
from headrace.chain.endpoints import Endpoints
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.core.ports import NodeTrouble, Returned, Reverted
from headrace.core.words import Address, BlockHash, BlockNumber, Fees, Nonce, Reply, TxHash
from headrace.testing.clock import HandClock

TO = Address(b"\x12" * 20)
FEES = Fees(max_fee_wei=10 * 10**9, tip_wei=10**9)
MISSING: Plan = {"error": {"code": -32601, "message": "the method does not exist/is not available"}}


def node_on(*servers: Misbehaving) -> tuple[RpcNode, Endpoints]:
    endpoints = Endpoints([server.url for server in servers], clock=HandClock(), timeout_s=5)
    return RpcNode(endpoints), endpoints


@pytest.mark.parametrize(
    ("error", "data"),
    [
        ({"code": 3, "message": "execution reverted", "data": "0x0102"}, b"\x01\x02"),
        ({"code": -32000, "message": "execution reverted"}, b""),
        ({"code": -32000, "message": "Execution reverted", "data": "0x0102"}, b"\x01\x02"),
        ({"code": -32015, "message": "VM execution error.", "data": "Reverted 0x0102"}, b"\x01\x02"),
        ({"code": -32603, "message": "Internal error", "data": {"code": 3, "data": "0x0102"}}, b"\x01\x02"),
        ({"code": -32603, "message": "VM Exception", "data": {"message": "x", "data": {"data": "0x01"}}}, b"\x01"),
        (
            {"code": -32000, "message": "VM Exception: revert", "data": {"hash": "0x", "result": "0x0102"}},
            b"\x01\x02",
        ),
        ({"code": -32000, "message": "out of gas"}, b""),
        ({"code": -32603, "message": "EVM error OutOfGas"}, b""),
        ({"code": 3, "message": "execution reverted", "data": "not hex"}, b""),
    ],
)
async def test_revert_data_is_found_in_every_form(error: dict[str, object], data: bytes) -> None:
    async with Misbehaving({"error": error}) as server:
        node, endpoints = node_on(server)
        assert await node.call(to=TO, data=b"") == Reverted(data)
        await endpoints.close()


@pytest.mark.parametrize(
    "plan",
    [
        {"error": {"code": -32000, "message": "header not found"}},
        {"error": {"code": -32000, "message": "missing trie node", "data": "0x"}},
        {"error": {"code": -32602, "message": "too many arguments, want at most 3"}},
        {"result": None},
        {"result": "0x1"},
        {"result": {"data": "0x"}},
    ],
)
async def test_what_is_neither_result_nor_revert_is_trouble(plan: Plan) -> None:
    async with Misbehaving(plan) as server:
        node, endpoints = node_on(server)
        with pytest.raises(NodeTrouble, match="eth_call"):
            await node.call(to=TO, data=b"")
        await endpoints.close()


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": -32602, "message": "too many arguments, want at most 3"}},
        {"error": {"code": -32602, "message": "Invalid number of params"}},
        {"result": "0x" + (5).to_bytes(32).hex()},  # takes no notice
        {"result": "0x"},
    ],
)
async def test_a_node_without_block_overrides_is_found_out_once_and_asked_at_pending(answer: Plan) -> None:
    async with Misbehaving(answer, {"result": "0x01"}) as server:
        node, endpoints = node_on(server)
        for _ in range(3):
            assert await node.call(to=TO, data=b"", in_block=BlockNumber(5), timestamp=9) == Returned(b"\x01")
        assert len(server.asked) == 4
        assert server.requests[-1]["params"] == [
            {"data": "0x", "to": "0x1212121212121212121212121212121212121212"},
            "pending",
        ]
        with pytest.raises(NodeTrouble, match="knows no block overrides"):
            await node.call(to=TO, data=b"", as_of=BlockNumber(4), in_block=BlockNumber(5))
        await endpoints.close()


async def test_trouble_while_finding_out_about_overrides_decides_nothing() -> None:
    number = "0x" + (0xB10C0000).to_bytes(32).hex()
    trouble: Plan = {"error": {"code": -32000, "message": "header not found"}}
    async with Misbehaving(trouble, {"result": number}, {"result": "0x01"}) as server:
        node, endpoints = node_on(server)
        with pytest.raises(NodeTrouble, match="header not found"):
            await node.call(to=TO, data=b"", in_block=BlockNumber(5))
        assert await node.call(to=TO, data=b"", in_block=BlockNumber(5)) == Returned(b"\x01")
        assert server.requests[-1]["params"][1:] == ["latest", {}, {"number": "0x5"}]
        await endpoints.close()


@pytest.mark.parametrize("plan", ["drop", 500, "garbage", {"result": None}, {"result": "0x" + "00" * 32}])
async def test_a_send_whose_answer_is_lost_or_odd_is_unsure_and_never_raises(plan: Plan) -> None:
    signer = LocalSigner(b"\x01" * 32)
    async with Misbehaving(plan) as server:
        node, endpoints = node_on(server)
        reply, text = await node.send(signer.sign_no_op(chain=CHAIN, nonce=Nonce(0), fees=FEES).raw)
        assert reply is Reply.UNSURE
        assert text
        await endpoints.close()


async def test_a_send_whose_answer_is_lost_is_offered_to_the_next_endpoint_once() -> None:
    signer = LocalSigner(b"\x01" * 32)
    attempt = signer.sign_no_op(chain=CHAIN, nonce=Nonce(0), fees=FEES)
    known: Plan = {"error": {"code": -32000, "message": "already known"}}
    async with Misbehaving("drop") as first, Misbehaving(known) as second:
        node, endpoints = node_on(first, second)
        assert (await node.send(attempt.raw))[0] is Reply.IN_POOL
        assert (first.asked, second.asked) == (["eth_sendRawTransaction"], ["eth_sendRawTransaction"])
        await endpoints.close()


async def test_a_receipt_without_a_block_is_not_mined() -> None:
    async with Misbehaving({"result": {**RECEIPT, "blockHash": None, "blockNumber": None}}) as server:
        node, endpoints = node_on(server)
        assert await node.receipt(TxHash(b"\x33" * 32)) is None
        await endpoints.close()


async def test_another_transaction_s_receipt_is_trouble() -> None:
    async with Misbehaving({"result": RECEIPT}) as server:
        node, endpoints = node_on(server)
        with pytest.raises(NodeTrouble, match="asked for 0x4444"):
            await node.receipt(TxHash(b"\x44" * 32))
        await endpoints.close()


async def test_receipts_of_another_block_are_trouble() -> None:
    async with Misbehaving({"result": [RECEIPT]}) as server:
        node, endpoints = node_on(server)
        with pytest.raises(NodeTrouble, match="got receipts of 0x1111"):
            await node.receipts(BlockHash(b"\x44" * 32))
        await endpoints.close()


async def test_an_unknown_block_is_none_however_it_is_said() -> None:
    said: list[Plan] = [
        {"result": None},
        {"error": {"code": -32001, "message": "block not found: hash 0x11"}},
        {"error": {"code": -32000, "message": "Block not found"}},
        {"error": {"code": -39001, "message": "Unknown block"}},
    ]
    async with Misbehaving(*said, *said) as server:
        node, endpoints = node_on(server)
        for _ in said:
            assert await node.receipts(BlockHash(b"\x11" * 32)) is None
        for _ in said:
            assert await node.block(BlockNumber(16)) is None
        await endpoints.close()


async def test_without_block_receipts_they_are_fetched_one_by_one_and_the_method_is_tried_once() -> None:
    block = {**BLOCK, "transactions": [RECEIPT["transactionHash"]]}
    async with Misbehaving(
        MISSING, {"result": block}, {"result": RECEIPT}, {"result": block}, {"result": RECEIPT}
    ) as server:
        node, endpoints = node_on(server)
        for _ in range(2):
            receipts = await node.receipts(BlockHash(b"\x11" * 32))
            assert receipts is not None
            assert [receipt.transaction for receipt in receipts] == [b"\x33" * 32]
        assert server.asked == [
            "eth_getBlockReceipts",
            *["eth_getBlockByHash", "eth_getTransactionReceipt"] * 2,
        ]
        await endpoints.close()


async def test_a_block_uncled_while_its_receipts_are_fetched_is_unknown() -> None:
    block = {**BLOCK, "transactions": [RECEIPT["transactionHash"]]}
    elsewhere = {**RECEIPT, "blockHash": "0x" + "99" * 32}
    async with Misbehaving(MISSING, {"result": block}, {"result": elsewhere}, {"result": None}) as server:
        node, endpoints = node_on(server)
        assert await node.receipts(BlockHash(b"\x11" * 32)) is None
        assert await node.receipts(BlockHash(b"\x11" * 32)) is None
        await endpoints.close()


async def test_the_one_by_one_way_gives_what_the_block_way_gives_on_a_real_chain(
    node: RpcNode, endpoints: Endpoints, signer: LocalSigner
) -> None:
    attempt = signer.sign(chain=CHAIN, nonce=Nonce(0), to=LOGS, data=b"", gas_limit=60_000, fees=FEES)
    await node.send(attempt.raw)
    receipt = await mined(node, attempt.hash)
    without = RpcNode(endpoints)
    without._knows_block_receipts = False
    assert await without.receipts(receipt.block_hash) == await node.receipts(receipt.block_hash) == [receipt]


@pytest.mark.parametrize("result", [None, "0x", 5, "0x01"])
async def test_an_odd_quantity_is_trouble_naming_the_question(result: object) -> None:
    async with Misbehaving({"result": result}) as server:
        node, endpoints = node_on(server)
        with pytest.raises(NodeTrouble, match="eth_getBalance: result: "):
            await node.balance(TO)
        await endpoints.close()


async def test_a_block_with_missing_fields_is_trouble() -> None:
    async with Misbehaving({"result": {"number": "0x1"}}, {"result": None}) as server:
        node, endpoints = node_on(server)
        with pytest.raises(NodeTrouble, match=r"block\.hash"):
            await node.head()
        with pytest.raises(NodeTrouble, match="no latest block"):
            await node.head()
        await endpoints.close()

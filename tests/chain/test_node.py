"""`RpcNode` against a real chain."""

import pytest

from chain.conftest import (
    BURNS_GAS,
    CHAIN,
    INVALID,
    LOGS,
    REVERTS_EMPTY,
    REVERTS_WITH_BLOCK,
    TELLS_BLOCK,
    mined,
)
from headrace.chain.endpoints import Endpoints
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.core.ports import Node, NodeTrouble, Returned, Reverted
from headrace.core.words import Address, BlockHash, BlockNumber, Fees, Nonce, Reply, TxHash

FEES = Fees(max_fee_wei=10 * 10**9, tip_wei=10**9)


def two_words(number: int, timestamp: int) -> bytes:
    return number.to_bytes(32) + timestamp.to_bytes(32)


async def test_it_is_a_node_and_knows_its_chain(node: RpcNode) -> None:
    port: Node = node
    assert await port.chain_id() == CHAIN


async def test_a_call_may_ask_for_the_block_and_the_time_it_will_land_in(node: RpcNode) -> None:
    answer = await node.call(to=TELLS_BLOCK, data=b"", in_block=BlockNumber(4242), timestamp=1_999_999_999)
    assert answer == Returned(two_words(4242, 1_999_999_999))


async def test_one_of_the_two_overrides_leaves_the_other_alone(node: RpcNode, endpoints: Endpoints) -> None:
    await endpoints.ask("anvil_mine", "0x1")
    head = await node.head()
    answer = await node.call(to=TELLS_BLOCK, data=b"", in_block=BlockNumber(77))
    assert isinstance(answer, Returned)
    assert answer.data[:32] == (77).to_bytes(32)
    assert int.from_bytes(answer.data[32:]) >= head.timestamp


async def test_a_call_as_of_an_older_block_sees_its_state(node: RpcNode, endpoints: Endpoints) -> None:
    before = await node.head()
    code_later = Address(bytes.fromhex("00000000000000000000000000000000000000c1"))
    await endpoints.ask("anvil_mine", "0x1")
    await endpoints.ask("anvil_setCode", "0x" + code_later.hex(), "0x60005260206000f3")
    assert await node.call(to=code_later, data=b"", as_of=before.number) == Returned(b"")


async def test_revert_data_comes_back_whole(node: RpcNode) -> None:
    answer = await node.call(to=REVERTS_WITH_BLOCK, data=b"", in_block=BlockNumber(9), timestamp=1_999_999_999)
    assert answer == Reverted(two_words(9, 1_999_999_999))


@pytest.mark.parametrize("target", [REVERTS_EMPTY, INVALID, BURNS_GAS])
async def test_a_revert_a_halt_and_running_dry_without_data_are_all_reverts(
    node: RpcNode, target: Address
) -> None:
    assert await node.call(to=target, data=b"", gas=100_000) == Reverted(b"")


async def test_gas_below_the_intrinsic_cost_is_a_revert_too(node: RpcNode) -> None:
    assert await node.call(to=TELLS_BLOCK, data=b"\x01" * 100, gas=21_000) == Reverted(b"")


async def test_a_block_that_is_not_there_makes_a_call_trouble_not_a_revert(node: RpcNode) -> None:
    head = await node.head()
    with pytest.raises(NodeTrouble, match="eth_call"):
        await node.call(to=TELLS_BLOCK, data=b"", as_of=BlockNumber(head.number + 1_000))


async def test_sent_bytes_are_in_the_pool_mined_and_found_again(node: RpcNode, signer: LocalSigner) -> None:
    attempt = signer.sign(chain=CHAIN, nonce=Nonce(0), to=LOGS, data=b"", gas_limit=60_000, fees=FEES)
    assert await node.send(attempt.raw) == (Reply.IN_POOL, "accepted")

    receipt = await mined(node, attempt.hash)
    assert receipt.ok
    assert receipt.transaction == attempt.hash
    assert receipt.gas_price_wei <= FEES.max_fee_wei
    (log,) = receipt.logs
    assert (log.address, log.topics, log.data) == (LOGS, ((7).to_bytes(32),), (42).to_bytes(32))

    block = await node.block(receipt.block)
    assert block is not None
    assert block.hash == receipt.block_hash
    assert await node.receipts(block.hash) == [receipt]
    assert await node.nonces(signer.address) == (1, 1)
    assert await node.nonce_after(signer.address, receipt.block) == 1
    assert await node.nonce_after(signer.address, BlockNumber(receipt.block - 1)) == 0
    with pytest.raises(NodeTrouble):
        await node.nonce_after(signer.address, BlockNumber(receipt.block + 1_000))


async def test_the_same_bytes_twice_are_in_the_pool(held: Endpoints, node: RpcNode, signer: LocalSigner) -> None:
    attempt = signer.sign_no_op(chain=CHAIN, nonce=Nonce(0), fees=FEES)
    assert (await node.send(attempt.raw))[0] is Reply.IN_POOL
    reply, text = await node.send(attempt.raw)
    assert (reply, text) == (Reply.IN_POOL, "transaction already imported (code -32003)")


async def test_the_pool_counts_in_the_pending_nonce(held: Endpoints, node: RpcNode, signer: LocalSigner) -> None:
    await node.send(signer.sign_no_op(chain=CHAIN, nonce=Nonce(0), fees=FEES).raw)
    assert await node.nonces(signer.address) == (0, 1)


async def test_a_replacement_that_offers_no_more_must_raise_its_fees(
    held: Endpoints, node: RpcNode, signer: LocalSigner
) -> None:
    await node.send(signer.sign_no_op(chain=CHAIN, nonce=Nonce(0), fees=FEES).raw)
    other = signer.sign(chain=CHAIN, nonce=Nonce(0), to=LOGS, data=b"", gas_limit=60_000, fees=FEES)
    assert (await node.send(other.raw))[0] is Reply.RAISE_FEES


async def test_a_fee_under_the_base_fee_must_be_raised(node: RpcNode, signer: LocalSigner) -> None:
    cheap = signer.sign_no_op(chain=CHAIN, nonce=Nonce(0), fees=Fees(max_fee_wei=1, tip_wei=1))
    assert (await node.send(cheap.raw))[0] is Reply.RAISE_FEES


async def test_a_spent_nonce_asks_for_the_receipt(node: RpcNode, signer: LocalSigner) -> None:
    first = signer.sign_no_op(chain=CHAIN, nonce=Nonce(0), fees=FEES)
    await node.send(first.raw)
    await mined(node, first.hash)
    again = signer.sign(chain=CHAIN, nonce=Nonce(0), to=LOGS, data=b"", gas_limit=60_000, fees=FEES)
    assert (await node.send(again.raw))[0] is Reply.LOOK_FOR_RECEIPT


async def test_an_empty_account_is_to_be_funded(node: RpcNode) -> None:
    poor = LocalSigner(b"\x05" * 32)
    assert (await node.send(poor.sign_no_op(chain=CHAIN, nonce=Nonce(0), fees=FEES).raw))[0] is Reply.FUND_LANE


async def test_another_chain_s_signature_and_too_much_gas_are_refused(node: RpcNode, signer: LocalSigner) -> None:
    foreign = signer.sign_no_op(chain=type(CHAIN)(1), nonce=Nonce(0), fees=FEES)
    assert (await node.send(foreign.raw))[0] is Reply.REFUSED
    greedy = signer.sign(chain=CHAIN, nonce=Nonce(0), to=LOGS, data=b"", gas_limit=40_000_000, fees=FEES)
    assert (await node.send(greedy.raw))[0] is Reply.TOO_LARGE


async def test_what_is_not_there_is_none(node: RpcNode) -> None:
    nowhere = b"\x00" * 31 + b"\x01"
    assert await node.receipts(BlockHash(nowhere)) is None
    assert await node.receipt(TxHash(nowhere)) is None
    assert await node.block(BlockNumber(10**9)) is None


async def test_a_block_without_transactions_has_no_receipts(node: RpcNode, endpoints: Endpoints) -> None:
    await endpoints.ask("anvil_mine", "0x1")
    assert list(await node.receipts((await node.head()).hash) or ()) == []


async def test_an_uncled_block_is_not_known_any_more(held: Endpoints, node: RpcNode, signer: LocalSigner) -> None:
    attempt = signer.sign_no_op(chain=CHAIN, nonce=Nonce(0), fees=FEES)
    await node.send(attempt.raw)
    await held.ask("anvil_mine", "0x1")
    old = await node.head()
    await held.ask("anvil_reorg", 1, [])
    assert await node.receipts(old.hash) is None
    assert await node.receipt(attempt.hash) is None
    new = await node.block(old.number)
    assert new is not None
    assert new.hash != old.hash


async def test_gas_is_estimated_for_a_call_and_for_a_creation(node: RpcNode, signer: LocalSigner) -> None:
    assert await node.estimate_gas(sender=signer.address, to=signer.address, data=b"") == 21_000
    creation = await node.estimate_gas(sender=signer.address, to=None, data=bytes.fromhex("60006000f3"))
    assert isinstance(creation, int)
    assert creation > 53_000
    reverted = await node.estimate_gas(sender=signer.address, to=REVERTS_WITH_BLOCK, data=b"")
    assert isinstance(reverted, Reverted)
    assert len(reverted.data) == 64


async def test_balance_and_code(node: RpcNode, signer: LocalSigner) -> None:
    assert await node.balance(signer.address) == 10**21
    assert await node.code(INVALID) == b"\xfe"
    assert await node.code(signer.address) == b""

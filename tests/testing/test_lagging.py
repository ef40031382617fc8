"""A node that is behind, against a real chain that is ahead of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from headrace.testing.anvil import Anvil, start_anvil
from headrace.testing.faults import AnswerNull, Fault, NoFaults, RpcRequest
from headrace.testing.lagging import Lagging
from headrace.testing.proxy_answers import Done
from headrace.testing.rpc_client import RpcClient, RpcRefused, open_rpc
from headrace.testing.strict_proxy import StrictProxy, start_strict_proxy
from testing.signing import hexed, signed


@dataclass
class Behind:
    """`newest`: where the node has got to; None: as far as the chain."""

    chain: Anvil
    proxy: StrictProxy
    rpc: RpcClient
    newest: list[int | None]


@pytest.fixture
async def s() -> AsyncIterator[Behind]:
    newest: list[int | None] = [None]
    lagging = Lagging(NoFaults(), newest=lambda: newest[0])
    async with (
        start_anvil() as chain,
        start_strict_proxy(chain.http_url, chain.ws_url, faults=lagging) as proxy,
        open_rpc(proxy.http_url) as rpc,
    ):
        yield Behind(chain, proxy, rpc, newest)


async def test_its_newest_block_is_an_older_one_and_what_is_newer_does_not_exist(s: Behind) -> None:
    await s.chain.mine(5)
    s.newest[0] = 3
    block = await s.rpc.ask("eth_getBlockByNumber", "latest", False)
    assert block["number"] == "0x3"
    assert (await s.rpc.ask("eth_getBlockByNumber", "0x3", False))["hash"] == block["hash"]
    assert await s.rpc.ask("eth_getBlockByNumber", "0x4", False) is None
    newer = await s.chain.rpc.ask("eth_getBlockByNumber", "0x4", False)
    assert await s.rpc.ask("eth_getBlockByHash", newer["hash"], False) is None
    assert await s.rpc.ask("eth_getBlockByHash", block["hash"], False) == block


async def test_it_takes_transactions_but_has_not_seen_them_mined(s: Behind) -> None:
    s.newest[0] = 0
    sender = s.chain.keys[0]
    hash_ = await s.rpc.ask("eth_sendRawTransaction", hexed(signed(sender, 0)))
    await s.chain.mine()
    mined = await s.chain.rpc.ask("eth_getTransactionReceipt", hash_)
    count = ("eth_getTransactionCount", hexed(sender.address))

    assert await s.rpc.ask("eth_getTransactionReceipt", hash_) is None
    assert await s.rpc.ask("eth_getBlockReceipts", mined["blockHash"]) is None
    assert await s.rpc.ask(*count, "latest") == await s.rpc.ask(*count, "pending") == "0x0"

    s.newest[0] = 1
    assert await s.rpc.ask("eth_getTransactionReceipt", hash_) == mined
    assert await s.rpc.ask("eth_getBlockReceipts", mined["blockHash"]) == [mined]
    assert await s.rpc.ask(*count, "latest") == "0x1"


async def test_calls_run_on_its_own_newest_state_and_on_no_newer_one(s: Behind) -> None:
    await s.chain.mine(5)
    s.newest[0] = 3
    numbers = {"data": "0x4360005260206000f3"}  # returns NUMBER
    assert int(await s.rpc.ask("eth_call", numbers, "latest"), 16) == 3
    assert int(await s.rpc.ask("eth_call", numbers), 16) == 3
    assert int(await s.rpc.ask("eth_call", numbers, "0x2"), 16) == 2
    with pytest.raises(RpcRefused, match="header not found"):
        await s.rpc.ask("eth_call", numbers, "0x4")


async def test_stale_answers_are_counted_and_true_ones_are_not(s: Behind) -> None:
    await s.chain.mine(2)
    await s.rpc.ask("eth_getBlockByNumber", "latest", False)
    s.newest[0] = 1
    await s.rpc.ask("eth_getBlockByNumber", "0x1", False)
    assert not s.proxy.faults_done
    await s.rpc.ask("eth_getBlockByNumber", "latest", False)
    await s.rpc.ask("eth_getBlockByNumber", "0x2", False)
    assert s.proxy.faults_done == {Done.ASKED_INSTEAD: 1, Done.HIDDEN: 1}


def test_other_trouble_comes_first() -> None:
    class Nulls(NoFaults):
        def choose(self, request: RpcRequest) -> Fault:
            return AnswerNull()

    lagging = Lagging(Nulls(), newest=lambda: 1)
    assert lagging.choose(RpcRequest("eth_getBlockByNumber", b'["latest",false]')) == AnswerNull()


def test_parameters_of_another_shape_are_left_to_the_node() -> None:
    lagging = Lagging(NoFaults(), newest=lambda: 1)
    for params in (b"{}", b"[1", b'[{"data":"0x"},{"blockHash":"0x00"}]'):
        assert lagging.choose(RpcRequest("eth_call", params)) == NoFaults().choose(RpcRequest("", b""))

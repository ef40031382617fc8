import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import psutil
import pytest

from headrace.testing.anvil import Anvil, start_anvil
from headrace.testing.faults import (
    AnswerError,
    AnswerHttp,
    AnswerNull,
    AskInstead,
    Fault,
    Hang,
    LoseReply,
    PassOn,
    RpcRequest,
)
from headrace.testing.pool_rules import NodeRules
from headrace.testing.proxy_answers import Done
from headrace.testing.rpc_client import RpcClient, RpcRefused, open_rpc
from headrace.testing.strict_proxy import StrictProxy, start_strict_proxy, start_strict_proxy_process
from testing.signing import GWEI, hexed, signed


@dataclass
class Setting:
    chain: Anvil
    proxy: StrictProxy
    rpc: RpcClient  # through the proxy

    async def send(self, raw: bytes) -> str:
        return str(await self.rpc.ask("eth_sendRawTransaction", hexed(raw)))

    async def refused(self, raw: bytes) -> tuple[int, str]:
        with pytest.raises(RpcRefused) as caught:
            await self.send(raw)
        return caught.value.code, caught.value.message


class Scripted:
    """Faults for the next requests of one method, in order."""

    def __init__(self, method: str, *faults: Fault) -> None:
        self.method = method
        self.left = list(faults)
        self.notifications = True

    def choose(self, request: RpcRequest) -> Fault:
        return self.left.pop(0) if request.method == self.method and self.left else PassOn()

    def keep_notification(self, notification: bytes) -> bool:
        return self.notifications


@contextlib.asynccontextmanager
async def open_setting(faults: Scripted | None = None, rules: NodeRules | None = None) -> AsyncIterator[Setting]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with (
        start_anvil() as chain,
        start_strict_proxy(chain.http_url, chain.ws_url, faults=faults, rules=rules, sleep=sleep) as proxy,
        open_rpc(proxy.http_url) as rpc,
    ):
        yield Setting(chain, proxy, rpc)


@pytest.fixture
async def s() -> AsyncIterator[Setting]:
    async with open_setting() as setting:
        yield setting


# ---- What a real node refuses


async def test_a_good_transaction_goes_through_and_is_mined(s: Setting) -> None:
    transaction = await s.send(signed(s.chain.keys[0], 0))
    await s.chain.mine()
    assert (await s.rpc.ask("eth_getTransactionReceipt", transaction))["status"] == "0x1"


async def test_more_gas_than_eip_7825_allows_is_refused_and_the_limit_itself_is_not(s: Setting) -> None:
    key = s.chain.keys[0]
    text = "transaction gas limit too high (cap: 16777216, tx: 16777217)"
    assert await s.refused(signed(key, 0, gas=2**24 + 1)) == (-32000, text)
    assert await s.chain.pool_size() == 0
    await s.send(signed(key, 0, gas=2**24))


async def test_before_osaka_there_is_no_gas_cap() -> None:
    async with open_setting(rules=NodeRules(gas_per_transaction_max=None)) as s:
        await s.send(signed(s.chain.keys[0], 0, gas=20_000_000))


async def test_131072_bytes_are_taken_and_one_more_is_refused(s: Setting) -> None:
    key = s.chain.keys[0]

    def of_size(size: int) -> bytes:
        gas = 15_000_000
        surplus = len(signed(key, 0, data=bytes(size), gas=gas)) - size
        raw = signed(key, 0, data=bytes(size - surplus), gas=gas)
        assert len(raw) == size
        return raw

    text = "oversized data: transaction size 131073, limit 131072"
    assert await s.refused(of_size(131_073)) == (-32000, text)
    await s.send(of_size(131_072))


@pytest.mark.parametrize(
    ("max_fee", "tip"),
    [(11 * GWEI, GWEI), (10 * GWEI, 2 * GWEI), (11 * GWEI - 1, 2 * GWEI), (20 * GWEI, GWEI * 109 // 100)],
)
async def test_a_replacement_must_raise_both_fees_by_a_tenth(s: Setting, max_fee: int, tip: int) -> None:
    key = s.chain.keys[0]
    await s.send(signed(key, 0))
    poor = signed(key, 0, maxFeePerGas=max_fee, maxPriorityFeePerGas=tip)
    assert await s.refused(poor) == (-32000, "replacement transaction underpriced")
    assert s.proxy.refusals["replacement transaction underpriced"] == 1
    enough = signed(key, 0, maxFeePerGas=11 * GWEI, maxPriorityFeePerGas=GWEI * 11 // 10)
    transaction = await s.send(enough)
    await s.chain.mine()
    assert (await s.rpc.ask("eth_getBlockByNumber", "latest", False))["transactions"] == [transaction]


async def test_the_same_bytes_again_are_already_known(s: Setting) -> None:
    raw = signed(s.chain.keys[0], 0)
    await s.send(raw)
    assert await s.refused(raw) == (-32000, "already known")


async def test_bytes_the_node_got_by_another_way_are_already_known_too(s: Setting) -> None:
    raw = signed(s.chain.keys[0], 0)
    await s.chain.rpc.ask("eth_sendRawTransaction", hexed(raw))
    assert await s.refused(raw) == (-32000, "already known")
    dearer = signed(s.chain.keys[0], 0, maxFeePerGas=10 * GWEI + 10**8 * 2, maxPriorityFeePerGas=GWEI + 10**8 // 2)
    assert await s.refused(dearer) == (-32000, "replacement transaction underpriced")


async def test_an_older_attempt_sent_again_is_an_underpriced_replacement(s: Setting) -> None:
    key = s.chain.keys[0]
    first = signed(key, 0)
    await s.send(first)
    await s.send(signed(key, 0, maxFeePerGas=20 * GWEI, maxPriorityFeePerGas=2 * GWEI))
    assert await s.refused(first) == (-32000, "replacement transaction underpriced")


async def test_what_was_mined_is_a_spent_nonce(s: Setting) -> None:
    key = s.chain.keys[0]
    raw = signed(key, 0)
    await s.send(raw)
    await s.chain.mine()
    assert await s.refused(raw) == (-32000, "nonce too low: next nonce 1, tx nonce 0")
    assert await s.refused(signed(key, 0, value=1)) == (-32000, "nonce too low: next nonce 1, tx nonce 0")
    await s.send(signed(key, 1))


async def test_what_was_dropped_or_uncled_can_be_sent_again_at_any_fee(s: Setting) -> None:
    key = s.chain.keys[0]
    raw = signed(key, 0)
    await s.send(raw)
    await s.chain.drop_all()
    await s.send(raw)
    await s.chain.drop_all()
    cheaper = signed(key, 0, maxFeePerGas=9 * GWEI)
    await s.send(cheaper)
    await s.chain.mine()
    await s.chain.reorg(1)
    await s.send(raw)


async def test_an_account_may_have_64_in_the_pool_and_room_comes_back_when_they_are_mined(s: Setting) -> None:
    key = s.chain.keys[0]
    for nonce in range(64):
        await s.send(signed(key, nonce))
    assert await s.refused(signed(key, 64)) == (-32000, "account limit exceeded: pooled 64 txs")
    # A replacement takes no new place, and other accounts have their own.
    await s.send(signed(key, 63, maxFeePerGas=20 * GWEI, maxPriorityFeePerGas=2 * GWEI))
    await s.send(signed(s.chain.keys[1], 0))
    await s.chain.mine()
    await s.send(signed(key, 64))


async def test_transactions_behind_a_gap_count_too(s: Setting) -> None:
    key = s.chain.keys[0]
    for nonce in range(1, 65):
        await s.send(signed(key, nonce))
    assert await s.refused(signed(key, 65)) == (-32000, "account limit exceeded: pooled 64 txs")


async def test_gas_below_what_the_bytes_cost_is_refused(s: Setting) -> None:
    key = s.chain.keys[0]
    text = "intrinsic gas too low: gas 20999, minimum needed 21000"
    assert await s.refused(signed(key, 0, gas=20_999)) == (-32000, text)
    data = b"\xff" * 1000
    text = "insufficient gas for floor data gas cost: gas 60999, minimum needed 61000"
    assert await s.refused(signed(key, 0, gas=60_999, data=data)) == (-32000, text)
    await s.send(signed(key, 0, gas=61_000, data=data))


async def test_other_refusals_come_in_geths_words(s: Setting) -> None:
    key = s.chain.keys[0]
    balance = 10_000 * 10**18
    cost = balance + 21_000 * 10 * GWEI
    text = (
        f"insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {cost - balance}"
    )
    assert await s.refused(signed(key, 0, value=balance)) == (-32000, text)
    await s.chain.set_block_gas_limit(10_000_000)
    await s.chain.mine()
    assert await s.refused(signed(key, 0, gas=10_000_001)) == (-32000, "exceeds block gas limit")
    text = "invalid sender: invalid chain id for signer"
    assert await s.refused(signed(key, 0, chainId=1)) == (-32000, text)
    text = "transaction gas price below minimum: gas tip cap 0, minimum needed 1"
    assert await s.refused(signed(key, 0, maxPriorityFeePerGas=0)) == (-32000, text)
    text = "max priority fee per gas higher than max fee per gas"
    assert await s.refused(signed(key, 0, maxPriorityFeePerGas=11 * GWEI)) == (-32000, text)
    assert (await s.refused(b"\x02\x01"))[0] == -32000


async def test_the_nodes_own_keys_are_out_of_reach(s: Setting) -> None:
    own = hexed(s.chain.keys[0].address)
    with pytest.raises(RpcRefused, match="unknown account"):
        await s.rpc.ask("eth_sendTransaction", {"from": own, "to": own})


async def test_of_two_sent_at_the_same_moment_only_one_takes_the_nonce(s: Setting) -> None:
    key = s.chain.keys[0]
    answers = await asyncio.gather(
        *(s.send(signed(key, 0, value=value)) for value in range(8)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, RpcRefused)]
    assert len(refused) == 7
    assert {error.message for error in refused} == {"replacement transaction underpriced"}


async def test_send_and_wait_follows_the_same_rules() -> None:
    async with (
        start_anvil(block_time_s=0) as chain,
        start_strict_proxy(chain.http_url) as proxy,
        open_rpc(proxy.http_url) as rpc,
    ):
        with pytest.raises(RpcRefused, match="gas limit too high"):
            raw = signed(chain.keys[0], 0, gas=2**24 + 1)
            await rpc.ask("eth_sendRawTransactionSync", hexed(raw))
        receipt = await rpc.ask("eth_sendRawTransactionSync", hexed(signed(chain.keys[0], 0)))
        assert receipt["status"] == "0x1"


# ---- Passing on


async def test_everything_else_is_answered_as_the_node_answers(s: Setting) -> None:
    bodies = [
        b'{"jsonrpc":"2.0","id":7,"method":"eth_getBlockByNumber","params":["latest",true]}',
        b'{"jsonrpc":"2.0","id":"text","method":"no_such_method"}',
        b'{"jsonrpc":"2.0","id":null,"method":"eth_chainId","params":[]}',
        b'[{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}]',
        b"{broken",
        b"[]",
        b"3",
    ]
    async with aiohttp.ClientSession(headers={"content-type": "application/json"}) as session:
        for body in bodies:
            async with session.post(s.chain.http_url, data=body) as straight:
                expected = (straight.status, await straight.read())
            async with session.post(s.proxy.http_url + "/any/path", data=body) as through:
                assert (through.status, await through.read()) == expected, body


async def test_in_a_batch_each_transaction_is_looked_at_by_itself(s: Setting) -> None:
    key = s.chain.keys[0]
    batch = [
        {"jsonrpc": "2.0", "id": 0, "method": "eth_chainId", "params": []},
        {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [hexed(signed(key, 0))]},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "eth_sendRawTransaction",
            "params": [hexed(signed(key, 1, gas=2**24 + 1))],
        },
        {
            "jsonrpc": "2.0",
            "id": 3,
            "method": "eth_sendRawTransaction",
            "params": [hexed(signed(key, 0, value=1))],
        },
        {
            "jsonrpc": "2.0",
            "id": 4,
            "method": "eth_getTransactionCount",
            "params": [hexed(key.address), "pending"],
        },
        {"jsonrpc": "2.0", "id": 5, "method": "eth_blockNumber", "params": []},
    ]
    async with aiohttp.ClientSession() as session, session.post(s.proxy.http_url, json=batch) as response:
        answers = {answer["id"]: answer for answer in await response.json()}
    assert len(answers) == 6
    assert answers[0]["result"] == "0x7a69"
    assert len(answers[1]["result"]) == 66
    assert answers[2]["error"]["message"].startswith("transaction gas limit too high")
    assert answers[3]["error"]["message"] == "replacement transaction underpriced"
    assert answers[4]["result"] == "0x1"
    assert answers[5]["result"] == "0x0"


async def test_calls_are_counted_by_method_also_inside_a_batch(s: Setting) -> None:
    await s.rpc.ask("eth_chainId")
    await s.rpc.ask_all([("eth_chainId", ()), ("eth_blockNumber", ())])
    with contextlib.suppress(RpcRefused):
        await s.rpc.ask("eth_sign", "0x", "0x")
    assert s.proxy.calls == {"eth_chainId": 2, "eth_blockNumber": 1, "eth_sign": 1}
    assert s.proxy.refusals == {"unknown account": 1}


async def test_without_a_node_behind_it_the_answer_is_502(s: Setting) -> None:
    async with start_strict_proxy("http://127.0.0.1:1") as proxy, aiohttp.ClientSession() as session:
        body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
        async with session.post(proxy.http_url, data=body) as response:
            assert response.status == 502
            assert "no answer from http://127.0.0.1:1" in await response.text()


# ---- WebSocket


async def test_heads_come_over_websocket_and_sends_follow_the_rules_there(s: Setting) -> None:
    key = s.chain.keys[0]
    async with aiohttp.ClientSession() as session, session.ws_connect(s.proxy.ws_url) as ws:
        await ws.send_json({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})
        subscription = (await ws.receive_json(timeout=5))["result"]
        await s.chain.mine(2)
        for number in (1, 2):
            head = await ws.receive_json(timeout=5)
            assert head["params"]["subscription"] == subscription
            assert int(head["params"]["result"]["number"], 16) == number
        raw = hexed(signed(key, 0, gas=2**24 + 1))
        await ws.send_json({"jsonrpc": "2.0", "id": 2, "method": "eth_sendRawTransaction", "params": [raw]})
        assert "gas limit too high" in (await ws.receive_json(timeout=5))["error"]["message"]
        await ws.send_json({"jsonrpc": "2.0", "id": 3, "method": "eth_chainId"})
        assert await ws.receive_json(timeout=5) == {"jsonrpc": "2.0", "id": 3, "result": "0x7a69"}
        await ws.send_json({"jsonrpc": "2.0", "id": 4, "method": "eth_unsubscribe", "params": [subscription]})
        assert (await ws.receive_json(timeout=5))["result"] is True
    assert s.proxy.calls["eth_subscribe"] == s.proxy.calls["eth_unsubscribe"] == 1


async def test_a_reorg_is_announced_through_the_proxy(s: Setting) -> None:
    await s.chain.mine(2)
    async with aiohttp.ClientSession() as session, session.ws_connect(s.proxy.ws_url) as ws:
        await ws.send_json({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})
        await ws.receive_json(timeout=5)
        await s.chain.reorg(1)
        assert int((await ws.receive_json(timeout=5))["params"]["result"]["number"], 16) == 2


async def test_when_the_node_goes_the_clients_websocket_is_closed() -> None:
    async with contextlib.AsyncExitStack() as stack:
        chain_life = await stack.enter_async_context(contextlib.AsyncExitStack())
        chain = await chain_life.enter_async_context(start_anvil())
        proxy = await stack.enter_async_context(start_strict_proxy(chain.http_url))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        ws = await stack.enter_async_context(session.ws_connect(proxy.ws_url))
        await chain_life.aclose()
        assert (await ws.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        async with session.ws_connect(proxy.ws_url) as orphan:
            assert (await orphan.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE


async def test_the_proxy_ends_at_once_though_clients_are_connected(s: Setting) -> None:
    async with aiohttp.ClientSession() as session, contextlib.AsyncExitStack() as life:
        proxy = await life.enter_async_context(start_strict_proxy(s.chain.http_url))
        ws = await session.ws_connect(proxy.ws_url)
        async with asyncio.timeout(5):
            closing = asyncio.create_task(life.aclose())
            assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
            await closing


# ---- Faults


async def test_a_lost_reply_is_a_closed_connection_and_a_transaction_in_the_pool() -> None:
    async with open_setting(Scripted("eth_sendRawTransaction", LoseReply())) as s:
        raw = signed(s.chain.keys[0], 0)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await s.send(raw)
        assert await s.chain.pool_size() == 1
        assert await s.refused(raw) == (-32000, "already known")


async def test_a_fault_counts_by_what_was_done_and_a_lost_reply_as_accepted_only_if_it_was() -> None:
    script = Scripted("eth_sendRawTransaction", LoseReply(), LoseReply(), Hang(30.0), AnswerHttp(503))
    async with open_setting(script) as s:
        raw = signed(s.chain.keys[0], 0)
        for _ in range(4):
            with pytest.raises(aiohttp.ClientError):
                await s.send(raw)  # the second time it is refused: already known
        assert s.proxy.faults_done == {
            Done.ACCEPTED_REPLY_LOST: 1,
            Done.REPLY_LOST: 1,
            Done.TIMED_OUT_BEFORE: 1,
            Done.HTTP_ERROR: 1,
        }


async def test_a_hang_is_a_closed_connection_after_its_time_with_or_without_effect() -> None:
    script = Scripted("eth_sendRawTransaction", Hang(30.0), Hang(30.0, reaches_node=True))
    async with open_setting(script) as s:
        raw = signed(s.chain.keys[0], 0)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await s.send(raw)
        assert await s.chain.pool_size() == 0
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await s.send(raw)
        assert await s.chain.pool_size() == 1


async def test_http_errors_nulls_and_rpc_errors_can_be_answered() -> None:
    script = Scripted(
        "eth_blockNumber", AnswerHttp(429, retry_after_s=2), AnswerNull(), AnswerError(-32005, "limit exceeded")
    )
    async with open_setting(script) as s:
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            await s.rpc.ask("eth_blockNumber")
        assert caught.value.status == 429
        assert caught.value.headers is not None
        assert caught.value.headers["retry-after"] == "2"
        assert await s.rpc.ask("eth_blockNumber") is None
        with pytest.raises(RpcRefused, match="limit exceeded"):
            await s.rpc.ask("eth_blockNumber")
        assert await s.rpc.ask("eth_blockNumber") == "0x0"


async def test_a_stale_head_is_another_question_to_the_node() -> None:
    stale = AskInstead(json.dumps(["0x1", False]).encode())
    async with open_setting(Scripted("eth_getBlockByNumber", stale)) as s:
        await s.chain.mine(3)
        answers = await s.rpc.ask_all([("eth_getBlockByNumber", ("latest", False)), ("eth_blockNumber", ())])
        assert answers[0]["number"] == "0x1"
        assert answers[1] == "0x3"


async def test_notifications_can_be_withheld() -> None:
    script = Scripted("")
    async with (
        open_setting(script) as s,
        aiohttp.ClientSession() as session,
        session.ws_connect(s.proxy.ws_url) as ws,
    ):
        await ws.send_json({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})
        await ws.receive_json(timeout=5)
        await s.chain.mine()
        await ws.receive_json(timeout=5)
        script.notifications = False
        await s.chain.mine()
        await ws.send_json({"jsonrpc": "2.0", "id": 2, "method": "eth_blockNumber"})
        assert (await ws.receive_json(timeout=5))["result"] == "0x2"


# ---- As a process of its own


async def test_it_runs_as_its_own_process_and_ends_with_the_block() -> None:
    async with start_anvil() as chain:
        async with start_strict_proxy_process(chain.http_url) as proxy, open_rpc(proxy.http_url) as rpc:
            assert await rpc.ask("eth_chainId") == "0x7a69"
            with pytest.raises(RpcRefused, match="gas limit too high"):
                await rpc.ask("eth_sendRawTransaction", hexed(signed(chain.keys[0], 0, gas=2**24 + 1)))
            counters = await proxy.counters()
            assert counters["calls"] == {"eth_chainId": 1, "eth_sendRawTransaction": 1}
            assert counters["refusals"] == {"transaction gas limit too high (cap": 1}
        assert not psutil.pid_exists(proxy.pid)

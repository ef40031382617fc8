"""What a node is asked, per transaction and per block: counted at the proxy, on a real chain, by real contracts.

The bounds that we hold ourselves to in steady state: three calls a transaction (it is simulated, it is sent, and
once it is deep enough its block is looked at again) and three a block, however many operations wait.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from app.real_contracts import deploy_real_contracts
from headrace.app.clock import SystemClock
from headrace.app.engine_room import EngineRoom, build_engine
from headrace.app.registry_watch import RegistryWatch
from headrace.app.settings import Settings
from headrace.chain.endpoints import Endpoints
from headrace.chain.heads import Heads
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.core.words import Address, Block
from headrace.store import SqliteStore, open_store
from headrace.testing.anvil import Anvil, start_anvil
from headrace.testing.builders import Builder
from headrace.testing.strict_proxy import StrictProxy, start_strict_proxy
from headrace.workloads.tasks.errors import TaskReverts, task_errors
from headrace.workloads.tasks.payload import CREATE
from headrace.workloads.tasks.workload import TaskContracts, Tasks

PER_TRANSACTION_MAX = 3
PER_BLOCK_MAX = 3
CONFIRMATIONS = 3
BLOCKS = 6
WARM = 40


def the_settings() -> Settings:
    chain = {
        "chain_id": 31337,
        "http": ["http://127.0.0.1:1"],
        "deployment": "unused.json",
        "confirmations": CONFIRMATIONS,
    }
    return Settings.model_validate(
        {
            "chains": {"real": chain},
            "lanes": [{"key_env": "UNUSED", "chain": "real", "transactions_in_flight_max": 4}],
        }
    )


@dataclass
class Scene:
    """A gateway's engine by hand: each head is heard by WebSocket, each flush is a step of the test."""

    anvil: Anvil
    proxy: StrictProxy
    engine: EngineRoom
    store: SqliteStore
    heads: AsyncIterator[Block]
    made: Builder
    height: int

    async def block(self) -> None:
        """One is mined, heard of and worked off."""
        await self.anvil.mine()
        height = await self.anvil.height()
        while (await self.hear()).number < height:
            pass

    async def hear(self) -> Block:
        head = await anext(self.heads)
        await self.engine.watcher.saw(head)
        return head

    async def send(self, transactions: int, *, of: int) -> None:
        """So many, with so many operations each."""
        (lane,) = self.engine.lanes
        lane.room._most = {CREATE: of}
        made = [self.made.operation(CREATE, created_block=self.height) for _ in range(transactions * of)]
        await self.store.add_operations(made)
        self.engine.noticed(len(made))
        before = self.asked()["eth_sendRawTransaction"]
        await lane.packer._flush()
        assert self.asked()["eth_sendRawTransaction"] - before == transactions

    def asked(self) -> Counter[str]:
        return self.proxy.calls.copy()


@asynccontextmanager
async def open_scene(folder: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        anvil = await stack.enter_async_context(start_anvil())
        contracts = await deploy_real_contracts(anvil)
        proxy = await stack.enter_async_context(start_strict_proxy(anvil.http_url, anvil.ws_url))
        clock = SystemClock()
        node = RpcNode(Endpoints([proxy.http_url], clock=clock))
        stack.push_async_callback(node.close)
        found = TaskContracts(
            task_manager=Address(contracts.task_manager),
            batch=Address(contracts.batch_task_manager),
            item_gas=450_000,
        )
        listening = Heads(node, clock=clock, poll_every_s=0.02, quiet_s=60, websocket=proxy.ws_url)
        stack.push_async_callback(listening.close)
        heads = aiter(listening)
        registry = RegistryWatch(
            node=node,
            registry=Address(contracts.registry),
            clients={},
            threshold_percent=67,
            replace=lambda members, since: None,
        )
        store = await stack.enter_async_context(open_store(folder / "store.db", clock=clock))
        engine = build_engine(
            the_settings(),
            store=store,
            node=node,
            heads=heads,
            signers=[LocalSigner(anvil.keys[0].secret)],
            workloads=[Tasks(found, read_revert=TaskReverts(task_errors()).read)],
            clock=clock,
            announce=lambda news: None,
            also=registry.saw_head,
        )
        await engine.restart()
        made = Builder(1, policy_client=Address(keccak(b"client")[:20]))
        scene = Scene(anvil, proxy, engine, store, heads, made, await anvil.height())
        await scene.hear()
        while not listening.listening:
            await scene.block()
        # What is asked once is asked: of the node what it can do, of the account its coin; and gas is learned.
        await scene.send(1, of=WARM)
        for _ in range(CONFIRMATIONS + 1):
            await scene.block()
        assert (await store.counts())["landed"] == WARM
        yield scene


@pytest.mark.parametrize(("transactions", "of"), [(1, 1), (1, 40), (3, 1), (3, 20)])
async def test_a_transaction_is_three_calls_and_a_block_is_two_whatever_they_carry(
    tmp_path: Path, transactions: int, of: int
) -> None:
    async with open_scene(tmp_path) as scene:
        before = scene.asked()
        for _ in range(BLOCKS):
            await scene.send(transactions, of=of)
            await scene.block()
        for _ in range(CONFIRMATIONS):
            await scene.block()
        assert scene.engine.lanes[0].runner.unsettled() == 0
        assert (await scene.store.counts())["landed"] == WARM + BLOCKS * transactions * of
        asked = scene.asked() - before
        sent, blocks = BLOCKS * transactions, BLOCKS + CONFIRMATIONS
        assert asked == {
            "eth_sendRawTransaction": sent,
            "eth_getBlockByNumber": sent,  # deep enough: is its block still the one that had it?
            "eth_call": sent + blocks,  # the simulation of each; the quorum at each block
            "eth_getBlockReceipts": BLOCKS,  # all of a block at once, where ours may be among them
        }
        assert asked.total() <= PER_TRANSACTION_MAX * sent + PER_BLOCK_MAX * blocks


async def test_an_idle_block_is_one_call(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        before = scene.asked()
        for _ in range(BLOCKS):
            await scene.block()
        assert scene.asked() - before == {"eth_call": BLOCKS}


async def test_however_many_transactions_a_block_has_passed_by_the_node_is_asked_for_all_of_them_at_once(
    tmp_path: Path,
) -> None:
    async with open_scene(tmp_path) as scene:
        await scene.send(4, of=2)
        limit = scene.engine.head().gas_limit
        await scene.anvil.set_block_gas_limit(22_000)
        before = scene.asked()
        for _ in range(BLOCKS):
            await scene.block()
        asked = scene.asked() - before
        assert asked == {"eth_call": BLOCKS, "eth_getBlockReceipts": BLOCKS, "eth_getTransactionCount": 2 * BLOCKS}
        await scene.anvil.set_block_gas_limit(limit)
        for _ in range(CONFIRMATIONS + 2):
            await scene.block()
        assert (await scene.store.counts())["landed"] == WARM + 4 * 2

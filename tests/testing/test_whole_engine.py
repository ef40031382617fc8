"""The real engine, store and workload on the fake node, by a hand-moved clock: what these stand-ins are for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from headrace.app.engine_room import EngineRoom, build_engine
from headrace.app.settings import Settings
from headrace.chain.artifacts import load
from headrace.chain.reverts import Errors
from headrace.chain.signing import LocalSigner
from headrace.core.operation import Operation
from headrace.core.words import Outcome
from headrace.store import SqliteStore, open_store
from headrace.testing import task_abi as abi
from headrace.testing.builders import BATCH_TASK_MANAGER, TASK_MANAGER, Builder, fake_task_chain
from headrace.testing.clock import HandClock, settle
from headrace.testing.fake_node import FakeNode
from headrace.testing.keys import keys_from_seed
from headrace.testing.node_faults import NodeFaults, ReadFault, ScriptedFaults, SeededFaults, SendFault
from headrace.testing.outside import Outside
from headrace.workloads.tasks.workload import TaskContracts, Tasks

(LANE,) = keys_from_seed(11, 1)
BLOCK_S = 12
SETTINGS = Settings.model_validate(
    {
        "chains": {
            "fake": {
                "chain_id": 31337,
                "http": ["http://127.0.0.1:1"],
                "deployment": "unused.json",
                "confirmations": 3,
            }
        },
        "lanes": [{"key_env": "UNUSED", "chain": "fake"}],
    }
)


@dataclass
class Scene:
    clock: HandClock
    node: FakeNode
    engine: EngineRoom
    store: SqliteStore
    outside: Outside

    async def submit(self, operations: list[Operation]) -> None:
        await self.engine.store.add_operations(operations)
        self.engine.noticed(len(operations))

    async def pass_blocks(self, count: int) -> None:
        for _ in range(count):
            await self.clock.run(BLOCK_S)
            self.node.mine()
            await settle(self.outside.busy)

    async def outcomes(self, operations: list[Operation]) -> list[Outcome | None]:
        accounts = [await self.store.account(operation.id) for operation in operations]
        return [account.outcome if account is not None else None for account in accounts]

    def recorded(self) -> list[bytes]:
        """Task ids in the order of the canonical chain's response events."""
        receipts = [receipt for block in self.node.chain.blocks for receipt in block.receipts]
        logs = [log for receipt in receipts for log in receipt.logs]
        return [log.topics[1] for log in logs if log.topics[0] == abi.TASK_RESPONDED]


@contextlib.asynccontextmanager
async def open_scene(folder: Path, faults: NodeFaults | None = None) -> AsyncIterator[Scene]:
    outside = Outside()
    clock = HandClock(busy=outside.busy)
    contracts = fake_task_chain([LANE.address], now=clock.now)
    contracts.chain.mine(3)
    node = FakeNode(contracts.chain)
    errors = Errors.of(*(load(name).abi for name in ("TaskManager", "BatchTaskManager", "OperatorRegistry")))
    tasks = Tasks(
        TaskContracts(task_manager=TASK_MANAGER, batch=BATCH_TASK_MANAGER, item_gas=contracts.batch.item_gas),
        read_revert=errors.decode,
    )
    async with open_store(folder / "headrace.db", clock=clock) as store:
        engine = build_engine(
            SETTINGS,
            store=outside.watch(store),
            node=node,
            heads=node.heads(),
            signers=[LocalSigner(LANE.secret)],
            workloads=[tasks],
            clock=clock,
            announce=lambda news: None,
        )
        await engine.restart()
        async with asyncio.TaskGroup() as loops:
            running = [loops.create_task(engine.watcher.run(), name="watcher")]
            running += [loops.create_task(lane.packer.run(), name="packer") for lane in engine.lanes]
            await settle(outside.busy)
            if faults is not None:
                node.faults = faults
            yield Scene(clock, node, engine, store, outside)
            for task in running:
                task.cancel()


async def test_good_operations_land_and_a_poisoned_one_is_rejected(tmp_path: Path) -> None:
    builder = Builder(4)
    operations = [builder.operation(created_block=2, good=i != 3) for i in range(6)]
    async with open_scene(tmp_path) as scene:
        await scene.submit(operations)
        await scene.pass_blocks(4)
        outcomes = await scene.outcomes(operations)
        assert outcomes == [Outcome.REJECTED if i == 3 else Outcome.LANDED for i in range(6)]
        assert sorted(scene.recorded()) == sorted(o.subject for i, o in enumerate(operations) if i != 3)


async def test_a_lost_reply_a_reorg_and_a_forgotten_transaction_lose_and_double_nothing(tmp_path: Path) -> None:
    builder = Builder(5)
    operations = [builder.operation(created_block=2) for _ in range(4)]
    async with open_scene(tmp_path, ScriptedFaults(send=[SendFault.TAKEN_BUT_UNSURE])) as scene:
        await scene.submit(operations)
        await scene.pass_blocks(1)
        assert len(scene.recorded()) == 4
        scene.node.chain.reorg(1, blocks=2, forget=True)
        await settle(scene.outside.busy)
        assert await scene.outcomes(operations) == [None] * 4
        await scene.pass_blocks(6)
        assert await scene.outcomes(operations) == [Outcome.LANDED] * 4
        assert sorted(scene.recorded()) == sorted(o.subject for o in operations)


async def test_one_seed_plays_one_story(tmp_path: Path) -> None:
    async def play(name: str) -> list[bytes]:
        faults = SeededFaults(
            7,
            send={SendFault.TAKEN_BUT_UNSURE: 0.2, SendFault.LOST_AND_UNSURE: 0.2, SendFault.TAKEN_LATER: 0.2},
            read={ReadFault.TROUBLE: 0.1},
        )
        folder = tmp_path / name
        folder.mkdir()
        builder = Builder(6)
        async with open_scene(folder, faults) as scene:
            operations = []
            for _ in range(4):
                some = [builder.operation(created_block=2) for _ in range(3)]
                operations += some
                await scene.submit(some)
                await scene.pass_blocks(2)
            await scene.pass_blocks(20)
            assert await scene.outcomes(operations) == [Outcome.LANDED] * 12
            assert len(scene.recorded()) == 12
            return [block.header.hash for block in scene.node.chain.blocks]

    assert await play("first") == await play("second")

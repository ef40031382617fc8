"""The parts of the engine put together: what the lanes of one chain have in common."""

from pathlib import Path

from headrace.app.engine_room import build_engine
from headrace.app.settings import Settings
from headrace.chain.artifacts import load
from headrace.chain.reverts import Errors
from headrace.chain.signing import LocalSigner
from headrace.core.ports import Added
from headrace.store import open_store
from headrace.testing.builders import BATCH_TASK_MANAGER, TASK_MANAGER, Builder, fake_task_chain
from headrace.testing.clock import HandClock
from headrace.testing.fake_node import FakeNode
from headrace.testing.keys import keys_from_seed
from headrace.workloads.tasks.workload import TaskContracts, Tasks

BLOCK_SHARE = 0.3
KEYS = keys_from_seed(13, 3)
SETTINGS = Settings.model_validate(
    {
        "chains": {
            "fake": {
                "chain_id": 31337,
                "http": ["http://127.0.0.1:1"],
                "deployment": "unused.json",
                "block_share": BLOCK_SHARE,
            }
        },
        "lanes": [{"key_env": "UNUSED", "chain": "fake"}] * len(KEYS),
    }
)


async def test_all_lanes_together_ask_for_no_more_of_a_block_than_the_share(tmp_path: Path) -> None:
    """D14: the arithmetic of one sender is right for each, and wrong for all of them."""
    clock = HandClock()
    contracts = fake_task_chain([key.address for key in KEYS], now=clock.now)
    contracts.chain.mine(3)
    node = FakeNode(contracts.chain)
    errors = Errors.of(load("TaskManager").abi, load("BatchTaskManager").abi)
    tasks = Tasks(
        TaskContracts(task_manager=TASK_MANAGER, batch=BATCH_TASK_MANAGER, item_gas=450_000),
        read_revert=errors.decode,
    )
    async with open_store(tmp_path / "headrace.db", clock=clock) as store:
        engine = build_engine(
            SETTINGS,
            store=store,
            node=node,
            heads=node.heads(),
            signers=[LocalSigner(key.secret) for key in KEYS],
            workloads=[tasks],
            clock=clock,
            announce=lambda news: None,
        )
        await engine.restart()
        await engine.watcher.saw(contracts.chain.head)
        made = Builder(3)
        added = await store.add_operations([made.operation() for _ in range(240)])
        assert set(added) == {Added.FRESH}
        share = contracts.chain.head.gas_limit * BLOCK_SHARE
        for lane in engine.lanes:
            await lane.packer.recount()
            await lane.packer._flush()
            assert sum(each.runner.gas_in_flight() for each in engine.lanes) <= share
        in_flight = [lane.runner.gas_in_flight() for lane in engine.lanes]
        assert min(in_flight) > share / len(KEYS) / 2, "and each lane has its part of it"

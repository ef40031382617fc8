from pathlib import Path

import pytest

from engine.world import open_world
from headrace.core.errors import NeedsOperator
from headrace.core.operation import Ending, Return
from headrace.core.ports import NodeTrouble
from headrace.core.words import Outcome
from headrace.engine.restart import restart_lane
from headrace.testing.builders import TASK_MANAGER


async def test_silence_of_a_missing_contract_is_no_answer(tmp_path: Path) -> None:
    """A node that returns nothing for a view must not make a conflict of it."""
    async with open_world(tmp_path) as world:
        del world.chain.contracts[TASK_MANAGER]
        with pytest.raises(NodeTrouble, match="is there a contract"):
            await world.gateway.judge.of_state(
                world.gateway.workload,
                world.made.operation(),
                head=world.chain.head.number,
                unseen="gone",
                landed=False,
            )


async def test_from_state_an_effect_of_ours_is_landed_where_only_we_can_have_caused_it(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        done, not_done = world.made.operation(), world.made.operation()
        await world.add(done)
        await world.finish()
        for landed, outcome in ((True, Outcome.LANDED), (False, Outcome.ALREADY_DONE)):
            ending = await world.gateway.judge.of_state(
                world.gateway.workload, done, head=world.chain.head.number, unseen="why", landed=landed
            )
            assert isinstance(ending, Ending)
            assert ending.outcome is outcome
        back = await world.gateway.judge.of_state(
            world.gateway.workload, not_done, head=world.chain.head.number, unseen="why", landed=True
        )
        assert isinstance(back, Return)
        assert (back.reason, back.retries) == ("why", 0)


async def test_a_lane_with_transactions_of_a_workload_that_is_gone_is_refused_by_its_name(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.add(world.made.operation())
        await world.flush()
        gateway = world.gateway
        with pytest.raises(NeedsOperator, match="workload tasks"):
            await restart_lane(
                gateway.lane, store=gateway.store, node=gateway.node, clock=gateway.clock, workloads={}
            )

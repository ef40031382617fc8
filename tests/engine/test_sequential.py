"""The one-at-a-time worker: the same engine without a batch contract."""

from pathlib import Path

from engine.test_separate import separate
from engine.world import SINGLY, Settings, open_world
from headrace.core.words import Outcome
from headrace.testing.builders import BATCH_TASK_MANAGER, TASK_MANAGER

SEQUENTIAL = Settings(contracts=SINGLY, in_flight_max=1)


async def test_one_operation_travels_at_a_time_straight_to_the_task_manager(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=SEQUENTIAL) as world:
        pairs = [separate(world, name=f"task {i}", wait_s=1_000) for i in range(3)]
        everything = [o for pair in pairs for o in pair]
        await world.add(*everything)
        await world.flush()
        assert [t.to for t in world.chain.pool] == [TASK_MANAGER]
        await world.flush()
        assert len(world.chain.pool) == 1
        await world.finish()
        assert await world.outcomes(everything) == {Outcome.LANDED}
        assert world.sent_nonces() == list(range(6))
        sent = {t.to for block in world.chain.blocks for t in block.transactions}
        assert BATCH_TASK_MANAGER not in sent


async def test_poison_is_found_by_simulation_here_too_and_never_sent(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=SEQUENTIAL) as world:
        bad_create, bad_respond = separate(world, name="bad", good_task=False)
        create, respond = separate(world, name="good", wait_s=1_000)
        await world.add(bad_create, bad_respond, create, respond)
        await world.finish()
        ended = await world.account(bad_create)
        assert ended.outcome is Outcome.REJECTED
        assert ended.revert is not None
        assert ended.revert.name == "InvalidQuorumThreshold"
        assert await world.outcome(bad_respond) is Outcome.CANCELLED
        assert await world.outcomes([create, respond]) == {Outcome.LANDED}
        assert world.sent_nonces() == [0, 1]


async def test_a_combined_operation_of_earlier_days_is_recorded_in_one_call(tmp_path: Path) -> None:
    """It was accepted while there was a batch contract."""
    async with open_world(tmp_path, settings=SEQUENTIAL) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_it_works_without_the_batch_contract_knowing_us(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=SEQUENTIAL) as world:
        world.contracts.batch.callers = frozenset()
        create, respond = separate(world, wait_s=1_000)
        await world.add(create, respond)
        await world.finish()
        assert await world.outcomes([create, respond]) == {Outcome.LANDED}

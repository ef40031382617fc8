"""A node that will never take a transaction as large as ours: the lane goes on, in smaller steps."""

from pathlib import Path

import pytest

from engine.world import LANE, Settings, open_world
from headrace.core.words import Nonce, Outcome
from headrace.testing.pool_rules import NodeRules

RULES = [
    (NodeRules(gas_per_transaction_max=2_000_000), "transaction gas limit too high (cap: 2000000"),
    (NodeRules(raw_bytes_max=5_000), "oversized data: transaction size"),
]


@pytest.mark.parametrize(("rules", "said"), RULES)
async def test_a_batch_that_no_node_takes_is_replaced_by_a_no_op_and_travels_again_in_smaller_ones(
    tmp_path: Path, rules: NodeRules, said: str
) -> None:
    async with open_world(tmp_path, settings=Settings(in_flight_max=8), rules=rules) as world:
        operations = [world.made.operation() for _ in range(12)]
        await world.add(*operations)
        await world.flush()
        (in_pool,) = world.chain.pool
        assert (in_pool.nonce, in_pool.to, in_pool.data) == (0, LANE, b"")
        assert said in (world.gateway.lane.help_wanted or "")
        story = await world.store.lines(f"0x{LANE.hex()}/0")
        assert any(said in line.text for line in story)
        assert any("no-op" in line.text for line in story)

        await world.finish(blocks=60)
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert {(await world.account(o)).operation.retries for o in operations} == {0}
        assert world.sent_nonces() == list(range(len(world.sent_nonces())))


async def test_an_operation_that_no_node_takes_even_alone_ends_with_the_nodes_words_and_the_lane_goes_on(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, rules=NodeRules(raw_bytes_max=2_500)) as world:
        large = world.made.operation(task=world.made.task(data_bytes=900))
        small = world.made.operation()
        await world.add(large)
        await world.finish()
        ended = await world.account(large)
        assert ended.outcome is Outcome.REJECTED
        assert "oversized data: transaction size" in ended.reason
        assert world.sent_nonces() == [0]
        await world.add(small)
        await world.finish()
        assert await world.outcome(small) is Outcome.LANDED


async def test_what_rides_behind_a_refused_batch_is_not_held_up(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(most=3), rules=NodeRules(raw_bytes_max=6_000)) as world:
        large = [world.made.operation(task=world.made.task(data_bytes=900)) for _ in range(3)]
        small = world.made.operation()
        await world.add(*large, small)
        await world.flush()
        await world.mine()
        assert world.sent_nonces() == [0, 1]
        assert all(world.recorded(small))
        await world.finish()
        assert await world.outcomes([*large, small]) == {Outcome.LANDED}


async def test_a_batch_that_another_node_took_and_mined_after_all_has_landed(tmp_path: Path) -> None:
    async with open_world(tmp_path, rules=NodeRules(gas_per_transaction_max=1_000_000)) as world:
        operations = [world.made.operation() for _ in range(4)]
        await world.add(*operations)
        await world.flush()
        batch = world.gateway.lane._trips[Nonce(0)].in_flight.attempts[0]
        world.clock.advance(12)
        world.chain.mine(include=[batch.raw])
        await world.saw()
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert world.sent_nonces() == [0]


async def test_a_refusal_is_forgotten_after_a_while_and_full_batches_are_tried_again(tmp_path: Path) -> None:
    async with open_world(tmp_path, rules=NodeRules(gas_per_transaction_max=1_500_000)) as world:
        operations = [world.made.operation() for _ in range(8)]
        await world.add(*operations)
        await world.flush()
        refusals = world.gateway.lane.refusals
        assert refusals.most("tasks", "create_and_respond") == 4
        await world.finish(blocks=60)
        world.clock.advance(601)
        assert refusals.most("tasks", "create_and_respond") is None
        assert world.gateway.lane.help_wanted is None

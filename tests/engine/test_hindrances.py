"""Why nothing goes out, said aloud; and nothing is lost meanwhile."""

from pathlib import Path

import pytest

from engine.world import GWEI, LANE, Settings, open_world
from headrace.core.ports import NodeTrouble
from headrace.core.words import Outcome
from headrace.testing.node_faults import ReadFault, ScriptedFaults, SendFault


async def test_an_empty_account_is_named_operations_wait_and_go_when_it_is_funded(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.chain.set_balance(LANE, 1_000)
        world.gateway.room.spend(10**30)  # what was known before counts no more
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        assert f"0x{LANE.hex()} has 1000 wei" in (world.gateway.packer.hindrance or "")
        assert await world.stage(operation) == "queued"

        world.chain.set_balance(LANE, 10**21)
        await world.mine()
        assert world.gateway.packer.hindrance is None
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_an_empty_account_is_named_also_while_nothing_waits(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.chain.set_balance(LANE, 0)
        world.gateway.room.spend(10**30)  # what was known before counts no more
        await world.mine()
        assert "send coin to it" in (world.gateway.packer.hindrance or "")


async def test_with_little_coin_a_smaller_batch_goes(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(20)]
        max_fee = world.gateway.lane.fees(world.chain.head).max_fee_wei
        world.chain.set_balance(LANE, 2_500_000 * max_fee)
        world.gateway.room.spend(10**30)  # what was known before counts no more
        await world.add(*operations)
        await world.flush()
        stages = [await world.stage(o) for o in operations]
        assert 0 < stages.count("sealed") < 20
        assert world.gateway.lane.help_wanted is None


async def test_a_base_fee_above_the_ceiling_waits_and_goes_when_it_falls(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(ceiling_wei=20 * GWEI)) as world:
        operation = world.made.operation()
        world.chain.set_next_base_fee(60 * GWEI)
        await world.mine()
        await world.add(operation)
        await world.flush()
        assert "above the fee ceiling of 20000000000 wei" in (world.gateway.packer.hindrance or "")
        assert await world.stage(operation) == "queued"
        world.chain.set_next_base_fee(GWEI)
        await world.mine()
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


@pytest.mark.parametrize("method", ["balance", "call"])
async def test_trouble_with_the_node_anywhere_before_the_seal_releases_the_claims(
    tmp_path: Path, method: str
) -> None:
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(3)]
        await world.add(*operations)
        world.gateway.room.spend(10**30)  # what was known before counts no more
        world.node.faults = ScriptedFaults(read={method: [ReadFault.TROUBLE]})
        await world.flush()
        assert "no node answers" in (world.gateway.packer.hindrance or "")
        assert {await world.stage(o) for o in operations} == {"queued"}
        assert len(world.chain.pool) == 0

        await world.mine()
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert world.gateway.packer.hindrance is None


async def test_trouble_while_poison_is_judged_loses_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        from headrace.workloads.tasks.payload import CREATE

        task = world.made.task()
        create, both = world.made.operation(CREATE, task=task), world.made.operation(task=task)
        await world.add(create)
        await world.finish()
        await world.add(both)
        # The batch answers; the question for the recorded response does not.
        world.node.faults = ScriptedFaults(read={"call": [ReadFault.HONEST, ReadFault.TROUBLE]})
        await world.flush()
        assert await world.stage(both) == "queued"
        await world.finish()
        assert await world.outcome(both) is Outcome.LANDED


METHODS = ["nonces", "receipt", "receipts", "block", "call", "balance", "head"]


@pytest.mark.parametrize("fault", [ReadFault.TROUBLE, ReadFault.STALE, ReadFault.EMPTY])
@pytest.mark.parametrize("method", METHODS)
async def test_whatever_a_node_does_not_answer_everything_lands_once(
    tmp_path: Path, method: str, fault: ReadFault
) -> None:
    async with open_world(tmp_path, settings=Settings(most=2)) as world:
        operations = [world.made.operation(created_block=2) for _ in range(5)]
        await world.add(*operations)
        for step in range(8):
            send = [SendFault.LOST_AND_UNSURE] if step == 1 else []
            world.node.faults = ScriptedFaults(send=send, read={method: [fault, fault]})
            await world.flush()
            world.clock.advance(12)
            world.node.mine()
            try:
                await world.saw()
            except NodeTrouble:
                continue  # the watcher's loop does the same: the next head catches up
        world.node.faults = ScriptedFaults()
        await world.mine()
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        nonces = world.sent_nonces()
        assert nonces == list(range(len(nonces)))
        effects = [world.recorded(o) for o in operations]
        assert all(task and response for task, response in effects)


async def test_after_a_flush_that_found_no_room_it_waits_for_the_next_head_and_does_not_spin(
    tmp_path: Path,
) -> None:
    """A create would fit into what is left of our share of the block, and creates are not what waits."""
    async with open_world(tmp_path, settings=Settings(block_share=780_000 / 60_000_000)) as world:
        packer = world.gateway.packer
        await world.add(*(world.made.operation() for _ in range(3)))
        assert world.gateway.room.free_gas() > 0
        await world.flush()
        assert packer.due() == 0, "until the next head, or the loop would flush again at once"
        assert "share of a block is 780000" in (packer.hindrance or "")
        assert (await world.store.counts())["queued"] == 3
        await world.mine()
        assert packer.due() == 3


async def test_the_share_of_a_block_bounds_what_is_in_flight(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(block_share=0.1, in_flight_max=8)) as world:
        operations = [world.made.operation() for _ in range(60)]
        await world.add(*operations)
        for _ in range(4):
            await world.flush()
            assert world.gateway.lane.gas_in_flight() <= 6_000_000
        await world.finish(blocks=60)
        assert await world.outcomes(operations) == {Outcome.LANDED}


async def test_a_share_of_a_block_in_which_no_operation_fits_is_named_at_the_next_head(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(block_share=0.001)) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.mine()
        assert "raise block_share" in (world.gateway.packer.hindrance or "")
        world.gateway.room.take_share(0.9)
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.gateway.packer.hindrance is None

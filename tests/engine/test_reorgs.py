"""Before final a reorg puts everything back; after final, nothing."""

from pathlib import Path

import pytest

from engine.world import Settings, open_world
from headrace.core.ports import BatchNews
from headrace.core.words import Outcome


@pytest.mark.parametrize("forget", [True, False])
@pytest.mark.parametrize("depth", [1, 2])
async def test_operations_of_an_uncled_block_go_back_and_land_again_with_the_same_bytes(
    tmp_path: Path, depth: int, forget: bool
) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine(depth)
        assert (await world.account(operation)).state.value == "mined"
        before = (await world.account(operation)).ride

        world.chain.reorg(depth, forget=forget)
        await world.saw()
        account = await world.account(operation)
        assert (account.state.value, account.outcome) == ("sent", None)
        (retracted,) = world.told("retracted")
        assert isinstance(retracted, BatchNews)
        assert [o.id for o in retracted.operations] == [operation.id]

        await world.finish()
        after = (await world.account(operation)).ride
        assert before is not None
        assert after is not None
        assert (after.hash, after.nonce, after.attempts) == (before.hash, before.nonce, before.attempts)
        assert after.block_hash != before.block_hash
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.sent_nonces() == [0]


async def test_a_transaction_that_the_new_branch_has_in_another_block_is_mined_there(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine(2)
        world.chain.reorg(2, blocks=2, from_pool=True)
        await world.saw()
        account = await world.account(operation)
        assert account.state.value == "mined"
        assert account.ride is not None
        assert world.chain.by_hash(account.ride.block_hash) is not None, "a canonical block"
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_a_chain_that_became_shorter_for_a_moment_is_followed(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine(2)
        world.chain.reorg(2, blocks=1, forget=True)
        await world.saw()
        assert (await world.account(operation)).state.value == "sent"
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_after_final_nothing_is_put_back(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(confirmations=2)) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine(2)
        assert await world.outcome(operation) is Outcome.LANDED
        world.chain.reorg(2, forget=True)
        await world.saw()
        await world.mine(3)
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.gateway.lane.unsettled() == 0


async def test_it_is_settled_only_on_a_receipt_that_the_canonical_chain_still_has(tmp_path: Path) -> None:
    """The watcher never heard of the reorg: only the last look before settling finds it."""
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine()
        world.gateway.watcher._canonical.clear()
        world.gateway.watcher._newest = None
        world.chain.reorg(1, blocks=5, forget=True)
        await world.saw()
        assert await world.outcome(operation) is None
        assert (await world.account(operation)).state.value == "sent"
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_reorg_after_reorg_every_operation_lands_once(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(most=2, confirmations=4)) as world:
        operations = [world.made.operation() for _ in range(12)]
        await world.add(*operations)
        for depth in (1, 2, 3, 1, 3, 2):
            await world.flush()
            await world.mine(depth)
            world.chain.reorg(depth, forget=depth % 2 == 0, from_pool=depth == 3)
            await world.saw()
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert world.sent_nonces() == list(range(len(world.sent_nonces())))

"""Before final a reorg puts everything back; after final, nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.test_separate import separate
from engine.world import BATCHED, Settings, open_world
from headrace.core.ports import BatchNews
from headrace.core.words import Nonce, Outcome, Receipt, TxHash


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


async def test_a_receipt_of_a_branch_that_the_node_has_left_settles_nothing(tmp_path: Path) -> None:
    """The receipt is told as it was; only the block at its height shows that it is no longer so."""
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine()
        account = await world.account(operation)
        assert account.ride is not None
        stale, honest = world.chain.receipt(account.ride.hash), world.node.receipt

        async def receipt(hash: TxHash) -> Receipt | None:
            return stale  # type: ignore[no-any-return]

        world.node.receipt = receipt  # type: ignore[method-assign]
        world.chain.reorg(1, blocks=5, forget=True)
        await world.gateway.lane.saw_head(world.chain.head)  # the watcher missed the reorg
        assert await world.outcome(operation) is None

        world.node.receipt = honest  # type: ignore[method-assign]
        await world.saw()
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert all(world.recorded(operation))


async def test_whoever_waits_for_a_block_that_a_reorg_took_away_waits_at_no_cost(tmp_path: Path) -> None:
    """The chain is shorter than it was when the operation came, and its reference block not there for a while."""
    async with open_world(tmp_path, settings=Settings(confirmations=4)) as world:
        await world.mine(4)
        operation = world.made.operation(created_block=world.chain.head.number)
        world.chain.reorg(4, blocks=1)
        await world.saw()
        await world.add(operation)
        for _ in range(6):
            world.clock.advance(31)
            await world.gateway.packer.recount()
            await world.flush()
        account = await world.account(operation)
        assert (account.outcome, account.operation.retries) == (None, 0), account.reason
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_a_task_of_a_far_block_is_no_matter_of_reorgs_and_is_given_up(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(confirmations=2)) as world:
        operation = world.made.operation(created_block=world.chain.head.number + 33)
        await world.add(operation)
        for _ in range(3):
            await world.flush()
            world.clock.advance(31)
        account = await world.account(operation)
        assert account.outcome is Outcome.REJECTED
        assert "gave up after 2 retries" in account.reason


@pytest.mark.parametrize("strict_only", [False, True])
async def test_a_respond_that_rode_on_a_create_which_a_reorg_and_a_stranger_took_away_lands_after_it_once_more(
    tmp_path: Path, strict_only: bool
) -> None:
    """Create and respond are mined; then their blocks go, and in the new ones a stranger has the create's nonce.
    The respond is mined without its task: it fails, waits for the create, and comes after it."""
    settings = Settings(contracts=replace(BATCHED, strict_only=strict_only))
    async with open_world(tmp_path, settings=settings) as world:
        create, respond = separate(world)
        await world.add(create, respond)
        await world.flush()
        await world.mine()
        await world.flush()
        await world.mine()
        assert [(await world.account(o)).state.value for o in (create, respond)] == ["mined", "mined"]

        fees = world.gateway.lane.fees(world.chain.head)
        foreign = world.gateway.lane._signer.sign_no_op(chain=world.chain.id, nonce=Nonce(0), fees=fees)
        world.chain.reorg(2, include=[foreign.raw], from_pool=True)
        await world.saw()
        assert len(world.told("retracted")) == 2
        await world.finish(blocks=60)
        assert await world.outcomes([create, respond]) == {Outcome.LANDED}
        assert all(world.recorded(respond))
        assert {(await world.account(o)).operation.retries for o in (create, respond)} == {0}
        assert world.sent_nonces() == [0, 1, 2, 3]

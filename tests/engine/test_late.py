"""A receipt that does not come: look first; then the same nonce and no other; then tell which attempt it was."""

from pathlib import Path

from engine.test_sending import only_seen
from engine.world import open_world
from headrace.core.words import Outcome


async def test_a_late_receipt_is_looked_into_before_anything_is_sent_again(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await only_seen(world, blocks=1)
        assert world.node.calls["send"] == 1

        # Mined meanwhile, and the news of it did not reach us: the lane hears of the head only.
        world.clock.advance(60)
        world.node.mine()
        await world.gateway.lane.saw_head(world.chain.head)
        assert (await world.account(operation)).state.value == "mined"
        assert world.node.calls["send"] == 1, "it was looked for, and found"


async def test_while_a_nonce_is_undecided_what_rides_there_is_given_no_other_nonce(tmp_path: Path) -> None:
    """That nothing of it is on chain proves nothing: it is pending, and may be in the next block."""
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(3)]
        await world.add(*operations)
        await world.flush()
        (first,) = world.chain.pool
        for _ in range(8):
            await only_seen(world, blocks=1)
            await world.flush()
            assert [t.nonce for t in world.chain.pool] == [0], "replaced at its own nonce, and nowhere else"
            assert {await world.stage(o) for o in operations} == {"sealed"}
        assert first.hash not in world.chain.pool

        await world.finish()
        assert world.sent_nonces() == [0]
        assert await world.outcomes(operations) == {Outcome.LANDED}


async def test_an_outcome_names_the_transaction_and_the_block_that_are_on_chain(tmp_path: Path) -> None:
    """Not the newest attempt, and nothing made up: the one that was mined."""
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        (first,) = world.chain.pool
        await only_seen(world, blocks=3)
        assert first.hash not in world.chain.pool, "a dearer attempt has taken its place"

        world.clock.advance(12)
        world.chain.mine(include=[first.raw])
        await world.saw()
        await world.finish()
        receipt = world.chain.receipt(first.hash)
        account = await world.account(operation)
        assert account.outcome is Outcome.LANDED
        assert account.ride is not None
        assert account.ride.attempts > 1
        assert account.ride.hash == first.hash
        assert (account.ride.block, account.ride.block_hash) == (receipt.block, receipt.block_hash)

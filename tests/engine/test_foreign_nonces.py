"""A second process with our key spends our nonces."""

from contextlib import suppress
from pathlib import Path

from engine.world import LANE, Settings, World, open_world
from headrace.core.ports import NodeTrouble
from headrace.core.words import BlockNumber, Nonce, Outcome
from headrace.testing.node_faults import NoNodeFaults, ReadFault, ScriptedFaults


def foreign(world: World, nonce: int) -> bytes:
    """Signed with our key, and not by us."""
    fees = world.gateway.lane.fees(world.chain.head)
    return world.gateway.lane._signer.sign_no_op(chain=world.chain.id, nonce=Nonce(nonce), fees=fees).raw


async def taken(world: World, nonce: int = 0) -> None:
    world.clock.advance(12)
    world.chain.mine(include=[foreign(world, nonce)])
    await world.saw()


async def test_operations_whose_nonce_was_taken_travel_again_only_when_that_is_final(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(2)]
        await world.add(*operations)
        await world.flush()
        await taken(world)
        await world.mine()
        assert await world.stage(operations[0]) == "sealed"
        await world.mine()  # the third block with it: three confirmations are final
        assert await world.stage(operations[0]) == "queued"

        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert world.sent_nonces() == [0, 1]
        assert {(await world.account(o)).operation.retries for o in operations} == {0}
        assert len(world.told("queued")) == 2


async def test_when_the_strangers_block_is_uncled_our_own_bytes_land(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        before = (await world.account(operation)).ride
        await taken(world)
        await world.mine()
        world.chain.reorg(2, blocks=2, forget=True)
        await world.saw()
        await world.finish()
        after = (await world.account(operation)).ride
        assert before is not None
        assert after is not None
        assert (after.hash, after.nonce) == (before.hash, 0)
        assert await world.outcome(operation) is Outcome.LANDED


async def test_an_old_attempt_that_comes_back_by_a_reorg_is_not_doubled(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        trips = world.gateway.lane._trips
        ours = trips[Nonce(0)].in_flight.attempts[0].raw
        await taken(world)
        await world.mine()
        world.chain.reorg(2, include=[ours])
        await world.saw()
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.sent_nonces() == [0]


async def test_what_a_stranger_did_for_us_is_already_done(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        call = world.gateway.workload.call("create_and_respond", [operation], strict=False)
        theirs = world.gateway.lane._signer.sign(
            chain=world.chain.id,
            nonce=Nonce(0),
            to=call.to,
            data=call.data,
            gas_limit=1_000_000,
            fees=world.gateway.lane.fees(world.chain.head),
        )
        world.clock.advance(12)
        world.chain.mine(include=[theirs.raw])
        await world.saw()
        await world.finish()
        assert await world.outcome(operation) is Outcome.ALREADY_DONE
        assert world.sent_nonces() == [0]


async def test_a_lane_whose_chain_is_ahead_of_its_ledger_goes_on_from_the_chain(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        for nonce in range(3):
            await taken(world, nonce)
        world.chain.offer(foreign(world, 3))  # and one more in the pool
        clock, contracts, node = world.clock, world.contracts, world.node
    async with open_world(tmp_path, clock=clock, contracts=contracts, node=node) as world:
        operation = world.made.operation(created_block=world.chain.head.number)
        await world.add(operation)
        await world.flush()
        account = await world.account(operation)
        assert account.ride is not None
        assert account.ride.nonce == 4
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.chain.head.number > BlockNumber(5)


async def test_a_gap_that_nobody_fills_is_filled_by_us_and_what_was_behind_it_lands(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        # As after the loss of a store: the ledger was told to begin past transactions that never came.
        await world.store.adopt(chain=world.chain.id, lane=LANE, start=Nonce(2), now=world.clock.now())
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        entry = await world.store.ledger_entry(nonce=Nonce(0), lane=LANE)
        assert entry is not None
        assert entry.operations == []
        assert any("filled by a no-op" in line.text for line in await world.store.lines(f"0x{LANE.hex()}/0"))


async def test_a_nonce_that_is_only_slow_to_come_is_left_to_its_owner(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.store.adopt(chain=world.chain.id, lane=LANE, start=Nonce(1), now=world.clock.now())
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine()
        await taken(world, 0)
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert await world.store.ledger_entry(nonce=Nonce(0), lane=LANE) is None


async def test_receipts_that_are_missing_make_no_stranger_of_ourselves(tmp_path: Path) -> None:
    """Our own transaction is mined, and the node answers null for its receipt, again and again. Given up for a
    stranger's, what rides in it would travel a second time."""
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        world.node.faults = ScriptedFaults(
            read={"receipts": [ReadFault.TROUBLE] * 3, "receipt": [ReadFault.EMPTY] * 99}
        )
        for _ in range(8):
            world.clock.advance(12)
            world.node.mine()
            with suppress(NodeTrouble):
                await world.saw()
        assert not world.told("queued")
        world.node.faults = NoNodeFaults()
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.sent_nonces() == [0]


async def test_a_stranger_whom_a_reorg_moved_is_final_by_the_block_that_has_him_now(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(confirmations=4)) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await taken(world)
        stranger = foreign(world, 0)
        await world.mine(2)
        world.chain.reorg(3, blocks=2, forget=True)  # one block lower, and without him
        world.chain.mine(include=[stranger], from_pool=False)  # now he is two blocks higher
        await world.saw()
        await world.mine()
        assert await world.stage(operation) == "sealed", "four blocks since he was first seen; two since this one"
        await world.mine(2)
        assert await world.stage(operation) == "queued"
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.sent_nonces() == [0, 1]

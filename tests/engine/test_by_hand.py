"""A person drains a lane, resumes it, cancels a transaction, adopts another nonce."""

from pathlib import Path

import pytest

from engine.tapped import Crashed, Fuse
from engine.test_foreign_nonces import foreign, taken
from engine.world import LANE, Settings, World, open_world
from headrace.core.errors import FixTheRequest, TryLater
from headrace.core.lanes import LaneState
from headrace.core.operation import Operation
from headrace.core.transaction import Cancel, InFlight
from headrace.core.words import Nonce, Outcome, Purpose
from headrace.testing.builders import Builder
from headrace.testing.node_faults import ReadFault, ScriptedFaults


async def state(world: World) -> LaneState:
    [lane] = await world.store.lanes()
    return lane.state


async def story(world: World, subject: str = f"0x{LANE.hex()}") -> list[str]:
    return [line.text for line in await world.store.lines(subject)]


async def under_way(world: World, count: int = 2) -> list[Operation]:
    """A batch in flight."""
    operations = [world.made.operation(created_block=world.chain.head.number - 1) for _ in range(count)]
    await world.add(*operations)
    await world.flush()
    assert {await world.stage(o) for o in operations} == {"sealed"}
    return operations


def in_flight(world: World, nonce: int = 0) -> InFlight:
    trip = world.gateway.lane.trip_at(Nonce(nonce))
    assert trip is not None
    return trip.in_flight


# ---- Drain and resume


async def test_a_drained_lane_finishes_what_is_under_way_and_seals_no_more(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        before = await under_way(world)
        assert await world.gateway.by_hand.drain()
        assert await state(world) is LaneState.DRAINING
        later = world.made.operation()
        await world.add(later)
        for _ in range(5):
            await world.flush()
            await world.mine()
        assert await world.outcomes(before) == {Outcome.LANDED}
        assert await state(world) is LaneState.DRAINED
        assert await world.stage(later) == "queued"
        assert "drained by the operator of this service at " in (world.gateway.packer.hindrance or "")

        assert await world.gateway.by_hand.resume()
        assert world.gateway.packer.hindrance is None
        await world.finish()
        assert await world.outcome(later) is Outcome.LANDED
        assert await story(world) == [
            "by hand: drained: it seals no batch until it is resumed",
            "by hand: resumed: it seals batches again",
        ]


async def test_drained_in_the_middle_of_a_flush_nothing_is_sealed_and_nothing_stays_claimed(
    tmp_path: Path,
) -> None:
    drains = []

    def tap(when: str, what: str, args: tuple[object, ...]) -> None:
        # As late as it can be: the batch is built and simulated.
        if (when, what) == ("before", "seal"):
            drains.append(what)

    async with open_world(tmp_path, tap=tap) as world:
        operations = [world.made.operation() for _ in range(3)]
        await world.add(*operations)
        # The store knows, the packer does not yet: the flush is past its own look.
        await world.store.drain(chain=world.chain.id, lane=LANE, now=world.clock.now())
        await world.flush()
        assert drains == ["seal"]
        assert {await world.stage(o) for o in operations} == {"queued"}
        assert world.gateway.lane.unsettled() == 0
        assert len(world.chain.pool) == 0


async def test_a_drain_holds_after_a_crash_and_so_does_a_resume(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operations = await under_way(world)
        await world.gateway.by_hand.drain()
        clock, contracts, node = world.clock, world.contracts, world.node
    async with open_world(tmp_path, clock=clock, contracts=contracts, node=node) as world:
        world.made = Builder(2)
        later = world.made.operation()
        await world.add(later)
        for _ in range(5):
            await world.flush()
            await world.mine()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert await world.stage(later) == "queued"
        await world.gateway.by_hand.resume()
    async with open_world(tmp_path, clock=clock, contracts=contracts, node=node) as world:
        await world.finish()
        assert await world.outcome(later) is Outcome.LANDED


async def test_a_drained_lane_with_a_gap_still_fills_it(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.store.adopt(chain=world.chain.id, lane=LANE, start=Nonce(2), now=world.clock.now())
        operations = await under_way(world)
        await world.gateway.by_hand.drain()
        for _ in range(20):
            await world.mine()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert world.sent_nonces() == [0, 1, 2]
        assert await state(world) is LaneState.DRAINED


async def test_draining_twice_says_so(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        assert not await world.gateway.by_hand.resume()
        assert await world.gateway.by_hand.drain()
        assert not await world.gateway.by_hand.drain()


# ---- Cancel


async def test_a_cancelled_transaction_is_filled_by_nothing_and_its_operations_travel_again_once_final(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        operations = await under_way(world)
        done = await world.gateway.by_hand.cancel(Nonce(0), Cancel.RETURN)
        assert (done.operations, done.what, done.hindered) == (2, Cancel.RETURN, None)
        assert done.no_op is not None
        await world.mine()
        assert {await world.stage(o) for o in operations} == {"sealed"}, "a reorg could bring the batch back"
        await world.mine(2)
        assert {await world.stage(o) for o in operations} == {"queued"}
        account = await world.account(operations[0])
        assert account.operation.retries == 0
        assert account.reason.startswith("cancelled by hand: ")

        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert world.sent_nonces() == [0, 1]
        told = await story(world, f"0x{LANE.hex()}/0")
        assert told[0].startswith("by hand: cancelled; the nonce is filled by nothing")
        assert told[1].startswith("replaced by nothing (a no-op)")
        assert any("(nonce 0) was cancelled" in text for text in await story(world, operations[0].id))


async def test_cancelled_for_good_its_operations_end_as_cancelled_and_never_travel(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operations = await under_way(world)
        await world.gateway.by_hand.cancel(Nonce(0), Cancel.END)
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.CANCELLED}
        assert "by the operator of this service" in (await world.account(operations[0])).reason
        assert {world.recorded(o) for o in operations} == {(None, None)}
        assert len(world.told("done")) == 2


async def test_the_no_op_is_saved_before_it_is_sent(tmp_path: Path) -> None:
    steps: list[str] = []
    async with open_world(tmp_path, tap=lambda when, what, args: steps.append(f"{when} {what}")) as world:
        await under_way(world)
        steps.clear()
        await world.gateway.by_hand.cancel(Nonce(0), Cancel.RETURN)
    assert steps[:6] == [
        "before record",  # that it was cancelled
        "after record",
        "before record",  # the signed bytes
        "after record",
        "before send",
        "after send",
    ]


@pytest.mark.parametrize("doors", range(6))
async def test_wherever_a_cancel_is_broken_off_it_ends_the_same_after_a_start(tmp_path: Path, doors: int) -> None:
    fuse: list[Fuse] = []

    def tap(when: str, what: str, args: tuple[object, ...]) -> None:
        for each in fuse:
            each(when, what, args)

    async with open_world(tmp_path, tap=tap) as world:
        operations = await under_way(world)
        fuse.append(Fuse(doors))
        with pytest.raises(Crashed):
            await world.gateway.by_hand.cancel(Nonce(0), Cancel.END)
        clock, contracts, node = world.clock, world.contracts, world.node
    async with open_world(tmp_path, clock=clock, contracts=contracts, node=node) as world:
        world.clock.advance(12)
        world.chain.mine(from_pool=False)  # a block that takes neither of them
        await world.saw()
        await world.finish()
        # Before anything was saved, nobody had cancelled it; from then on it is, though nobody heard yes.
        assert await world.outcomes(operations) == {Outcome.LANDED if doors == 0 else Outcome.CANCELLED}
        assert world.sent_nonces() == [0]


async def test_an_older_attempt_that_wins_has_landed_and_the_story_says_so(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operations = await under_way(world)
        ours = in_flight(world).attempts[0].raw
        await world.gateway.by_hand.cancel(Nonce(0), Cancel.END)
        world.clock.advance(12)
        world.chain.mine(include=[ours])
        await world.saw()
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert any(
            "by an older attempt, although it was cancelled by hand" in text
            for text in await story(world, f"0x{LANE.hex()}/0")
        )


async def test_any_transaction_of_a_lane_may_be_cancelled_not_only_the_first(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        first, second = await under_way(world), await under_way(world)
        await world.gateway.by_hand.cancel(Nonce(1), Cancel.END)
        await world.finish()
        assert await world.outcomes(first) == {Outcome.LANDED}
        assert await world.outcomes(second) == {Outcome.CANCELLED}


async def test_what_cannot_be_cancelled_is_refused_in_words_and_nothing_changes(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        cancel = world.gateway.by_hand.cancel
        with pytest.raises(FixTheRequest, match="has no transaction with nonce 7"):
            await cancel(Nonce(7), Cancel.RETURN)
        operations = await under_way(world)
        world.clock.advance(12)
        world.node.mine()  # and nobody told us yet
        with pytest.raises(FixTheRequest, match=r"nonce 0 is mined: 0x[0-9a-f]{64} in block \d+"):
            await cancel(Nonce(0), Cancel.END)
        await world.finish()
        with pytest.raises(FixTheRequest, match="nonce 0 is settled"):
            await cancel(Nonce(0), Cancel.END)
        assert await world.outcomes(operations) == {Outcome.LANDED}

        await under_way(world)
        await taken(world, 1)
        with pytest.raises(FixTheRequest, match="taken by a transaction that is not this lane's"):
            await cancel(Nonce(1), Cancel.RETURN)
        await world.finish()
        with pytest.raises(FixTheRequest, match="nonce 1 is void"):
            await cancel(Nonce(1), Cancel.RETURN)
        assert world.gateway.lane.unsettled() == 0


async def test_mined_in_the_middle_of_a_cancel_it_is_told_that_the_cancel_is_kept_for_a_reorg(
    tmp_path: Path,
) -> None:
    hurried: list[World] = []

    def tap(when: str, what: str, args: tuple[object, ...]) -> None:
        # That it was cancelled is saved; before the no-op is signed a block takes the batch.
        if hurried and (when, what) == ("after", "record"):
            hurried.pop().node.mine()

    async with open_world(tmp_path, tap=tap) as world:
        operations = await under_way(world)
        world.clock.advance(12)
        hurried.append(world)
        done = await world.gateway.by_hand.cancel(Nonce(0), Cancel.END)
        assert (done.no_op, done.what) == (None, Cancel.END)
        assert "it was mined meanwhile: 0x" in (done.hindered or "")
        assert in_flight(world).cancelled is Cancel.END
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}


async def test_at_the_fee_ceiling_a_cancel_is_kept_and_says_what_is_missing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await under_way(world)
        clock, contracts, node = world.clock, world.contracts, world.node
    lowered = Settings(ceiling_wei=1)
    async with open_world(tmp_path, clock=clock, contracts=contracts, node=node, settings=lowered) as world:
        done = await world.gateway.by_hand.cancel(Nonce(0), Cancel.END)
        assert done.no_op is None
        assert "leaves no room for a valid replacement" in (done.hindered or "")
        assert in_flight(world).cancelled is Cancel.END


async def test_a_gap_filler_is_not_cancelled(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.store.adopt(chain=world.chain.id, lane=LANE, start=Nonce(1), now=world.clock.now())
        await under_way(world)
        for _ in range(3):
            world.clock.advance(12)
            world.chain.mine(from_pool=False)
            await world.saw()
        assert in_flight(world).attempts[0].purpose is Purpose.NO_OP
        with pytest.raises(FixTheRequest, match="it only fills a gap"):
            await world.gateway.by_hand.cancel(Nonce(0), Cancel.END)


# ---- Adopt


async def test_after_somebody_sent_by_hand_the_lane_goes_on_from_there(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await taken(world, 0)
        await world.gateway.by_hand.drain()
        await world.gateway.by_hand.adopt(Nonce(1), fill_gap=False)
        await world.gateway.by_hand.resume()
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        ride = (await world.account(operation)).ride
        assert ride is not None
        assert ride.nonce == 1
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert "by hand: goes on from nonce 1; it would have been 0" in await story(world)


async def test_a_gap_that_is_meant_is_filled_where_nobody_comes(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        by_hand = world.gateway.by_hand
        await by_hand.drain()
        with pytest.raises(FixTheRequest, match="--fill-gap"):
            await by_hand.adopt(Nonce(3), fill_gap=False)
        await by_hand.adopt(Nonce(3), fill_gap=True)
        await by_hand.resume()
        world.chain.offer(foreign(world, 0))  # one of the three comes
        operation = world.made.operation()
        await world.add(operation)
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.sent_nonces() == [0, 1, 2, 3]


async def test_what_cannot_be_adopted_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        by_hand = world.gateway.by_hand
        with pytest.raises(FixTheRequest, match="drain it first"):
            await by_hand.adopt(Nonce(0), fill_gap=False)
        await under_way(world)
        await by_hand.drain()
        with pytest.raises(FixTheRequest, match="not decided yet"):
            await by_hand.adopt(Nonce(0), fill_gap=True)
        world.node.faults = ScriptedFaults(read={"nonces": [ReadFault.TROUBLE]})
        with pytest.raises(TryLater, match="the chain does not answer"):
            await by_hand.adopt(Nonce(1), fill_gap=False)
        assert await world.store.next_nonce(chain=world.chain.id, lane=LANE) == 1

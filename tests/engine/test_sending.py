"""Sends that are lost, forgotten, late or too cheap."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from engine.world import GWEI, LANE, Settings, World, open_world
from headrace.core.words import Outcome
from headrace.testing.node_faults import ScriptedFaults, SendFault
from headrace.testing.pool_rules import NodeRules


def lying(world: World, *faults: SendFault) -> None:
    world.node.faults = ScriptedFaults(send=faults)


def landed_once(world: World, nonces: Iterable[int]) -> bool:
    return world.sent_nonces() == list(nonces)


@pytest.mark.parametrize("fault", [f for f in SendFault if f is not SendFault.HONEST])
async def test_whatever_becomes_of_a_send_it_lands_once(tmp_path: Path, fault: SendFault) -> None:
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(3)]
        await world.add(*operations)
        lying(world, fault)
        await world.flush()
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert landed_once(world, [0])


async def test_a_forgotten_transaction_is_sent_again_with_the_same_bytes(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.add(world.made.operation())
        await world.flush()
        (first,) = world.chain.pool
        world.chain.pool.clear()
        await world.mine(2)
        assert first.hash in world.chain.pool or world.chain.receipt(first.hash) is not None
        await world.finish()
        assert landed_once(world, [0])


async def test_a_node_that_lost_its_whole_pool_gets_all_of_it_back_at_once(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(most=1, in_flight_max=8)) as world:
        operations = [world.made.operation() for _ in range(8)]
        await world.add(*operations)
        await world.flush()
        world.chain.pool.clear()
        await world.mine()
        assert sorted(t.nonce for t in world.chain.pool) == list(range(8))
        await world.mine()
        assert landed_once(world, range(8))


async def test_a_late_one_is_replaced_at_the_same_nonce_and_only_the_first_of_the_lane(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(most=1)) as world:
        operations = [world.made.operation() for _ in range(2)]
        await world.add(*operations)
        await world.flush()
        first, second = sorted(world.chain.pool, key=lambda t: t.nonce)
        await only_seen(world, blocks=2)
        assert {t.hash for t in world.chain.pool} == {first.hash, second.hash}, "not before its time"
        await only_seen(world, blocks=1)
        by_nonce = {t.nonce: t for t in world.chain.pool}
        assert by_nonce[1].hash == second.hash
        assert by_nonce[0].max_fee_wei * 100 >= first.max_fee_wei * 112
        assert by_nonce[0].tip_wei * 100 >= first.tip_wei * 112
        assert (by_nonce[0].to, by_nonce[0].data) == (first.to, first.data)

        await world.finish()
        assert landed_once(world, [0, 1])
        assert await world.outcomes(operations) == {Outcome.LANDED}


async def test_when_an_old_attempt_is_mined_after_all_it_is_recognised(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        (first,) = world.chain.pool
        raw = raw_of(world)[0]
        await only_seen(world, blocks=3)
        assert len(raw_of(world)) == 2
        world.clock.advance(12)
        world.chain.mine(include=[raw])
        await world.saw()
        account = await world.account(operation)
        assert account.ride is not None
        assert (account.ride.hash, account.ride.attempts) == (first.hash, 2)
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_every_replacement_up_to_the_ceiling_is_one_that_a_pool_takes(tmp_path: Path) -> None:
    """By geth's rules: both fees strictly higher, each by 10 %. Blocks with room pass it by, for any reason."""
    async with open_world(tmp_path, settings=Settings(ceiling_wei=8 * GWEI)) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        for _ in range(60):
            await only_seen(world, blocks=1)
            (in_pool,) = world.chain.pool
            assert in_pool.raw == raw_of(world)[-1], "no attempt was refused, and none is below an older one"
            assert in_pool.max_fee_wei <= 8 * GWEI
        assert len(raw_of(world)) > 5
        assert "fee ceiling of 8000000000 wei" in (world.gateway.lane.help_wanted or "")
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_of_a_lane_only_the_lowest_is_repriced_and_the_next_only_after_blocks_that_it_would_have_fitted(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, settings=Settings(most=1, in_flight_max=2)) as world:
        await world.add(*(world.made.operation() for _ in range(2)))
        await world.flush()
        second = max(world.chain.pool, key=lambda t: t.nonce)
        await only_seen(world, blocks=8)
        assert [t.hash for t in world.chain.pool if t.nonce == 1] == [second.hash]

        first = raw_of(world)[-1]
        world.clock.advance(12)
        world.chain.mine(include=[first], from_pool=False)
        await world.saw()
        assert [t.hash for t in world.chain.pool] == [second.hash], (
            "this block is the first that it might have met"
        )
        await only_seen(world, blocks=2)
        assert [t.hash for t in world.chain.pool] != [second.hash]


async def test_an_underpriced_one_is_raised_at_the_next_head_though_its_time_has_not_come(tmp_path: Path) -> None:
    async with open_world(tmp_path, rules=NodeRules(tip_min_wei=2 * GWEI)) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        assert len(world.chain.pool) == 0
        for _ in range(12):
            await world.mine()
        assert len(world.chain.pool) == 0
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.sent_nonces() == [0]


async def test_in_full_blocks_nothing_is_bid_up(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.add(world.made.operation())
        await world.flush()
        for _ in range(6):
            await only_seen(world, blocks=1, full=True)
        assert len(raw_of(world)) == 1


async def test_a_base_fee_above_the_offer_is_followed_at_once_when_it_is_late(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        for _ in range(4):
            world.chain.set_next_base_fee(50 * GWEI)
            await world.mine()
        assert len(raw_of(world)) >= 2
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_at_the_fee_ceiling_a_person_is_asked_and_when_fees_fall_it_lands_by_itself(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(ceiling_wei=4 * GWEI)) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        for _ in range(8):
            world.chain.set_next_base_fee(90 * GWEI)
            await world.mine()
        assert "fee ceiling of 4000000000 wei" in (world.gateway.lane.help_wanted or "")
        world.chain.set_next_base_fee(GWEI)
        await world.mine()
        assert world.gateway.lane.help_wanted is None
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_without_coin_a_sealed_batch_waits_and_says_so_and_goes_when_it_is_funded(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.mine()
        world.chain.set_balance(LANE, 1)  # between our look and our send
        await world.flush()
        assert "insufficient funds" in (world.gateway.lane.help_wanted or "")
        await world.mine(2)
        assert "insufficient funds" in (world.gateway.lane.help_wanted or "")
        world.chain.set_balance(LANE, 10**21)
        await world.mine(2)
        assert world.gateway.lane.help_wanted is None
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


def raw_of(world: World) -> list[bytes]:
    """Every attempt of the first transaction under way, as it was signed."""
    trips = world.gateway.lane._trips
    return [a.raw for a in trips[min(trips)].in_flight.attempts]


async def only_seen(world: World, *, blocks: int, full: bool = False) -> None:
    """Blocks that pass our transactions by, though they had room (or had none)."""
    from dataclasses import replace

    for _ in range(blocks):
        world.clock.advance(12)
        world.chain.mine(from_pool=False)
        if full:
            newest = world.chain.blocks[-1]
            header = replace(newest.header, gas_used=newest.header.gas_limit)
            world.chain.blocks[-1] = replace(newest, header=header)
        await world.saw()

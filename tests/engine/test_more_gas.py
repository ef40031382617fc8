"""An all-or-nothing batch is tried with the gas that it would have, and given more where that is too little:
within the room, the coin and the order that there are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.world import BATCHED, LANE, Settings, World, open_world
from headrace.core.operation import Operation
from headrace.core.words import Outcome
from headrace.testing.builders import BATCH_TASK_MANAGER
from headrace.testing.fake_contracts import FakeBatchTaskManager
from headrace.testing.fake_world import Frame
from headrace.workloads.tasks.payload import CREATE

STRICT_ONLY = replace(BATCHED, strict_only=True)


async def test_a_strict_batch_is_not_sent_with_less_gas_than_it_needs(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY)) as world:
        operations = [world.made.operation() for _ in range(3)]
        book = world.gateway.gas_book.of(world.gateway.workload, "create_and_respond")
        book.per_transaction = 0
        book.samples.append(0)  # it has learned nonsense
        await world.add(*operations)
        await world.finish(blocks=20)
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert world.sent_nonces() == [0], "it was tried with what it would have, and then given more"


class Dearer:
    """Costs so much more gas, from when a test says so: as a contract that searches what came meanwhile.
    `only`: for calldata with this in it. `meanwhile`: what else happens while it runs."""

    def __init__(self, inner: FakeBatchTaskManager) -> None:
        self._inner, self.code, self.gas, self.only = inner, inner.code, 0, b""
        self.meanwhile: Callable[[], None] = lambda: None

    def run(self, frame: Frame, data: bytes) -> bytes:
        if self.only in data:
            frame.burn(self.gas)
        self.meanwhile()
        return self._inner.run(frame, data)


async def dearer_each_time(world: World, operation: Operation, *, gas: int, times: int) -> list[int]:
    """So often it is tried at a low price and mined at a high one. The gas limits that it was sent with."""
    await world.add(operation)
    contract = world.chain.contracts[BATCH_TASK_MANAGER] = Dearer(world.contracts.batch)
    for _ in range(times):
        contract.gas = 0
        await world.flush()
        contract.gas = gas
        await world.mine(4)
        world.clock.advance(60)
    return [t.gas for block in world.chain.blocks for t in block.transactions if t.sender == LANE]


async def test_one_that_runs_dry_again_and_again_as_the_state_moves_is_given_more_each_time_and_not_given_up(
    tmp_path: Path,
) -> None:
    settings = Settings(contracts=STRICT_ONLY, confirmations=1)
    async with open_world(tmp_path, settings=settings) as world:
        operation = world.made.operation(CREATE)
        limits = await dearer_each_time(world, operation, gas=1_500_000, times=14)
        assert await world.outcome(operation) is Outcome.LANDED
        assert len(limits) > 3, "more often than an operation may fail by itself"
        assert limits == sorted(set(limits))
        assert (await world.account(operation)).operation.retries == 0


async def test_one_that_runs_dry_with_all_that_a_transaction_may_have_is_given_up_after_its_retries(
    tmp_path: Path,
) -> None:
    settings = Settings(contracts=STRICT_ONLY, confirmations=1)
    async with open_world(tmp_path, settings=settings) as world:
        operation = world.made.operation(CREATE)
        world.gateway.gas_book.of(world.gateway.workload, CREATE).samples.append(2**25)
        limits = await dearer_each_time(world, operation, gas=2**24, times=5)
        account = await world.account(operation)
        assert account.outcome is Outcome.REJECTED
        assert "gave up after 2 retries" in account.reason
        assert limits == [2**24] * 3


async def test_what_was_learned_of_others_rejects_nobody(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(3)]
        world.gateway.gas_book.of(world.gateway.workload, "create_and_respond").samples.append(2**25)
        await world.add(*operations)
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}


def raised(world: World, *, by_gas: int, share_gas: int, only: bytes = b"") -> None:
    """Every batch costs so much more than is known, and this lane has so much of a block."""
    contract = world.chain.contracts[BATCH_TASK_MANAGER] = Dearer(world.contracts.batch)
    contract.gas, contract.only = by_gas, only
    world.gateway.room.take_share(share_gas / world.chain.head.gas_limit)


async def test_a_batch_that_needs_more_than_was_planned_waits_for_what_is_in_flight(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY)) as world:
        first, second = world.made.operation(CREATE), world.made.operation(CREATE)
        await world.add(first)
        await world.flush()
        raised(world, by_gas=2_000_000, share_gas=3_000_000)
        await world.add(second)
        await world.flush()
        assert [await world.stage(o) for o in (first, second)] == ["sealed", "queued"]
        assert world.gateway.packer.hindrance is None, "nothing that a person must mend"
        await world.finish()
        assert await world.outcome(second) is Outcome.LANDED


async def test_a_batch_that_needs_more_than_this_lane_ever_has_says_so(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY)) as world:
        operation = world.made.operation(CREATE)
        raised(world, by_gas=3_000_000, share_gas=3_000_000)
        await world.add(operation)
        await world.flush()
        assert await world.stage(operation) == "queued"
        assert "raise block_share" in (world.gateway.packer.hindrance or "")


async def test_a_batch_that_needs_more_than_this_lane_ever_has_travels_in_parts(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY)) as world:
        operations = [world.made.operation(CREATE) for _ in range(8)]
        raised(world, by_gas=1_400_000, share_gas=2_200_000)
        await world.add(*operations)
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert len(world.sent_nonces()) > 1


def planned_for_one(world: World) -> int:
    return world.gateway.room.gas_limit_of(world.gateway.workload, CREATE, [world.made.operation(CREATE)])


async def test_where_one_batch_needs_more_the_others_of_its_flush_leave_the_share_of_the_block_as_it_is(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY, most=1)) as world:
        dear, plain = world.made.operation(CREATE), world.made.operation(CREATE)
        plan = planned_for_one(world)
        share = plan * 22 // 10
        raised(world, by_gas=plan * 8 // 10, share_gas=share, only=dear.subject)
        await world.add(dear, plain)
        await world.flush()
        assert plan < world.gateway.lane.gas_in_flight() <= share
        assert [await world.stage(o) for o in (dear, plain)] == ["sealed", "queued"]
        await world.finish()
        assert await world.outcomes([dear, plain]) == {Outcome.LANDED}


def give_coin(world: World, *, for_gas: int) -> int:
    """So much has the lane's account that it can pay for this gas. In wei."""
    wei: int = for_gas * world.gateway.lane.fees(world.chain.head).max_fee_wei
    world.chain.set_balance(LANE, wei)
    world.gateway.room.spend(10**30)  # what is known is short now: it is asked for again
    return wei


async def test_where_one_batch_needs_more_the_others_of_its_flush_promise_no_coin_that_is_not_there(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY, most=1)) as world:
        dear, plain = world.made.operation(CREATE), world.made.operation(CREATE)
        plan = planned_for_one(world)
        raised(world, by_gas=plan * 8 // 10, share_gas=plan * 20, only=dear.subject)
        has_wei = give_coin(world, for_gas=plan * 22 // 10)
        await world.add(dear, plain)
        await world.flush()
        assert 0 < world.gateway.lane.wei_in_flight() <= has_wei
        assert [await world.stage(o) for o in (dear, plain)] == ["sealed", "queued"]


async def test_one_that_the_coin_is_not_enough_for_says_so_also_while_others_are_in_flight(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY, most=1)) as world:
        first, dear = world.made.operation(CREATE), world.made.operation(CREATE)
        plan = planned_for_one(world)
        give_coin(world, for_gas=plan * 3)
        await world.add(first)
        await world.flush()
        raised(world, by_gas=plan * 26 // 10, share_gas=plan * 20, only=dear.subject)
        await world.add(dear)
        await world.flush()
        assert [await world.stage(o) for o in (first, dear)] == ["sealed", "queued"]
        assert "send coin" in (world.gateway.packer.hindrance or "")


async def test_a_batch_is_sealed_with_what_it_was_tried_with_whatever_is_learned_meanwhile(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY)) as world:
        task = world.made.task()
        await world.add(world.made.operation(CREATE, task=task))
        await world.finish()
        bad, good = (
            world.made.operation(CREATE, task=replace(task, task_id=bytes(32))),
            world.made.operation(CREATE),
        )
        contract = world.chain.contracts[BATCH_TASK_MANAGER] = Dearer(world.contracts.batch)
        tried = 0

        def learn_nonsense() -> None:
            nonlocal tried
            tried += 1
            if tried == 3:  # both, both with all the gas there is, and what stands
                book = world.gateway.gas_book.of(world.gateway.workload, CREATE)
                book.per_transaction = book.tail = book.per_item_least = 0
                book.samples.clear()
                book.samples.append(0)

        contract.meanwhile = learn_nonsense
        await world.add(bad, good)
        await world.flush()
        assert tried == 3
        await world.finish()
        assert [await world.outcome(o) for o in (bad, good)] == [Outcome.REJECTED, Outcome.LANDED]
        assert world.sent_nonces() == [0, 1]


async def test_a_younger_batch_does_not_take_the_room_that_an_older_one_waits_for(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY, most=1)) as world:
        plan = planned_for_one(world)
        first, dear, young = (world.made.operation(CREATE) for _ in range(3))
        await world.add(first)
        await world.flush()
        raised(world, by_gas=plan * 25 // 10, share_gas=plan * 4, only=dear.subject)
        await world.add(dear, young)
        await world.flush()
        assert [await world.stage(o) for o in (first, dear, young)] == ["sealed", "queued", "queued"]
        await world.finish()
        assert await world.outcomes([first, dear, young]) == {Outcome.LANDED}


async def test_one_that_needs_more_than_this_lane_ever_has_holds_up_nobody_and_is_still_told_of(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY, most=1)) as world:
        plan = planned_for_one(world)
        first, dear, young = (world.made.operation(CREATE) for _ in range(3))
        await world.add(first)
        await world.flush()
        raised(world, by_gas=plan * 5, share_gas=plan * 4, only=dear.subject)
        await world.add(dear, young)
        await world.flush()
        assert [await world.stage(o) for o in (first, dear, young)] == ["sealed", "queued", "sealed"]
        assert "block_share" in (world.gateway.packer.hindrance or "")


async def test_of_many_the_one_that_needs_more_than_this_lane_ever_has_is_the_only_one_that_waits(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY, in_flight_max=1)) as world:
        operations = [world.made.operation(CREATE) for _ in range(8)]
        dear, *others = operations
        share = planned_for_one(world) * 4
        raised(world, by_gas=share, share_gas=share, only=dear.subject)
        await world.add(*operations)
        for _ in range(8):
            await world.flush()
            assert world.gateway.lane.gas_in_flight() <= share
            await world.mine()
        assert await world.outcomes(others) == {Outcome.LANDED}
        assert await world.stage(dear) == "queued"
        assert all(len(block.transactions) <= 1 for block in world.chain.blocks), "no more at once than it may"


async def test_what_no_waiting_helps_goes_in_parts_at_once_also_while_others_are_in_flight(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY)) as world:
        first, *operations = (world.made.operation(CREATE) for _ in range(5))
        await world.add(first)
        await world.flush()
        share = planned_for_one(world) * 4
        raised(world, by_gas=share, share_gas=share, only=operations[0].subject)
        await world.add(*operations)
        await world.flush()
        assert [await world.stage(o) for o in operations] == ["queued", "sealed", "sealed", "sealed"]
        assert world.gateway.lane.gas_in_flight() <= share


async def test_one_that_runs_dry_with_all_that_this_lane_may_have_is_given_up_after_its_retries(
    tmp_path: Path,
) -> None:
    """And others are not held up for good by what was learned of it."""
    settings = Settings(contracts=STRICT_ONLY, confirmations=1)
    async with open_world(tmp_path, settings=settings) as world:
        operation = world.made.operation(CREATE)
        world.gateway.room.take_share(3_000_000 / world.chain.head.gas_limit)
        world.gateway.gas_book.of(world.gateway.workload, CREATE).samples.append(2**20)
        limits = await dearer_each_time(world, operation, gas=2**23, times=9)
        account = await world.account(operation)
        assert account.outcome is Outcome.REJECTED
        assert "gave up after 2 retries" in account.reason
        assert limits == sorted(limits)
        assert limits[-3:] == [3_000_000] * 3
        assert 3_000_000 not in limits[:-3]
        world.chain.contracts[BATCH_TASK_MANAGER] = world.contracts.batch
        assert world.gateway.room.free_gas() > 0, "or nothing would be flushed"
        other = world.made.operation(CREATE)
        await world.add(other)
        await world.finish()
        assert await world.outcome(other) is Outcome.LANDED

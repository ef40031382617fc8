"""What would fail on chain is found by simulation, and hurts nobody else."""

from dataclasses import replace
from pathlib import Path

import pytest
from eth_abi.abi import encode

from engine.world import Settings, open_world
from headrace.chain.abi_codec import decode_values
from headrace.core.operation import Operation
from headrace.core.words import Address, BlockNumber, Outcome
from headrace.testing.builders import BATCH_TASK_MANAGER, CHAIN, REGISTRY, WINDOWS
from headrace.testing.fake_contracts import FakeBatchTaskManager
from headrace.testing.fake_world import FakeRevert, Frame
from headrace.workloads.tasks.batches import STRICT
from headrace.workloads.tasks.operations import operation_of
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, RESPOND


class RunsDryInLargeBatches:
    """Its strict form reverts without a word when it is asked for more than about three items."""

    def __init__(self, inner: FakeBatchTaskManager) -> None:
        self._inner, self.code = inner, inner.code

    def run(self, frame: Frame, data: bytes) -> bytes:
        if data[:4] in STRICT.values() and len(data) > 6_000:
            raise FakeRevert
        return self._inner.run(frame, data)


class NamesOneAtATime:
    """Its strict form stops at the first item that fails, as many a contract does."""

    def __init__(self, inner: FakeBatchTaskManager) -> None:
        self._inner, self.code = inner, inner.code

    def run(self, frame: Frame, data: bytes) -> bytes:
        try:
            return self._inner.run(frame, data)
        except FakeRevert as revert:
            (items,) = decode_values(["(uint256,bytes32,bytes)[]"], revert.data[4:])
            raise FakeRevert(revert.data[:4] + encode(["(uint256,bytes32,bytes)[]"], [items[:1]])) from None


class SaysNothingAtFirst:
    """Its strict form reverts without a word, so many times; then all is well."""

    def __init__(self, inner: FakeBatchTaskManager, times: int) -> None:
        self._inner, self.code, self._left = inner, inner.code, times

    def run(self, frame: Frame, data: bytes) -> bytes:
        if data[:4] in STRICT.values() and self._left:
            self._left -= 1
            raise FakeRevert
        return self._inner.run(frame, data)


async def test_a_poisoned_operation_is_rejected_with_its_decoded_reason_and_its_neighbours_land_at_once(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        good = [world.made.operation() for _ in range(4)]
        bad = world.made.operation(good=False)
        await world.add(*good[:2], bad, *good[2:])
        await world.flush()

        ended = await world.account(bad)
        assert ended.outcome is Outcome.REJECTED
        assert ended.revert is not None
        assert ended.revert.name == "InvalidBLSSignature"
        assert [await world.stage(o) for o in good] == ["sealed"] * 4, "in the very same flush"
        await world.finish()
        assert await world.outcomes(good) == {Outcome.LANDED}
        assert {(await world.account(o)).operation.retries for o in good} == {0}
        assert world.sent_nonces() == [0], "nothing was tried by a real transaction"


async def test_poison_after_poison_in_one_batch_costs_its_neighbours_nothing(tmp_path: Path) -> None:
    """D4: in the source each wave cut out of a batch was an attempt of all that stayed."""
    async with open_world(tmp_path, settings=Settings(max_retries=2)) as world:
        world.chain.contracts[BATCH_TASK_MANAGER] = NamesOneAtATime(world.contracts.batch)
        good = [world.made.operation() for _ in range(3)]
        bad = [world.made.operation(good=False) for _ in range(5)]
        await world.add(good[0], *bad[:3], good[1], *bad[3:], good[2])
        await world.flush()
        assert await world.outcomes(bad) == {Outcome.REJECTED}
        assert [await world.stage(o) for o in good] == ["sealed"] * 3, "in the very same flush"
        await world.finish()
        assert await world.outcomes(good) == {Outcome.LANDED}
        assert {(await world.account(o)).operation.retries for o in good} == {0}


async def test_who_waits_for_a_person_spends_no_retry_while_poison_is_cut_out_beside_it(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(max_retries=0, in_flight_max=1)) as world:
        patient = world.made.operation()
        await world.add(patient)
        world.contracts.task_manager.registry = Address(b"\x0f" * 20)  # nobody may record anything
        for _ in range(5):
            await world.add(world.made.operation(good=False))
            await world.flush()
            await world.mine()
        world.contracts.task_manager.registry = REGISTRY
        await world.finish()
        assert await world.outcome(patient) is Outcome.LANDED


async def test_of_two_that_want_the_same_the_second_is_not_judged_by_what_the_first_has_not_done_yet(
    tmp_path: Path,
) -> None:
    """In one simulation the second meets the work of the first, which may never be mined."""
    async with open_world(tmp_path) as world:
        task = world.made.task()
        create = world.made.operation(CREATE, task=task)
        await world.add(create)
        await world.finish()
        respond = world.made.operation(RESPOND, task=task)
        both = replace(world.made.operation(task=task), form=RESPOND)
        await world.add(respond, both)
        await world.flush()
        assert [await world.stage(o) for o in (respond, both)] == ["sealed", "queued"]

        await world.finish()
        assert [await world.outcome(o) for o in (respond, both)] == [Outcome.LANDED, Outcome.ALREADY_DONE]


async def test_a_batch_that_stands_in_halves_only_travels_in_halves(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(10)]
        world.chain.contracts[BATCH_TASK_MANAGER] = RunsDryInLargeBatches(world.contracts.batch)
        await world.add(*operations)
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert {(await world.account(o)).operation.retries for o in operations} == {0}


async def test_it_is_simulated_in_the_block_it_will_land_in_where_a_fresh_task_is_not_of_the_future(
    tmp_path: Path,
) -> None:
    """D8: at `latest` the reference block is not in the past; in the block we aim at it is."""
    async with open_world(tmp_path) as world:
        operation = world.made.operation(created_block=world.chain.head.number)
        await world.add(operation)
        await world.flush()
        assert await world.stage(operation) == "sealed"
        await world.mine()
        account = await world.account(operation)
        assert (account.state.value, account.operation.retries) == ("mined", 0)
        assert all(world.recorded(operation))


async def test_it_is_simulated_as_the_lane_and_not_as_nobody(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.contracts.batch.callers = frozenset()
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        assert "Unauthorized" in (world.gateway.packer.hindrance or "")
        assert await world.stage(operation) == "queued"

        world.contracts.batch.callers = frozenset([world.gateway.lane.address])
        await world.mine()
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.gateway.packer.hindrance is None


async def test_without_the_right_to_record_tasks_operations_wait_and_a_person_is_told(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        generators = set(world.contracts.registry.generators)
        world.contracts.registry.generators = set()
        operation = world.made.operation()
        await world.add(operation)
        for _ in range(5):
            await world.flush()
            await world.mine()
        assert await world.stage(operation) == "queued"
        assert "addTaskGenerator" in (world.gateway.judge.operator_needed or "")

        world.contracts.registry.generators = generators
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.gateway.judge.operator_needed is None


# ---- D5 and D6: what is on chain already


async def test_a_task_that_exists_is_not_taken_for_answered_and_goes_on_as_respond_only(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        task = world.made.task()
        create, both = world.made.operation(CREATE, task=task), world.made.operation(task=task)
        await world.add(create)
        await world.finish()
        await world.add(both)
        await world.finish()
        account = await world.account(both)
        assert account.outcome is Outcome.LANDED
        assert account.operation.form == RESPOND
        assert account.operation.retries == 0
        assert world.recorded(both)[1] is not None


async def test_what_is_on_chain_with_our_response_is_already_done_and_with_another_a_conflict(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        task = world.made.task()
        response = world.made.response(task)
        first = world.made.operation(task=task)
        await world.add(first)
        await world.finish()

        def again(name: str, answer: object) -> Operation:
            return operation_of(
                id=name,  # type: ignore[arg-type]
                chain=CHAIN,
                kind="create_and_respond",
                task=task,
                response=answer,  # type: ignore[arg-type]
                signature_data=world.made.signature_data(),
                windows=WINDOWS,
                received_at=0,
            )

        same, other = again("same", response), again("other", replace(response, evaluation_result=b"\x00"))
        for one in (same, other):
            await world.add(one)
            await world.finish()
        assert await world.outcome(same) is Outcome.ALREADY_DONE
        assert await world.outcome(other) is Outcome.CONFLICT
        assert world.sent_nonces() == [0]


@pytest.mark.parametrize("kind", [CREATE, CREATE_AND_RESPOND])
async def test_the_hash_that_is_there_tells_our_own_task_from_another_under_its_id(
    tmp_path: Path, kind: str
) -> None:
    async with open_world(tmp_path) as world:
        task = world.made.task()
        await world.add(world.made.operation(kind, task=task))
        await world.finish()
        own = world.made.operation(kind, task=task, id="own")
        other = world.made.operation(kind, task=replace(task, timestamp=1), id="other")
        for one in (own, other):
            await world.add(one)
            await world.finish()
        assert await world.outcome(own) is Outcome.ALREADY_DONE
        assert await world.outcome(other) is Outcome.CONFLICT
        assert world.sent_nonces() == [0]


# ---- What cannot be carried at all


async def test_an_operation_that_cannot_be_built_ends_alone(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        broken = replace(world.made.operation(), payload=b"\xc1 not msgpack")
        good = [world.made.operation() for _ in range(2)]
        await world.add(good[0], broken, good[1])
        await world.finish()
        ended = await world.account(broken)
        assert ended.outcome is Outcome.REJECTED
        assert "cannot be built" in ended.reason
        assert await world.outcomes(good) == {Outcome.LANDED}


async def test_an_operation_of_a_form_that_the_workload_does_not_have_ends_and_blocks_nobody(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        strange = replace(world.made.operation(), form="settle")
        good = world.made.operation()
        await world.add(strange, good)
        await world.finish()
        assert await world.outcome(strange) is Outcome.REJECTED
        assert await world.outcome(good) is Outcome.LANDED


async def test_an_operation_that_runs_dry_by_itself_is_given_up_after_its_retries_and_harms_nobody(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        glutton, good = world.made.operation(), world.made.operation()
        world.contracts.task_manager.item_burns = {glutton.subject: 10**7}
        await world.add(glutton, good)
        await world.finish()
        ended = await world.account(glutton)
        assert ended.outcome is Outcome.REJECTED
        assert ended.reason.endswith("gave up after 2 retries")
        assert ended.revert is not None
        assert ended.revert.name == "ItemLikelyOutOfGas"
        assert (await world.account(good)).outcome is Outcome.LANDED


async def test_that_no_reason_is_given_is_no_reason_to_reject(tmp_path: Path) -> None:
    """D10: running out of gas leaves empty revert data, and says nothing of the operation."""
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        world.chain.contracts[BATCH_TASK_MANAGER] = SaysNothingAtFirst(world.contracts.batch, times=2)
        await world.add(operation)
        await world.flush()
        assert await world.stage(operation) == "queued"
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_an_operation_that_can_no_longer_land_expires_while_it_waits(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        soon = replace(world.made.operation(), deadline_block=BlockNumber(world.chain.head.number + 1))
        await world.add(soon)
        await world.mine()
        ended = await world.account(soon)
        assert ended.outcome is Outcome.EXPIRED
        assert "block 4" in ended.reason
        assert [n.operation for n in world.told("done")] == [soon.id]

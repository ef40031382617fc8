"""Status 0 carries no reason: it is explained, and only the guilty pay."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.world import BATCHED, Settings, World, open_world
from headrace.core.operation import Operation
from headrace.core.ports import NodeTrouble
from headrace.core.words import Nonce, Outcome
from headrace.testing.builders import BATCH_TASK_MANAGER
from headrace.testing.fake_world import Frame
from headrace.workloads.tasks.payload import CREATE

STRICT_ONLY = replace(BATCHED, strict_only=True)


async def other_task_first(world: World, operation: Operation, task: object) -> None:
    """Somebody else records another task under this id, in the block that holds our batch, before it."""
    other = world.made.operation(CREATE, task=task)  # type: ignore[arg-type]
    call = world.gateway.workload.call(CREATE, [other], strict=False)
    stranger = world.stranger
    signed = stranger.sign(
        chain=world.chain.id,
        nonce=Nonce(0),
        to=call.to,
        data=call.data,
        gas_limit=900_000,
        fees=replace(world.gateway.lane.fees(world.chain.head), tip_wei=2 * 10**9, max_fee_wei=10**10),
    )
    world.clock.advance(12)
    world.chain.mine(include=[signed.raw])
    await world.saw()


async def test_of_a_strict_batch_that_reverts_only_the_guilty_one_ends_and_the_rest_lands(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY)) as world:
        task = world.made.task()
        guilty, good = world.made.operation(task=task), world.made.operation()
        await world.add(guilty, good)
        await world.flush()
        await other_task_first(world, guilty, replace(task, timestamp=2))
        await world.finish()
        ended = await world.account(guilty)
        assert ended.outcome is Outcome.CONFLICT
        account = await world.account(good)
        assert (account.outcome, account.operation.retries) == (Outcome.LANDED, 0)
        assert world.sent_nonces() == [0, 1]


async def test_a_mined_failure_is_no_success_and_is_explained_by_a_call_at_its_block(tmp_path: Path) -> None:
    """D9: the receipt has a status and no reason. The block before its own does not know the reason either."""
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY)) as world:
        task = world.made.task()
        guilty, good = world.made.operation(task=task), world.made.operation()
        await world.add(guilty, good)
        await world.flush()
        await other_task_first(world, guilty, replace(task, timestamp=2))
        await world.mine(2)
        ended = await world.account(guilty)
        assert ended.outcome is Outcome.CONFLICT
        assert ended.revert is not None, "status 0 alone would not tell"
        assert ended.revert.name == "TaskAlreadyExists"
        assert await world.stage(good) != "done"
        story = await world.store.lines(f"0x{world.gateway.lane.address.hex()}/0")
        assert any("BatchPartialFailure" in line.text for line in story)


async def test_poison_that_shows_only_in_its_block_burns_no_neighbours_gas_and_is_read_from_its_event(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        task = world.made.task()
        guilty, good = world.made.operation(task=task), world.made.operation()
        await world.add(guilty, good)
        await world.flush()
        await other_task_first(world, guilty, replace(task, timestamp=2))
        await world.finish()
        ended = await world.account(guilty)
        assert ended.outcome is Outcome.CONFLICT
        assert ended.revert is not None
        assert ended.revert.name == "TaskAlreadyExists"
        assert await world.outcome(good) is Outcome.LANDED
        assert world.sent_nonces() == [0]


async def test_a_batch_that_the_contract_refuses_when_it_is_mined_travels_again_when_it_is_mended(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(3)]
        await world.add(*operations)
        await world.flush()
        callers = world.contracts.batch.callers
        world.contracts.batch.callers = frozenset()
        await world.mine(3)
        assert {await world.stage(o) for o in operations} == {"queued"}
        assert "Unauthorized" in (await world.account(operations[0])).reason
        lines = await world.store.lines(f"0x{world.gateway.lane.address.hex()}/0")
        assert any("reverted" in line.text for line in lines)

        world.contracts.batch.callers = callers
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert {(await world.account(o)).operation.retries for o in operations} == {0}


async def test_a_batch_that_ran_dry_travels_again_with_more_gas(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(10)]
        book = world.gateway.gas_book.of(world.gateway.workload, "create_and_respond")
        book.per_item_least = 0
        book.samples.append(20_000)  # it has learned nonsense
        await world.add(*operations)
        await world.finish()
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert {(await world.account(o)).operation.retries for o in operations} == {0}
        assert book.per_item > 100_000
        assert len(world.sent_nonces()) > 1


async def test_running_dry_without_any_reason_is_mended_by_more_gas_too(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(2)]
        book = world.gateway.gas_book.of(world.gateway.workload, "create_and_respond")
        book.per_transaction, book.tail = 40_000, 0
        book.samples.append(0)
        await world.add(*operations)
        await world.finish(blocks=120)
        assert await world.outcomes(operations) == {Outcome.LANDED}


async def reverted_by_a_stranger(world: World) -> list[Operation]:
    """A strict batch of two that is mined with status 0, and not yet final. The first is guilty."""
    task = world.made.task()
    guilty, good = world.made.operation(task=task), world.made.operation()
    await world.add(guilty, good)
    await world.flush()
    await other_task_first(world, guilty, replace(task, timestamp=2))
    return [guilty, good]


def without_old_state(world: World, *, times: int) -> None:
    """So many questions about a block's own state find none: a pruned node, or one that is only behind."""
    honest, left = world.node.call, [times]

    async def call(**question: Any) -> Any:
        if question.get("as_of") is not None and question.get("in_block") is not None and left[0]:
            left[0] -= 1
            raise NodeTrouble("eth_call: missing trie node")
        return await honest(**question)

    world.node.call = call  # type: ignore[method-assign]


async def test_while_no_node_can_explain_a_failure_nothing_is_decided_and_it_is_asked_again(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY)) as world:
        operations = await reverted_by_a_stranger(world)
        without_old_state(world, times=2)
        await world.mine(3)
        assert {await world.stage(o) for o in operations} == {"sealed"}
        await world.finish()
        guilty, good = [await world.account(o) for o in operations]
        assert guilty.revert is not None
        assert guilty.revert.name == "TaskAlreadyExists"
        assert (good.outcome, good.operation.retries) == (Outcome.LANDED, 0)


async def test_a_failure_that_no_node_can_explain_any_more_keeps_no_lane_and_no_operation_waiting(
    tmp_path: Path,
) -> None:
    """As when we were down for longer than a node keeps its states."""
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY)) as world:
        operations = await reverted_by_a_stranger(world)
        without_old_state(world, times=10**6)
        await world.finish()
        assert [await world.outcome(o) for o in operations] == [Outcome.CONFLICT, Outcome.LANDED]
        story = await world.store.lines(f"0x{world.gateway.lane.address.hex()}/0")
        assert any("no node can tell why any more" in line.text for line in story)


class Silent:
    """Says yes to everything and does nothing, as an address without the right contract."""

    code = b"\xfe silent"

    def run(self, frame: Frame, data: bytes) -> bytes:
        return b""


async def test_what_succeeds_and_shows_no_effect_is_not_paid_for_again_and_again(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.chain.contracts[BATCH_TASK_MANAGER] = Silent()
        operation = world.made.operation()
        await world.add(operation)
        await world.finish(blocks=60)
        account = await world.account(operation)
        assert account.outcome is Outcome.REJECTED
        assert account.reason == "the receipt shows no effect of it; gave up after 2 retries"
        assert world.sent_nonces() == [0, 1, 2]
        assert "is the right contract at its target?" in (world.gateway.judge.operator_needed or "")

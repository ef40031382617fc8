"""Status 0 carries no reason: it is explained, and only the guilty pay."""

from dataclasses import replace
from pathlib import Path

from engine.world import BATCHED, Settings, World, open_world
from headrace.core.operation import Operation
from headrace.core.words import Nonce, Outcome
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


async def test_of_a_batch_that_commits_the_rest_the_failed_item_is_read_from_its_event(tmp_path: Path) -> None:
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


async def test_a_strict_batch_that_ran_dry_travels_again_with_more_gas_and_not_for_ever(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY)) as world:
        operations = [world.made.operation() for _ in range(3)]
        book = world.gateway.gas_book.of(world.gateway.workload, "create_and_respond")
        book.samples.append(0)
        await world.add(*operations)
        await world.finish(blocks=20)
        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert {(await world.account(o)).operation.retries for o in operations} == {0}

"""Too late inside a sealed batch: who must not land does not, and who still can is not held up by it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.test_sending import only_seen, raw_of
from engine.world import BATCHED, LANE, SINGLY, Settings, World, open_world
from headrace.core.operation import Operation
from headrace.core.words import BlockNumber, Nonce, OperationId, Outcome
from headrace.testing.builders import CHAIN, WINDOWS
from headrace.workloads.tasks.operations import operation_of
from headrace.workloads.tasks.payload import CREATE_AND_RESPOND

STRICT = Settings(contracts=replace(BATCHED, strict_only=True))


def closing(world: World, *, blocks: int) -> Operation:
    """Its response expires so many blocks from now: the contract refuses it after that."""
    task = world.made.task()
    return operation_of(
        id=OperationId("closing"),
        chain=CHAIN,
        kind=CREATE_AND_RESPOND,
        task=task,
        response=world.made.response(task, expire_block=world.chain.head.number + blocks),
        signature_data=world.made.signature_data(),
        windows=WINDOWS,
        received_at=world.clock.now(),
    )


async def test_the_nonce_of_a_late_batch_is_filled_and_the_rest_travels_again_once_that_is_final(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        await world.mine(3)
        late, good = world.made.operation(deadline=world.clock.now() + 20), world.made.operation()
        await world.add(late, good)
        await world.flush()
        assert len(raw_of(world)) == 1
        await only_seen(world, blocks=1)  # the next block would be 24 s after it was made
        assert len(raw_of(world)) == 2
        (in_pool,) = world.chain.pool
        assert (in_pool.to, in_pool.data, in_pool.nonce) == (LANE, b"", 0)

        await world.mine()
        assert {await world.stage(o) for o in (late, good)} == {"sealed"}, "a reorg could bring the batch back"
        await world.finish()
        ended = await world.account(late)
        assert ended.outcome is Outcome.EXPIRED
        assert "deadline" in ended.reason
        assert world.recorded(late) == (None, None)
        account = await world.account(good)
        assert (account.outcome, account.operation.retries) == (Outcome.LANDED, 0)
        assert world.sent_nonces() == [0, 1]
        story = await world.store.lines(f"0x{LANE.hex()}/0")
        assert any(late.id in line.text and "deadline" in line.text for line in story)


async def test_when_the_old_attempt_wins_against_the_no_op_what_is_on_chain_is_the_truth(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.mine(3)
        late, good = world.made.operation(deadline=world.clock.now() + 20), world.made.operation()
        await world.add(late, good)
        await world.flush()
        (batch,) = raw_of(world)
        await only_seen(world, blocks=1)
        world.clock.advance(12)
        world.chain.mine(include=[batch])
        await world.saw()
        await world.finish()
        assert await world.outcomes([late, good]) == {Outcome.LANDED}, "landed late is landed"
        assert world.sent_nonces() == [0]


async def test_a_reorg_that_brings_the_batch_back_in_place_of_its_no_op_doubles_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.mine(3)
        late, good = world.made.operation(deadline=world.clock.now() + 20), world.made.operation()
        await world.add(late, good)
        await world.flush()
        (batch,) = raw_of(world)
        await only_seen(world, blocks=1)
        await world.mine(2)  # the no-op, and one confirmation
        world.chain.reorg(2, include=[batch])
        await world.saw()
        await world.finish()
        assert await world.outcomes([late, good]) == {Outcome.LANDED}
        assert world.sent_nonces() == [0]


async def test_an_item_whose_window_closed_fails_alone_and_delays_no_neighbour(tmp_path: Path) -> None:
    """The contract keeps the window, and the batch commits the rest: a no-op would only cost them time."""
    async with open_world(tmp_path) as world:
        late, good = closing(world, blocks=2), world.made.operation()
        await world.add(late, good)
        await world.flush()
        await only_seen(world, blocks=2)
        assert len(raw_of(world)) == 1
        await world.mine()
        assert all(world.recorded(good)), "in the very next block that took anything"
        await world.finish()
        ended = await world.account(late)
        assert ended.outcome is Outcome.EXPIRED
        assert ended.revert is not None
        assert ended.revert.name == "TaskResponseExpired"
        assert await world.outcome(good) is Outcome.LANDED
        assert world.sent_nonces() == [0]


async def test_an_item_whose_window_closed_dooms_a_strict_batch_which_is_replaced_by_a_no_op(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, settings=STRICT) as world:
        late, good = closing(world, blocks=2), world.made.operation()
        await world.add(late, good)
        await world.flush()
        await only_seen(world, blocks=1)
        assert len(raw_of(world)) == 1
        await only_seen(world, blocks=1)
        assert len(raw_of(world)) == 2
        await world.finish()
        assert [await world.outcome(o) for o in (late, good)] == [Outcome.EXPIRED, Outcome.LANDED]
        assert world.sent_nonces() == [0, 1]
        receipts = [r for block in world.chain.blocks for r in block.receipts]
        assert all(receipt.ok for receipt in receipts), "nothing was paid for a revert that was foreseen"


async def test_a_batch_in_which_nothing_can_land_any_more_is_replaced_in_any_form(tmp_path: Path) -> None:
    for folder, settings in (("batch", Settings()), ("single", Settings(contracts=SINGLY))):
        (tmp_path / folder).mkdir()
        async with open_world(tmp_path / folder, settings=settings) as world:
            late = closing(world, blocks=2)
            await world.add(late)
            await world.flush()
            await only_seen(world, blocks=2)
            assert len(raw_of(world)) == 2
            await world.finish()
            ended = await world.account(late)
            assert ended.outcome is Outcome.EXPIRED
            assert f"block {late.deadline_block}" in ended.reason
            assert ended.reason.startswith("its nonce was filled without it")


async def test_what_came_too_late_while_we_were_down_is_offered_to_no_node_again(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        late = world.made.operation(deadline=world.clock.now() + 20)
        await world.add(late)
        await world.flush()
        (batch,) = raw_of(world)
        clock, contracts, node = world.clock, world.contracts, world.node
    contracts.chain.pool.clear()
    clock.advance(60)
    contracts.chain.mine()
    shown: list[tuple[Any, ...]] = []

    def tap(when: str, what: str, args: tuple[Any, ...]) -> None:
        if what == "send":
            shown.append(args)

    async with open_world(tmp_path, clock=clock, contracts=contracts, node=node, tap=tap) as world:
        assert shown
        assert (batch,) not in shown
        (in_pool,) = world.chain.pool
        assert (in_pool.nonce, in_pool.data) == (0, b"")
        await world.finish()
        assert await world.outcome(late) is Outcome.EXPIRED
        assert world.recorded(late) == (None, None)


async def test_what_landed_while_we_were_down_has_landed_though_its_deadline_is_over(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation(deadline=world.clock.now() + 20)
        await world.add(operation)
        await world.flush()
        clock, contracts, node = world.clock, world.contracts, world.node
    clock.advance(12)
    contracts.chain.mine()
    clock.advance(60)
    contracts.chain.mine()
    async with open_world(tmp_path, clock=clock, contracts=contracts, node=node) as world:
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED
        assert world.sent_nonces() == [0]


async def test_what_would_miss_the_coming_block_is_not_sealed_any_more(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.mine(3)
        late, good = world.made.operation(deadline=world.clock.now() + 5), world.made.operation()
        await world.add(late, good)
        await world.flush()
        ended = await world.account(late)
        assert (ended.outcome, ended.reason) == (Outcome.EXPIRED, "its deadline comes before the next block")
        assert await world.stage(good) == "sealed"


async def test_whatever_expires_while_it_waits_keeps_the_reason_why_it_had_to_wait(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.mine(3)
        operation = world.made.operation(
            created_block=world.chain.head.number + 2, deadline=world.clock.now() + 40
        )
        await world.add(operation)
        await world.flush()
        assert await world.stage(operation) == "queued"
        world.clock.advance(50)
        await world.mine()
        ended = await world.account(operation)
        assert ended.outcome is Outcome.EXPIRED
        assert "the reference block is not in the past" in ended.reason


async def test_a_block_deadline_wins_over_a_retry(tmp_path: Path) -> None:
    """Its second try would come too late: it ends with what really kept it from landing."""
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        last = replace(operation, deadline_block=BlockNumber(world.chain.head.number + 2))
        other = replace(world.made.operation(), deadline_block=last.deadline_block)
        await world.add(last, other)
        await world.flush()
        fees = world.gateway.lane.fees(world.chain.head)
        stranger = world.gateway.lane._signer.sign_no_op(chain=world.chain.id, nonce=Nonce(0), fees=fees)
        world.clock.advance(12)
        world.chain.mine(include=[stranger.raw])
        await world.saw()
        await world.finish()
        account = await world.account(last)
        assert account.outcome is Outcome.EXPIRED
        assert account.reason.startswith("its nonce was taken by a foreign transaction")


async def test_a_late_item_in_a_batch_that_today_s_settings_could_not_build_stops_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        late, good = closing(world, blocks=2), world.made.operation()
        await world.add(late, good)
        await world.flush()
        clock, contracts, node = world.clock, world.contracts, world.node
    settings = Settings(contracts=SINGLY)
    async with open_world(tmp_path, settings=settings, clock=clock, contracts=contracts, node=node) as world:
        await only_seen(world, blocks=3)
        await world.finish()
        assert [await world.outcome(o) for o in (late, good)] == [Outcome.EXPIRED, Outcome.LANDED]

"""Create first, respond when the create is mined: no response before its task."""

from pathlib import Path

from engine.world import World, open_world
from headrace.core.operation import Operation
from headrace.core.words import BlockNumber, OperationId, Outcome
from headrace.testing.builders import CHAIN, WINDOWS
from headrace.workloads.tasks.operations import recording


def separate(world: World, *, name: str = "mine", good_task: bool = True, wait_s: float = 120) -> list[Operation]:
    task = world.made.task(threshold_percent=67 if good_task else 101)
    return list(
        recording(
            "separate",
            id=OperationId(name),
            chain=CHAIN,
            task=task,
            response=world.made.response(task),
            signature_data=world.made.signature_data(),
            windows=WINDOWS,
            respond_wait_s=wait_s,
            received_at=world.clock.now(),
            now=world.clock.now(),
        )
    )


async def test_a_respond_is_not_sent_before_its_create_is_mined_and_then_at_once(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        create, respond = separate(world)
        await world.add(create, respond)
        await world.flush()
        await world.flush()
        assert [await world.stage(o) for o in (create, respond)] == ["sealed", "waiting"]
        assert len(world.chain.pool) == 1

        await world.mine()
        assert await world.stage(respond) == "queued", "mined is enough, final is not needed"
        await world.flush()
        await world.mine()
        assert all(world.recorded(respond))
        await world.finish()
        assert await world.outcomes([create, respond]) == {Outcome.LANDED}


async def test_creates_and_responds_of_many_tasks_travel_as_batches_of_their_own(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        pairs = [separate(world, name=f"task {i}") for i in range(6)]
        await world.add(*(o for pair in pairs for o in pair))
        await world.finish()
        assert await world.outcomes([o for pair in pairs for o in pair]) == {Outcome.LANDED}
        assert world.sent_nonces() == [0, 1]


async def test_a_respond_is_cancelled_when_its_create_ends_without_landing_and_names_it(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        create, respond = separate(world, good_task=False)
        await world.add(create, respond)
        await world.flush()
        assert [await world.outcome(o) for o in (create, respond)] == [Outcome.REJECTED, Outcome.CANCELLED]
        assert create.id in (await world.account(respond)).reason
        assert {n.operation for n in world.told("done")} == {create.id, respond.id}


async def test_a_respond_expires_when_its_create_is_not_on_chain_in_time_and_is_never_sent_early(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        create, respond = separate(world, wait_s=20)
        await world.add(create, respond)
        await world.mine(2)  # nobody flushes
        assert await world.outcome(respond) is Outcome.EXPIRED
        assert await world.stage(create) == "queued"
        await world.finish()
        assert world.recorded(create)[1] is None


async def test_when_the_creates_block_is_uncled_the_respond_waits_again(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        create, respond = separate(world)
        await world.add(create, respond)
        await world.flush()
        await world.mine()
        assert await world.stage(respond) == "queued"
        world.chain.reorg(1, forget=True)
        await world.saw()
        assert await world.stage(respond) == "waiting"
        await world.finish()
        assert await world.outcomes([create, respond]) == {Outcome.LANDED}


async def test_a_respond_that_was_sent_before_its_creates_block_was_uncled_still_comes_after_it(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as world:
        create, respond = separate(world)
        await world.add(create, respond)
        await world.flush()
        await world.mine()
        await world.flush()  # the respond is in the pool
        world.chain.reorg(1, forget=True)
        await world.saw()
        await world.finish()
        assert await world.outcomes([create, respond]) == {Outcome.LANDED}
        assert world.sent_nonces() == [0, 1]


async def test_a_create_that_is_cancelled_between_claim_and_seal_harms_nobody(tmp_path: Path) -> None:
    """A client may cancel while a flush runs."""
    async with open_world(tmp_path) as world:
        stays, goes = world.made.operation(), world.made.operation()
        await world.add(stays, goes)
        simulate = world.gateway.packer._simulator.sift

        async def sift_and_cancel(*args, **keywords):  # type: ignore[no-untyped-def]
            await world.store.cancel(goes.id, now=world.clock.now())
            return await simulate(*args, **keywords)

        world.gateway.packer._simulator.sift = sift_and_cancel  # type: ignore[method-assign]
        await world.flush()
        assert [await world.stage(o) for o in (stays, goes)] == ["queued", "done"]
        world.gateway.packer._simulator.sift = simulate  # type: ignore[method-assign]
        await world.finish()
        assert await world.outcome(stays) is Outcome.LANDED
        assert await world.outcome(goes) is Outcome.CANCELLED
        assert world.sent_nonces() == [0]


async def test_an_operation_that_expires_while_its_flush_runs_harms_nobody(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        from dataclasses import replace

        stays = world.made.operation()
        goes = replace(world.made.operation(), deadline_block=BlockNumber(world.chain.head.number + 1))
        await world.add(stays, goes)
        simulate = world.gateway.packer._simulator.sift

        async def sift_while_a_block_comes(*args, **keywords):  # type: ignore[no-untyped-def]
            sifted = await simulate(*args, **keywords)
            if (await world.account(goes)).outcome is None:
                await world.mine()
            return sifted

        world.gateway.packer._simulator.sift = sift_while_a_block_comes  # type: ignore[method-assign]
        await world.finish()
        assert [await world.outcome(o) for o in (stays, goes)] == [Outcome.LANDED, Outcome.EXPIRED]

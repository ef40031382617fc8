"""Whole stories, told by a real engine over a real store: what a person reads at night.

Hashes, addresses and times are made short, so that the words stand out: 0x… for hex, +N for seconds after the
first line, `#` for a batch id.
"""

import re
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

from engine.test_foreign_nonces import taken
from engine.test_mined_failures import STRICT_ONLY, other_task_first
from engine.world import Settings, World, open_world
from headrace.app.inspecting import Story, stories_of
from headrace.core.operation import Operation
from headrace.workloads.tasks.payload import CREATE


async def told(world: World, id: object) -> str:
    (story,) = await stories_of(str(id), world.store)
    return as_words(story)


def as_words(story: Story) -> str:
    begin = story.lines[0].at
    lines = [story.title, *(f"+{line.at - begin:.0f} {line.text}" for line in story.lines)]
    text = "\n".join(lines)
    text = re.sub(r"0x[0-9a-f]{40,}", "0x…", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "#", text)
    return re.sub(r"\bop-[0-9a-f]{16}\b", "op", text)


def words(text: str) -> str:
    return dedent(text).strip()


async def one(world: World, operation: Operation) -> Operation:
    await world.add(operation)
    await world.flush()
    return operation


async def test_a_poisoned_item_is_found_before_it_costs_anything(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        bad = await one(world, world.made.operation(good=False))
        assert await told(world, bad.id) == words(
            """
            tasks create_and_respond op, about 0x…: rejected
            +0 saved, queued
            +36 done: rejected; the aggregate signature does not verify; the contract said InvalidBLSSignature(); \
found by simulation, so that nothing was sent for it and nothing paid
            """
        )


async def test_a_replaced_transaction_tells_why_and_which_attempt_won(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = await one(world, world.made.operation())
        for _ in range(4):
            world.clock.advance(12)
            world.chain.mine(from_pool=False)
            await world.saw()
        await world.finish()
        assert await told(world, operation.id) == words(
            """
            tasks create_and_respond op, about 0x…: landed
            +0 saved, queued
            +36 sealed as item 0 of batch #, nonce 0 of lane 0x…
            +36 sent as 0x…
            +72 not mined yet: replaced by the same batch with higher fees: \
max fee 2.433 gwei, tip 1.12 gwei per gas, 0x…
            +96 mined as 0x… (one of 2 attempts) in block 8; its share 241529 gas, 0.000353503 ether
            +120 done: landed, its own effect is in a final block
            """
        )
        assert await told(world, 0) == words(
            """
            nonce 0 of lane 0x… on chain 31337: batch #
            +0 sealed: batch #, 1 operation (tasks create_and_respond), gas limit 897650
            +0 signed as 0x… (batch): max fee 2.1723 gwei, tip 1 gwei per gas
            +0 sent to a node
            +36 not mined yet: replaced by the same batch with higher fees: \
max fee 2.433 gwei, tip 1.12 gwei per gas, 0x…
            +60 mined as 0x… in block 8: 241529 gas at 1.4636 gwei
            +60 now: final
            +60 carried op (landed)
            """
        )


async def test_a_reorg_is_told_with_the_block_that_was_lost(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = await one(world, world.made.operation())
        await world.mine(2)
        world.chain.reorg(2, forget=True)
        await world.saw()
        text = await told(world, operation.id)
        assert text.splitlines()[-2:] == [
            "+60 its block 4 (0x…) was uncled; the same bytes go out again",
            "+60 now: riding in its transaction, until that is final",
        ]
        await world.finish()
        text = await told(world, operation.id)
        assert text.splitlines()[-3:] == [
            "+60 its block 4 (0x…) was uncled; the same bytes go out again",
            "+72 mined in block 6; its share 241529 gas, 0.000349926 ether",
            "+96 done: landed, its own effect is in a final block",
        ]


async def test_a_foreign_nonce_is_told_to_those_who_rode_there_and_rode_on_elsewhere(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = await one(world, world.made.operation())
        await taken(world)
        assert (await told(world, 0)).splitlines()[-2] == (
            "+12 now: a foreign transaction has the nonce since block 4; waiting until that is final"
        )
        await world.finish()
        lines = (await told(world, operation.id)).splitlines()
        assert lines[2] == (
            "+72 came back from nonce 0: its nonce was taken by a foreign transaction. It travels again, at no "
            "cost to its retries"
        )
        assert "nonce 1 of lane" in lines[3]
        assert lines[-1] == "+108 done: landed, its own effect is in a final block"
        assert (await told(world, 0)).splitlines()[4:] == [
            "+12 a foreign transaction has this nonce (seen at block 4): something else signs with this lane's "
            "key; what rides here waits until that is final, and then travels again",
            "+36 its nonce was taken by a foreign transaction: what rode in it travels again",
            "+36 now: final without us; what rode here travels again",
            "+36 carried op (landed)",
        ]


async def test_a_retry_and_then_the_deadline(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(max_retries=5)) as world:
        operation = world.made.operation(deadline=world.clock.now() + 30)
        world.contracts.task_manager.item_burns = {operation.subject: 10**9}
        await one(world, operation)
        retrying = (await told(world, operation.id)).splitlines()
        assert re.fullmatch(
            r"\+36 found by simulation, before anything was sent: the item used up its gas; the contract said "
            r"ItemLikelyOutOfGas\(index=0, taskId=0x…, gasForwarded=450000\)\. It travels again after \d\.\d s, "
            r"its retries spent so far: 1",
            retrying[2],
        )
        assert retrying[3].startswith(
            "+36 now: queued for the next batch; the last that happened: the item used up"
        )
        for _ in range(5):
            await world.mine()
            await world.flush()
        text = await told(world, operation.id)
        assert text.splitlines()[0].endswith(": expired")
        assert "done: expired; its deadline" in text.splitlines()[-1]


async def test_a_batch_that_ran_dry_tells_how_many_landed_and_the_others_why_not(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(10)]
        book = world.gateway.gas_book.of(world.gateway.workload, "create_and_respond")
        book.per_transaction, book.per_item_least = 0, 0  # it knows no bounds,
        book.samples.append(20_000)  # and has learned nonsense
        await world.add(*operations)
        await world.finish()
        assert "of 10 operations: 3 landed, 7 to travel again" in await told(world, 0)
        lines = (await told(world, operations[-1].id)).splitlines()
        assert lines[2].startswith(
            "+72 came back from nonce 0: the batch ran dry before this item; the contract said "
            "InsufficientGasForItem("
        )
        assert lines[-1].endswith("done: landed, its own effect is in a final block")


async def test_a_mined_failure_names_the_guilty_and_what_became_of_its_neighbour(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(contracts=STRICT_ONLY)) as world:
        task = world.made.task()
        guilty, good = world.made.operation(task=task), world.made.operation()
        await world.add(guilty, good)
        await world.flush()
        await other_task_first(world, guilty, replace(task, timestamp=2))
        await world.finish()
        assert (await told(world, guilty.id)).splitlines()[-1] == (
            "+72 done: conflict; another task has this id; the contract said "
            "TaskAlreadyExists(existingTaskHash=0x…)"
        )
        assert "came back from nonce 0: its batch reverted because of a neighbour" in await told(world, good.id)
        assert (await told(world, 0)).splitlines()[4:] == [
            "+12 mined as 0x… in block 4, and reverted: 317625 gas at 1.5861 gwei",
            "+36 mined and reverted: BatchPartialFailure(failures=[(index=0, taskId=0x…, "
            "error=TaskAlreadyExists(existingTaskHash=0x…))])",
            "+36 of 2 operations: 1 conflict, 1 to travel again",
            "+36 now: final",
            "+36 carried op (conflict), op (landed)",
        ]


async def test_what_was_under_way_when_the_gateway_died_says_so(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = await one(world, world.made.operation())
        again = {"clock": world.clock, "contracts": world.contracts, "node": world.node}
    async with open_world(tmp_path, **again) as world:
        await world.finish()
        assert await told(world, operation.id) == words(
            """
            tasks create_and_respond op, about 0x…: landed
            +0 saved, queued
            +36 sealed as item 0 of batch #, nonce 0 of lane 0x…
            +36 sent as 0x…
            +36 the gateway was started again meanwhile; the same bytes go out again
            +48 mined in block 4; its share 241529 gas, 0.000383108 ether
            +72 done: landed, its own effect is in a final block
            """
        )


async def test_what_is_half_done_on_chain_tells_with_which_half_it_goes_on(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        task = world.made.task()
        create, both = world.made.operation(CREATE, task=task), world.made.operation(task=task)
        await world.add(create)
        await world.finish()
        await world.add(both)
        await world.finish()
        assert (await told(world, both.id)).splitlines()[2] == (
            "+72 found by simulation, before anything was sent: the task is recorded without its response: "
            "respond only; the contract said TaskAlreadyExists(existingTaskHash=0x…). It travels again as respond"
        )

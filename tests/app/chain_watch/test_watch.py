"""Against a real chain: what the watcher saw must be what was put there."""

import asyncio
import time

import pytest

from app.chain_watch.conftest import running, until
from app.chain_watch.relay import relay_to
from app.emitter import REVERT, Emitter, created, failed, responded, task_id
from headrace.app.chain_watch import ChainRewritten, ChainWatch
from headrace.testing.anvil import Anvil


def watch_of(emitter: Emitter, **options: object) -> ChainWatch:
    return ChainWatch(emitter.anvil.http_url, [emitter.address], poll_s=0.01, **options)


@pytest.mark.parametrize("pushed", [False, True], ids=["polled", "pushed"])
async def test_effects_are_seen_with_their_block_transaction_and_time(
    anvil: Anvil, emitter: Emitter, pushed: bool
) -> None:
    async with running(watch_of(emitter, ws_url=anvil.ws_url if pushed else None)) as watch:
        both = await emitter.say(created(1), responded(1), failed(2), created(3))
        before_s = time.monotonic()
        await anvil.mine()
        await until(watch, lambda: task_id(3) in watch.record.tasks)
        after_s = time.monotonic()

    one, two, three = (watch.record.tasks[task_id(n)] for n in (1, 2, 3))
    assert one.created is not None and one.created is one.responded  # one sighting for the whole transaction
    assert one.created.transaction == both
    assert one.created.block_number == await anvil.height()
    assert before_s <= one.created.seen_at_s <= after_s
    assert two.created is None and two.failures[0].reason == b"\xde\xad\xbe\xef" and two.failures[0].index == 2
    assert three.responded is None


async def test_gas_and_fee_are_those_of_the_receipt_and_a_revert_is_paid_for_too(
    anvil: Anvil, emitter: Emitter
) -> None:
    async with running(watch_of(emitter)) as watch:
        good = await emitter.say(created(1))
        bad = await emitter.say(REVERT)
        await anvil.mine()
        await until(watch, lambda: len(watch.record.transactions) == 2)

    for hash_, ok in ((good, True), (bad, False)):
        seen = watch.record.transactions[hash_]
        receipt = await anvil.rpc.ask("eth_getTransactionReceipt", "0x" + hash_.hex())
        assert seen.ok is ok
        assert seen.gas_used == int(receipt["gasUsed"], 16)
        assert seen.fee_wei == seen.gas_used * int(receipt["effectiveGasPrice"], 16)
        assert seen.sender == anvil.keys[0].address


async def test_other_contracts_and_plain_transfers_are_ignored(anvil: Anvil, emitter: Emitter) -> None:
    stranger = ChainWatch(anvil.http_url, [b"\x77" * 20], poll_s=0.01)
    async with running(stranger) as watch:
        await emitter.say(created(1))
        await anvil.mine()
        height = await anvil.height()
        await until(watch, lambda: watch.record.last_block == height)
    assert not watch.record.tasks and not watch.record.transactions


async def test_what_a_reorg_takes_away_is_taken_back_and_comes_again_with_the_new_block(
    anvil: Anvil, emitter: Emitter
) -> None:
    async with running(watch_of(emitter)) as watch:
        await emitter.say(created(1))
        await anvil.mine()
        await emitter.say(responded(1))
        await anvil.mine()
        await until(
            watch, lambda: task_id(1) in watch.record.tasks and watch.record.tasks[task_id(1)].responses == 1
        )

        await anvil.reorg(1)
        await until(watch, lambda: watch.record.tasks[task_id(1)].responses == 0)
        assert watch.record.tasks[task_id(1)].created is not None
        assert (watch.record.blocks_removed, watch.record.events_removed) == (1, 1)

        again = await emitter.say(responded(1))
        await anvil.mine()
        await until(watch, lambda: watch.record.tasks[task_id(1)].responses == 1)
    seen = watch.record.tasks[task_id(1)].responded
    assert seen is not None and seen.transaction == again


async def test_blocks_that_came_while_it_looked_away_are_filled_in(anvil: Anvil, emitter: Emitter) -> None:
    async with running(watch_of(emitter)) as watch:
        await emitter.say(created(1))
        await anvil.mine(150)  # more than one request's worth of blocks
        await emitter.say(created(2))
        await anvil.mine(20)
        height = await anvil.height()
        await until(watch, lambda: watch.record.last_block == height)
    first = watch.record.first_block
    assert first is not None and watch.record.blocks_seen == height - first + 1
    assert (
        watch.record.tasks[task_id(1)].created is not None and watch.record.tasks[task_id(2)].created is not None
    )


async def test_it_can_begin_in_the_past(anvil: Anvil, emitter: Emitter) -> None:
    await emitter.say(created(1))
    await anvil.mine(5)
    async with running(watch_of(emitter, from_block=1)) as watch:
        height = await anvil.height()
        await until(watch, lambda: watch.record.last_block == height)
    assert watch.record.first_block == 1
    assert watch.record.tasks[task_id(1)].created is not None


async def test_a_chain_rolled_back_and_grown_again_is_followed(anvil: Anvil, emitter: Emitter) -> None:
    async with running(watch_of(emitter)) as watch:
        await emitter.say(created(1))
        await anvil.mine(3)
        height = await anvil.height()
        await until(watch, lambda: watch.record.last_block == height)
        await anvil.roll_back(3)
        await anvil.mine()
        await until(watch, lambda: watch.record.last_block == height - 2)
    assert task_id(1) not in watch.record.tasks


async def test_a_reorg_deeper_than_its_memory_is_an_error_not_a_wrong_record(
    anvil: Anvil, emitter: Emitter
) -> None:
    watch = watch_of(emitter, reorg_depth_max=3)
    task = asyncio.create_task(watch.run())
    await watch.started.wait()
    await anvil.mine(8)
    height = await anvil.height()
    await until(watch, lambda: watch.record.last_block == height)
    await anvil.reorg(6)
    with pytest.raises(ExceptionGroup) as raised:
        await task
    assert raised.group_contains(ChainRewritten, match="last 3 blocks")


async def test_a_slow_answer_about_a_block_does_not_make_it_or_the_next_one_seen_late(
    anvil: Anvil, emitter: Emitter
) -> None:
    async with relay_to(anvil.http_url) as relay:
        relay.held["eth_getBlockReceipts"] = asyncio.Event()
        watch = ChainWatch(relay.url, [emitter.address], poll_s=0.01, from_block=await anvil.height() + 1)
        async with running(watch):
            for n in (1, 2):
                await emitter.say(created(n))
                await anvil.mine()
                polls = relay.asked["eth_getBlockByNumber"]
                while relay.asked["eth_getBlockByNumber"] < polls + 3:
                    await anvil.height()
            released_s = time.monotonic()
            relay.held["eth_getBlockReceipts"].set()
            await until(watch, lambda: task_id(2) in watch.record.tasks)
    for n in (1, 2):
        seen = watch.record.tasks[task_id(n)].created
        assert seen is not None and seen.seen_at_s < released_s


async def test_a_node_without_block_receipts_is_read_by_logs_and_single_receipts(
    anvil: Anvil, emitter: Emitter
) -> None:
    async with relay_to(anvil.http_url) as relay:
        relay.unknown.add("eth_getBlockReceipts")
        async with running(ChainWatch(relay.url, [emitter.address], poll_s=0.01)) as watch:
            for n in (1, 2):
                await emitter.say(created(n), responded(n))
                await anvil.mine()
                await until(watch, lambda n=n: task_id(n) in watch.record.tasks)
    assert all(seen.responses == 1 for seen in watch.record.tasks.values())
    assert all(seen.gas_used > 21_000 for seen in watch.record.transactions.values())
    assert relay.asked["eth_getBlockReceipts"] == 1  # not asked again once it said no


async def test_a_node_that_announces_a_block_before_it_has_its_receipts_is_asked_again(
    anvil: Anvil, emitter: Emitter
) -> None:
    async with relay_to(anvil.http_url) as relay:
        relay.empty["eth_getBlockReceipts"] = 2
        watch = ChainWatch(relay.url, [emitter.address], poll_s=0.01, from_block=await anvil.height() + 1)
        async with running(watch):
            await emitter.say(created(1))
            await anvil.mine()
            await until(watch, lambda: task_id(1) in watch.record.tasks)


async def test_a_subscription_that_breaks_again_and_again_loses_no_block(anvil: Anvil, emitter: Emitter) -> None:
    async with relay_to(anvil.http_url) as relay:
        ws_url = relay.url.replace("http", "ws")
        async with running(ChainWatch(relay.url, [emitter.address], ws_url=ws_url)) as watch:
            for n in (1, 2, 3):
                await emitter.say(created(n))
                await anvil.mine(2)
                await until(watch, lambda n=n: task_id(n) in watch.record.tasks)
    assert relay.asked["eth_subscribe"] >= 3
    first, last = watch.record.first_block, watch.record.last_block
    assert first is not None and last is not None and watch.record.blocks_seen == last - first + 1


async def test_blocks_without_transactions_cost_no_request(anvil: Anvil, emitter: Emitter) -> None:
    async with relay_to(anvil.http_url) as relay:
        watch = ChainWatch(relay.url, [emitter.address], poll_s=0.01, from_block=await anvil.height() + 1)
        async with running(watch):
            await anvil.mine(3)
            height = await anvil.height()
            await until(watch, lambda: watch.record.last_block == height)
    assert relay.asked["eth_getBlockReceipts"] == 0


async def test_a_node_that_cannot_be_reached_is_named_as_trouble_and_waited_for(emitter: Emitter) -> None:
    nowhere = ChainWatch("http://127.0.0.1:1", [emitter.address], poll_s=0.01)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await nowhere.run()
    assert nowhere.trouble is not None and "eth_getBlockByNumber" in nowhere.trouble
    assert not nowhere.started.is_set()

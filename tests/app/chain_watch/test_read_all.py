from app.chain_watch.conftest import running, until
from app.emitter import Emitter, created, failed, responded, task_id
from headrace.app.chain_watch import ChainWatch, read_all
from headrace.testing.anvil import Anvil


async def test_the_independent_read_agrees_with_what_was_watched(anvil: Anvil, emitter: Emitter) -> None:
    start = await anvil.height() + 1
    async with running(ChainWatch(anvil.http_url, [emitter.address], poll_s=0.01, from_block=start)) as watch:
        for n in range(0, 30, 3):
            await emitter.say(created(n), responded(n), created(n + 1), failed(n + 2))
            await anvil.mine(2)
        await until(watch, lambda: len(watch.record.tasks) == 30)
        read = await read_all(anvil.http_url, [emitter.address], start)

    assert read.tasks.keys() == watch.record.tasks.keys()
    assert read.transactions.keys() == watch.record.transactions.keys()
    for id_, seen in watch.record.tasks.items():
        other = read.tasks[id_]
        assert (other.creations, other.responses, len(other.failures)) == (
            seen.creations,
            seen.responses,
            len(seen.failures),
        )
        assert (other.created and other.created.block_hash) == (seen.created and seen.created.block_hash)
    for hash_, transaction in watch.record.transactions.items():
        assert read.transactions[hash_].gas_used == transaction.gas_used
        assert read.transactions[hash_].fee_wei == transaction.fee_wei


async def test_only_the_asked_range_is_read(anvil: Anvil, emitter: Emitter) -> None:
    await emitter.say(created(1))
    await anvil.mine()
    height = await anvil.height()
    await emitter.say(created(2))
    await anvil.mine()
    read = await read_all(anvil.http_url, [emitter.address], height, height)
    assert set(read.tasks) == {task_id(1)}
    assert (read.first_block, read.last_block, read.blocks_seen) == (height, height, 1)

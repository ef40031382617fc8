from eth_utils.crypto import keccak

from app.chain_watch.conftest import running, until
from app.real_contracts import deploy_real_contracts
from headrace.app.chain_watch import ChainWatch, read_all
from headrace.testing.anvil import Anvil

INVALID_SIGNATURE = keccak(text="InvalidBLSSignature()")[:4]


async def test_what_the_real_contracts_say_is_understood(anvil: Anvil) -> None:
    contracts = await deploy_real_contracts(anvil)
    addresses = [contracts.task_manager, contracts.batch_task_manager]
    ids = [keccak(text=f"task {n}") for n in range(5)]
    start = await anvil.height()
    async with running(ChainWatch(anvil.http_url, addresses, poll_s=0.01)) as watch:
        hash_ = await contracts.record(ids, badly_signed=frozenset({ids[2]}))
        await anvil.mine()
        again = await contracts.record([ids[0]])
        await anvil.mine()
        await until(watch, lambda: again in watch.record.transactions)
        read = await read_all(anvil.http_url, addresses, start)

    for record in (watch.record, read):
        for n, id_ in enumerate(ids):
            seen = record.tasks[id_]
            assert (seen.creations, seen.responses) == ((0, 0) if n == 2 else (1, 1))
        assert [failure.reason for failure in record.tasks[ids[2]].failures] == [INVALID_SIGNATURE]
        assert record.tasks[ids[2]].failures[0].index == 2
        # TaskAlreadyExists: an item that fails because its task is there does not undo what is there.
        assert record.tasks[ids[0]].failures[0].reason[:4].hex() == "2e98c533"
        assert record.transactions[hash_].tasks == 4 and record.transactions[hash_].failed_items == 1

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from headrace.core.words import Nonce, TxHash
from headrace.testing.anvil import AnvilFailed, AnvilMissing, find_anvil, start_anvil
from headrace.testing.rpc_client import RpcRefused
from testing.signing import GWEI, hexed, signed


async def test_it_runs_a_chain_as_asked_and_ends_it() -> None:
    async with start_anvil(chain_id=4242, gas_limit=42_000_000, accounts=3) as chain:
        pid = chain.pid
        assert psutil.Process(pid).name() == "anvil"  # the binary itself, not a wrapper
        assert await chain.rpc.ask("eth_chainId") == hex(4242)
        info = await chain.rpc.ask("anvil_nodeInfo")
        assert info["hardFork"] == "Osaka"
        assert info["environment"]["gasLimit"] == hex(42_000_000)
        addresses = [hexed(key.address) for key in chain.keys]
        assert await chain.rpc.ask("eth_accounts") == addresses
        for address in addresses:
            assert int(await chain.rpc.ask("eth_getBalance", address, "latest"), 16) == 10_000 * 10**18
    assert not psutil.pid_exists(pid)


async def test_two_chains_run_side_by_side() -> None:
    async with start_anvil() as one, start_anvil() as two:
        assert one.http_url != two.http_url
        await one.mine(3)
        assert (await one.height(), await two.height()) == (3, 0)


async def test_without_block_time_blocks_come_only_when_mined() -> None:
    async with start_anvil() as chain:
        raw = signed(chain.keys[0], 0)
        await chain.rpc.ask("eth_sendRawTransaction", hexed(raw))
        assert (await chain.height(), await chain.pool_size()) == (0, 1)
        await chain.mine()
        assert (await chain.height(), await chain.pool_size()) == (1, 0)


async def test_block_time_zero_is_a_block_per_transaction_and_pauses_and_resumes() -> None:
    async with start_anvil(block_time_s=0) as chain:
        await chain.rpc.ask("eth_sendRawTransaction", hexed(signed(chain.keys[0], 0)))
        await wait_for_height(chain.rpc.ask, 1)
        await chain.pause()
        await chain.rpc.ask("eth_sendRawTransaction", hexed(signed(chain.keys[0], 1)))
        assert await chain.pool_size() == 1
        await chain.resume()
        await chain.rpc.ask("eth_sendRawTransaction", hexed(signed(chain.keys[0], 2)))
        await wait_for_height(chain.rpc.ask, 2)


async def test_a_block_time_makes_blocks_by_itself_until_paused() -> None:
    async with start_anvil(block_time_s=0.25) as chain:
        await wait_for_height(chain.rpc.ask, 2)
        await chain.pause()
        with pytest.raises(ValueError, match="whole seconds"):
            await chain.resume()
        await chain.resume(block_time_s=1)
        height = await chain.height()
        await wait_for_height(chain.rpc.ask, height + 1)


async def test_a_reorg_replaces_blocks_and_forgets_their_transactions() -> None:
    async with start_anvil() as chain:
        lost, kept = signed(chain.keys[0], 0), signed(chain.keys[1], 0)
        await chain.mine()
        lost_hash = await chain.rpc.ask("eth_sendRawTransaction", hexed(lost))
        await chain.mine(2)
        before = await chain.rpc.ask("eth_getBlockByNumber", hex(2), False)
        assert before["transactions"] == [lost_hash]
        await chain.reorg(2, [(kept, 0)])
        after = await chain.rpc.ask("eth_getBlockByNumber", hex(2), False)
        assert after["hash"] != before["hash"]
        assert len(after["transactions"]) == 1
        assert await chain.height() == 3
        assert await chain.rpc.ask("eth_getTransactionByHash", lost_hash) is None
        assert await chain.pool_size() == 0
        await chain.roll_back(1)
        assert await chain.height() == 2
        with pytest.raises(RpcRefused, match="depth"):
            await chain.reorg(99)


async def test_a_dropped_transaction_is_gone() -> None:
    async with start_anvil() as chain:
        answer = await chain.rpc.ask("eth_sendRawTransaction", hexed(signed(chain.keys[0], 0)))
        transaction = TxHash(bytes.fromhex(answer[2:]))
        assert await chain.drop(transaction)
        assert not await chain.drop(transaction)
        await chain.rpc.ask("eth_sendRawTransaction", hexed(signed(chain.keys[0], 0)))
        await chain.drop_all()
        assert await chain.pool_size() == 0


async def test_base_fee_balance_nonce_time_and_gas_limit_can_be_set() -> None:
    async with start_anvil() as chain:
        stranger = b"\x77" * 20
        await chain.set_next_base_fee(77 * GWEI)
        await chain.set_balance(stranger, 5)
        await chain.set_nonce(stranger, Nonce(9))
        await chain.set_next_timestamp(2_000_000_000)
        await chain.mine()
        await chain.set_block_gas_limit(99_000_000)
        head = await chain.rpc.ask("eth_getBlockByNumber", "latest", False)
        assert int(head["baseFeePerGas"], 16) == 77 * GWEI
        assert int(head["timestamp"], 16) == 2_000_000_000
        assert await chain.rpc.ask("eth_getBalance", hexed(stranger), "latest") == "0x5"
        assert await chain.rpc.ask("eth_getTransactionCount", hexed(stranger), "latest") == "0x9"
        await chain.mine()
        head = await chain.rpc.ask("eth_getBlockByNumber", "latest", False)
        assert int(head["gasLimit"], 16) == 99_000_000


async def test_a_batch_is_answered_in_the_order_it_was_asked() -> None:
    async with start_anvil() as chain:
        answers = await chain.rpc.ask_all([("eth_chainId", ()), ("eth_blockNumber", ())])
        assert answers == ["0x7a69", "0x0"]


async def test_a_missing_binary_is_an_error_that_names_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANVIL", "/nowhere/anvil")
    with pytest.raises(AnvilMissing, match="npm ci"):
        find_anvil()


async def test_what_anvil_refuses_is_told_in_its_last_words() -> None:
    with pytest.raises(AnvilFailed, match="wishful"):
        async with start_anvil(hardfork="wishful"):
            pass


async def test_its_log_is_kept_where_asked(tmp_path: Path) -> None:
    async with start_anvil(log=tmp_path / "anvil.log") as chain:
        await chain.rpc.ask("eth_chainId")
    assert "eth_chainId" in (tmp_path / "anvil.log").read_text()


async def test_the_chain_does_not_outlive_a_killed_owner() -> None:
    owner = textwrap.dedent("""
        import asyncio
        from headrace.testing.anvil import start_anvil

        async def main():
            async with start_anvil() as chain:
                print(chain.pid, flush=True)
                await asyncio.Event().wait()

        asyncio.run(main())
    """)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", owner, stdout=subprocess.PIPE)
    assert process.stdout is not None
    chain = psutil.Process(int(await process.stdout.readline()))
    process.kill()
    await process.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, [chain], timeout=10)
    assert not alive, f"anvil {chain.pid} lives on"


async def wait_for_height(ask, height: int) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(10):
        while int(await ask("eth_blockNumber"), 16) < height:  # noqa: ASYNC110 - a chain gives no event here
            await asyncio.sleep(0.02)

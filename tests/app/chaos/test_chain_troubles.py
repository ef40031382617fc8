"""Troubles of a real chain."""

import asyncio
import io
import json
from collections.abc import AsyncIterator

import pytest

from headrace.app.chaos.chain_troubles import DROPPED, ChainTroubles
from headrace.app.chaos.heads import HeadView, check_links
from headrace.testing.anvil import Anvil, AnvilFailed, start_anvil
from testing.signing import GWEI, hexed, signed

CONFIRMATIONS = 6


@pytest.fixture
async def chain() -> AsyncIterator[Anvil]:
    async with start_anvil(block_time_s=1, accounts=1) as chain:
        await chain.mine(30)
        yield chain


async def no_others(raw: bytes) -> list[bytes]:
    return []


async def test_a_block_that_had_its_confirmations_is_never_replaced_and_every_kind_is_written_down(
    chain: Anvil,
) -> None:
    heads, log = HeadView(chain.rpc), io.StringIO()
    await heads.look()
    troubles = ChainTroubles(
        chain, heads, no_others, block_time_s=1, confirmations=CONFIRMATIONS, seconds=1, seed=3, log=log
    )
    looking = asyncio.create_task(heads.run())
    running = asyncio.create_task(troubles.run())
    final: dict[int, str] = {}
    async with asyncio.timeout(60):
        nonce = 0
        while (
            sum(1 for line in log.getvalue().splitlines() if "reorg" in line) < 5 or not troubles.counts[DROPPED]
        ):
            await chain.rpc.ask(
                "eth_sendRawTransaction", hexed(signed(chain.keys[0], nonce, maxFeePerGas=500 * GWEI))
            )
            nonce = int(
                await chain.rpc.ask("eth_getTransactionCount", hexed(chain.keys[0].address), "pending"), 16
            )
            number = heads.highest - CONFIRMATIONS + 1
            block = await chain.rpc.ask("eth_getBlockByNumber", hex(number), False)
            if block is not None:  # a rollback may be under way
                assert final.setdefault(number, block["hash"]) == block["hash"]
    running.cancel()
    looking.cancel()
    await asyncio.gather(running, looking, return_exceptions=True)
    for number, hash_ in final.items():
        assert (await chain.rpc.ask("eth_getBlockByNumber", hex(number), False))["hash"] == hash_
    await check_links(chain, 0)
    written = [json.loads(line)["trouble"] for line in log.getvalue().splitlines()]
    assert all(written.count(kind) == count for kind, count in troubles.counts.items())
    assert len(final) > 3


async def test_a_chain_whose_blocks_do_not_fit_is_said_to_be_broken() -> None:
    class Broken:
        async def height(self) -> int:
            return 2

        class rpc:  # noqa: N801 - stands where the client stands
            @staticmethod
            async def ask_all(calls: object) -> list[object]:
                return [
                    {"number": "0x1", "hash": "0xaa", "parentHash": "0x00"},
                    {"number": "0x2", "hash": "0xbb", "parentHash": "0xcc"},
                ]

    with pytest.raises(AnvilFailed, match="broken below block 2"):
        await check_links(Broken(), 1)  # type: ignore[arg-type]

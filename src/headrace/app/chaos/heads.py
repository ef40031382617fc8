"""Where the chain is, asked of the chain itself: for those who must know at once how far back they may go."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from headrace.testing.anvil import Anvil, AnvilFailed
from headrace.testing.rpc_client import RpcClient

LOOK_EVERY_S: Final = 0.05


class HeadView:
    """`height`: of the newest block. `highest`: the highest there ever was; a rollback does not lower it."""

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc
        self.height = self.highest = 0

    async def look(self) -> int:
        self.height = int(await self._rpc.ask("eth_blockNumber"), 16)
        self.highest = max(self.highest, self.height)
        return self.height

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):  # a busy machine; the next look tells
                await self.look()
            await asyncio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def follow_heads(rpc: RpcClient) -> AsyncIterator[HeadView]:
    view = HeadView(rpc)
    await view.look()
    looking = asyncio.create_task(view.run(), name="heads")
    try:
        yield view
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def check_links(chain: Anvil, from_block: int) -> None:
    """Each block must name the one below it as its parent. Raises AnvilFailed: else nothing can be judged."""
    head = await chain.height()
    numbers = range(from_block, head + 1)
    blocks = await chain.rpc.ask_all([("eth_getBlockByNumber", (hex(number), False)) for number in numbers])
    for below, above in itertools.pairwise(blocks):
        if below is None or above is None or above["parentHash"] != below["hash"]:
            where = "between two blocks" if above is None else f"below block {int(above['number'], 16)}"
            raise AnvilFailed(f"anvil's chain is broken {where}: parent and child do not fit; run again")

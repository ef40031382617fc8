"""Where the chain is, asked of the chain itself: for those who must know at once how far back they may go."""

import asyncio
import contextlib
from typing import Final

import aiohttp

from headrace.testing.anvil import Anvil

LOOK_EVERY_S: Final = 0.05


class HeadView:
    """`height`: of the newest block. `highest`: the highest there ever was; a rollback does not lower it."""

    def __init__(self, chain: Anvil) -> None:
        self._chain = chain
        self.height = self.highest = 0

    async def look(self) -> int:
        self.height = await self._chain.height()
        self.highest = max(self.highest, self.height)
        return self.height

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):  # a busy machine; the next look tells
                await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

"""How a process hears of new heads: as they come, or late, or not at all, or old ones once more."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from headrace.core.words import Block
from headrace.testing.fake_chain import FakeChain


class HeadLine:
    """`deaf_for`: so many announcements are lost."""

    def __init__(self, chain: FakeChain) -> None:
        self._chain = chain
        self._waiting: deque[Block] = deque(maxlen=64)
        self._news = asyncio.Event()
        self.deaf_for = 0
        chain.listen(self._heard)

    def echo(self, head: Block) -> None:
        """A second node announces what it has only now."""
        self._waiting.append(head)
        self._news.set()

    async def follow(self) -> AsyncIterator[Block]:
        """For one process: begins with the present head."""
        self._waiting.clear()
        self._waiting.append(self._chain.head)
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            self._news.clear()
            await self._news.wait()

    def _heard(self, head: Block) -> None:
        if self.deaf_for > 0:
            self.deaf_for -= 1
            return
        self.echo(head)

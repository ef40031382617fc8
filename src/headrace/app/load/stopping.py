"""What a person asks of a run before its time.

Promises  once asked, it stays asked; the first word leaves nothing half done, the second one waits for nothing.
"""

import asyncio


class Stop:
    """`no_more`: make no further requests; those under way are answered, and followed to the chain.
    `now`: wait for nothing any more, report what was seen. Belongs to the loop it is awaited in."""

    def __init__(self) -> None:
        self.no_more = asyncio.Event()
        self.now = asyncio.Event()

    def ask(self) -> None:
        """The first time `no_more`, from the second time on `now`, too."""
        if self.no_more.is_set():
            self.now.set()
        self.no_more.set()

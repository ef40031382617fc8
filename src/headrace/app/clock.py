"""The real clock. Everything else is handed one."""

import asyncio
import time


class SystemClock:
    """Implements core.ports.Clock. `now` is wall time in unix seconds and never runs backwards in a process."""

    def __init__(self) -> None:
        self._started_at = time.time() - time.monotonic()

    def now(self) -> float:
        return self._started_at + time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

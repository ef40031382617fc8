"""A clock that stands still until a test moves it.

Owns      `now` and everybody who sleeps.
Promises  sleepers wake in the order of their wake times, those of one moment in the order they went to sleep;
          while `run` passes time, each sees `now` as its own wake time.
Leaves    what the woken do to them; work in threads or on sockets is waited for only where `busy` tells of it
          (see `testing.outside`).
"""

import asyncio
import heapq
import math
from collections.abc import Callable
from typing import Final

START: Final = 1_700_000_000.0  # unix seconds; any fixed moment would do
_YIELDS_MAX: Final = 10_000
_BUSY_S: Final = 30.0  # real seconds


def _never() -> bool:
    return False


class HandClock:
    """Implements core.ports.Clock. `busy` says whether work outside the loop is under way; while it is, `run`
    does not move time."""

    def __init__(self, start: float = START, *, busy: Callable[[], bool] = _never) -> None:
        self._now = start
        self._busy = busy
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._slept = 0

    def now(self) -> float:
        """Unix seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Returns when the clock has been moved `seconds` ahead. Zero and less only let others run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._slept += 1
        heapq.heappush(self._sleepers, (self._now + seconds, self._slept, woken))
        await woken

    @property
    def sleeping(self) -> int:
        """How many wait for the clock."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    @property
    def next_wake(self) -> float | None:
        """When the next sleeper wakes, in unix seconds. None: nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():  # cancelled while asleep
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def advance(self, seconds: float) -> None:
        """Time jumps. All who are due wake when the loop next runs, and see the new `now`."""
        assert seconds >= 0, f"time does not go back: {seconds}"
        self._now += seconds
        self._wake_due()

    async def run(self, seconds: float) -> None:
        """Time passes: each sleeper wakes at its own time and runs up to its next wait, also those who fall
        asleep and wake again on the way."""
        await self.run_until(lambda: False, at_most_s=seconds)

    async def run_until(self, reached: Callable[[], bool], *, at_most_s: float) -> bool:
        """Passes time until `reached()` holds, and says whether it did. It is asked whenever all are at rest."""
        end = self._now + at_most_s
        await settle(self._busy)
        while not reached():
            wake = self.next_wake
            if wake is None or wake > end:
                self._now = max(self._now, end) if math.isfinite(end) else self._now
                return reached()
            self._now = max(self._now, wake)
            self._wake_due()
            await settle(self._busy)
        return True

    def _wake_due(self) -> None:
        while (wake := self.next_wake) is not None and wake <= self._now:
            heapq.heappop(self._sleepers)[2].set_result(None)


async def settle(busy: Callable[[], bool] = _never) -> None:
    """Lets every task of this loop run up to its next wait, and waits (in real time) for work outside that `busy`
    tells of.

    Raises RuntimeError if they never come to rest: two tasks that only yield to each other, or work outside that
    takes over 30 s."""
    loop = asyncio.get_running_loop()
    # The loop's own queue is the only way to know; loops that hide it (uvloop) get a fixed number of turns.
    ready = getattr(loop, "_ready", None)
    turns, give_up = 0, loop.time() + _BUSY_S
    while True:
        await asyncio.sleep(0)
        if ready or (ready is None and turns < 100):
            turns += 1
            if turns > _YIELDS_MAX:
                raise RuntimeError(f"the tasks of this loop did not come to rest in {_YIELDS_MAX} turns")
        elif not busy():
            return
        elif loop.time() > give_up:
            raise RuntimeError(f"work outside the loop is still under way after {_BUSY_S:.0f} s")
        else:
            turns = 0
            await asyncio.sleep(0.0002)  # let the loop look at its threads and sockets

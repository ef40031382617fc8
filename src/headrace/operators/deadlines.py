"""Wakes many at their deadlines, with one timer for all of them.

Owns      the deadlines that are waited for, and the one who sleeps until the earliest.
Promises  nobody is woken before its time or after it let go; when nobody waits, no timer and no task is left.
Leaves    what the woken do to them; they are woken on the loop and must not raise.

A request has two deadlines, its caller's and its quorum's. With a timer and a task of the loop for each of them,
setting and stopping those took a tenth of what the gateway does for a request.
"""

import asyncio
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

from headrace.core.ports import Clock

_LET_GO_MAX: Final = 64  # and as many as there are alive: then the heap is rid of them


class Deadline:
    """One who waits. `let_go` may be called more than once, also after the time."""

    __slots__ = ("_owner", "_wake")

    def __init__(self, owner: "Deadlines", wake: Callable[[], None]) -> None:
        self._owner = owner
        self._wake: Callable[[], None] | None = wake

    def let_go(self) -> None:
        if self._wake is not None:
            self._wake = None
            self._owner._one_less()

    @property
    def waits(self) -> bool:
        return self._wake is not None

    def _reached(self) -> None:
        wake = self._wake
        self.let_go()
        if wake is not None:
            wake()


class Deadlines:
    """Used from one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Deadline]] = []
        self._order = count()
        self._alive = 0
        self._sleeper: asyncio.Task[None] | None = None
        self._sleeps_until = 0.0

    def __len__(self) -> int:
        """How many wait."""
        return self._alive

    def at(self, when: float, wake: Callable[[], None]) -> Deadline:
        """`when` in unix seconds. `wake` is never called before this has returned."""
        deadline = Deadline(self, wake)
        heappush(self._heap, (when, next(self._order), deadline))
        self._alive += 1
        if self._sleeper is None or when < self._sleeps_until:
            self._stop()
            self._sleeps_until = when
            self._sleeper = asyncio.create_task(self._wake_due(), name="deadlines")
        return deadline

    async def _wake_due(self) -> None:
        while self._heap and self._sleeper is asyncio.current_task():  # else another has taken over
            when, _, deadline = self._heap[0]
            if not deadline.waits:
                heappop(self._heap)
                continue
            self._sleeps_until = when
            await self._clock.sleep(max(0.0, when - self._clock.now()))
            now = self._clock.now()
            while self._heap and self._heap[0][0] <= now:
                heappop(self._heap)[2]._reached()

    def _one_less(self) -> None:
        self._alive -= 1
        if self._alive == 0:
            self._heap.clear()
            self._stop()
        elif len(self._heap) > 2 * self._alive + _LET_GO_MAX:
            self._heap = [entry for entry in self._heap if entry[2].waits]
            heapify(self._heap)

    def _stop(self) -> None:
        sleeper, self._sleeper = self._sleeper, None
        # Whoever is woken may let go or wait again from within the sleeper itself, which then finds out and ends.
        if sleeper is not None and sleeper is not asyncio.current_task():
            sleeper.cancel()

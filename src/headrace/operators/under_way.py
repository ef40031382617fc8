"""Evaluations under way: each runs once, however many wait for it.

Owns      the tasks of the loop that carry them out, and the count of those who wait for each.
Promises  one run for an operation at a time; who waits no longer is let go at once; where nobody waits and nobody
          was told yes, it is given up, but never while its answer is being saved.
Leaves    what an evaluation does to the desk.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from headrace.core.ports import Clock
from headrace.core.words import OperationId
from headrace.operators.deadlines import Deadlines

log = logging.getLogger(__name__)

Outcome = TypeVar("Outcome")
Work = Coroutine[object, object, Outcome]


@dataclass(slots=True, eq=False)
class Running(Generic[Outcome]):
    """`waiting`: so many callers."""

    operation: OperationId
    work: asyncio.Task[Outcome]
    waiting: int = 0


class UnderWay(Generic[Outcome]):
    """Used from one event loop. `close` it in the end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deadlines = Deadlines(clock)
        self._running: dict[OperationId, Running[Outcome]] = {}
        self._saving: set[OperationId] = set()

    def __len__(self) -> int:
        return len(self._running)

    @property
    def being_saved(self) -> int:
        """How many answers."""
        return len(self._saving)

    def __contains__(self, operation: OperationId) -> bool:
        return operation in self._running

    def join(self, operation: OperationId, start: Callable[[], Work[Outcome]]) -> Running[Outcome]:
        """The one that runs, or else one that starts now."""
        known = self._running.get(operation)
        if known is not None and not known.work.done():
            return known
        return self.start(operation, start())

    def start(self, operation: OperationId, work: Work[Outcome]) -> Running[Outcome]:
        """In the place of whichever ran."""
        running = Running(operation, asyncio.create_task(work, name=f"evaluation {operation}"))
        self._running[operation] = running
        running.work.add_done_callback(lambda _: self._ended(running))
        return running

    async def wait(self, running: Running[Outcome], timeout_s: float, *, keep: bool) -> Outcome | None:
        """None: not within this time, or it was given up. Whoever is last gives it up, unless `keep`. Raises what
        the evaluation raises."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake(_: object = None) -> None:
            if not woken.done():
                woken.set_result(None)

        running.waiting += 1
        running.work.add_done_callback(wake)
        deadline = self._deadlines.at(self._clock.now() + timeout_s, wake)
        try:
            await woken
            if running.work.done() and not running.work.cancelled():
                return running.work.result()
            return None
        finally:
            deadline.let_go()
            running.work.remove_done_callback(wake)
            running.waiting -= 1
            if running.waiting == 0 and not keep:
                self._give_up(running)

    @contextmanager
    def saving(self, operation: OperationId) -> Iterator[None]:
        """Meanwhile it is not given up: the commit may be through, and then the engine must hear of it."""
        self._saving.add(operation)
        try:
            yield
        finally:
            self._saving.discard(operation)

    async def close(self) -> None:
        """Gives up all that runs."""
        works = [running.work for running in self._running.values()]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    def _give_up(self, running: Running[Outcome]) -> None:
        # Its slot is free at once, not only when the task of the loop has ended.
        if self._running.get(running.operation) is running and running.operation not in self._saving:
            del self._running[running.operation]
            running.work.cancel()

    def _ended(self, running: Running[Outcome]) -> None:
        if self._running.get(running.operation) is running:
            del self._running[running.operation]
        if not running.work.cancelled() and (error := running.work.exception()) is not None:
            log.error("evaluation %s failed: %s", running.operation, error)

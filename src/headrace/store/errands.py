"""One thread that works off errands for the event loop, in the order they came.

Owns      a bounded queue, and the way back of results to whoever awaits them.
Promises  what was accepted is worked off, also when closing; a full queue says so at once.
Leaves    what an errand is and what happens around it to `work_off` (see `store.writer`, `store.reader`).
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace.core.errors import TryLater

# Of an errand whose work is done for it alone.
ALONE: Final = object()


@dataclass(slots=True, eq=False)
class Errand:
    """A function for the thread, and how it went: a result or an error, once it is decided. With an `item` the
    function is for many items at once."""

    work: Callable[..., Any]
    future: asyncio.Future[Any]
    item: Any = ALONE
    result: Any = None
    error: BaseException | None = None
    decided: bool = False

    def succeed(self, result: Any) -> None:
        self.result, self.error, self.decided = result, None, True

    def fail(self, error: BaseException) -> None:
        self.result, self.error, self.decided = None, error, True


class ErrandThread:
    """`work_off` gets errands, at most `together_max` of those that wait, and decides each of them."""

    def __init__(
        self,
        name: str,
        work_off: Callable[[Sequence[Errand]], None],
        *,
        errands_waiting_max: int,
        together_max: int,
        at_end: Callable[[], None],
    ) -> None:
        self._name = name
        self._work_off = work_off
        self._errands_waiting_max = errands_waiting_max
        self._together_max = together_max
        self._at_end = at_end
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Errand] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[..., Any], *, refusable: bool, item: Any = ALONE) -> Any:
        """Raises TryLater if the queue is closing, or full and the work `refusable` (somebody outside asks for it:
        what the gateway's own loops ask for is bounded by their number). Else whatever `work` raises."""
        future: asyncio.Future[Any] = self._loop.create_future()
        with self._changed:
            if self._closing:
                raise TryLater(f"the {self._name} is closing")
            if refusable and len(self._waiting) >= self._errands_waiting_max:
                raise TryLater(f"the {self._name} has {len(self._waiting)} errands waiting, which is its limit")
            self._waiting.append(Errand(work, future, item))
            self._changed.notify()
        return await future

    async def close(self) -> None:
        """Returns when everything that was accepted is worked off."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        try:
            await asyncio.to_thread(self._thread.join)
        finally:
            self._thread.join()  # cancelled meanwhile: what comes after us (the file lock) must still wait

    def _run(self) -> None:
        try:
            while errands := self._take():
                self._work_off_all(errands)
                self._answer(errands)
        finally:
            self._at_end()

    def _take(self) -> list[Errand]:
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            count = min(len(self._waiting), self._together_max)
            return [self._waiting.popleft() for _ in range(count)]

    def _work_off_all(self, errands: Sequence[Errand]) -> None:
        try:
            self._work_off(errands)
        except BaseException as error:
            # Our own machinery failed. The thread goes on, and everyone who waits hears it.
            for errand in errands:
                errand.fail(error)

    def _answer(self, errands: Sequence[Errand]) -> None:
        # A closed loop means that nobody is left to be told; what was saved is saved.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_answer_each, errands)


def _answer_each(errands: Sequence[Errand]) -> None:
    for errand in errands:
        assert errand.decided, errand
        if errand.future.done():
            continue  # its caller was cancelled
        if errand.error is not None:
            errand.future.set_exception(errand.error)
        else:
            errand.future.set_result(errand.result)

"""The real SQLite store, worked off in the simulation's own thread, so that every run of a seed is the same.

Owns      the stand-in for `store.errands.ErrandThread`, and the opening of a store on it.
Promises  the same SQL, the same commits, the same grouping of errands into one commit; only the thread is gone.
          What a process had committed when it died is in the file, and nothing else.
Leaves    writing to the disk to the kernel: a killed process loses nothing that it has given away.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from headrace.core.ports import Clock
from headrace.store import reader as reader_module
from headrace.store import writer as writer_module
from headrace.store.connection import connect
from headrace.store.errands import ALONE, Errand
from headrace.store.migrating import load_migrations, migrate
from headrace.store.reader import ReadThread
from headrace.store.sqlite import SqliteStore
from headrace.store.writer import Writer

Door = Callable[[str], None]


class _InTurn:
    """Implements what Writer and ReadThread need of an ErrandThread. Errands that come in one turn of the loop are
    worked off together in the next. `door` is passed before an errand is taken and after it is answered."""

    def __init__(self, work_off: Callable[[Sequence[Errand]], None], *, together_max: int, door: Door) -> None:
        self._work_off, self._together_max, self._door = work_off, together_max, door
        self._waiting: deque[Errand] = deque()

    async def run(self, work: Callable[..., Any], *, refusable: bool, item: Any = ALONE) -> Any:
        self._door("before")
        loop = asyncio.get_running_loop()
        errand = Errand(work, loop.create_future(), item)
        self._waiting.append(errand)
        loop.call_soon(self._turn)
        answer = await errand.future
        self._door("after")
        return answer

    def _turn(self) -> None:
        count = min(len(self._waiting), self._together_max)
        errands = [self._waiting.popleft() for _ in range(count)]
        if not errands:
            return
        self._work_off(errands)
        for errand in errands:
            assert errand.decided, errand
            if errand.future.done():
                continue  # its caller was cancelled
            if errand.error is not None:
                errand.future.set_exception(errand.error)
            else:
                errand.future.set_result(errand.result)

    def forget(self) -> None:
        """What was not begun is lost."""
        self._waiting.clear()


@contextmanager
def opened(path: Path, *, clock: Clock, save_door: Door, read_door: Door) -> Iterator[SqliteStore]:
    """`save_door` hears "before" and "after" each write, `read_door` the same for each read."""
    turns: list[_InTurn] = []

    def in_turn(door: Door) -> Callable[..., _InTurn]:
        def make(
            name: str, work_off: Callable[[Sequence[Errand]], None], *, together_max: int, **_: Any
        ) -> _InTurn:
            turns.append(_InTurn(work_off, together_max=together_max, door=door))
            return turns[-1]

        return make

    db = connect(path)
    db.execute("PRAGMA synchronous = OFF")
    migrate(db, path, now=clock.now(), migrations=load_migrations())
    reading = connect(path, read_only=True)
    try:
        with mock.patch.object(writer_module, "ErrandThread", in_turn(save_door)):
            writer = Writer(db, path, errands_waiting_max=10_000)
        with mock.patch.object(reader_module, "ErrandThread", in_turn(read_door)):
            reader = ReadThread(reading, path, errands_waiting_max=10_000)
        yield SqliteStore(writer, reader, clock)
    finally:
        for turn in turns:
            turn.forget()
        reading.close()
        db.close()

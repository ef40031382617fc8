"""All reading for people and for restarts: a thread and a read-only connection of its own.

It sees what was committed, never what is being written, and never waits for a commit.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from headrace.store.connection import concerns_the_file, trouble_at_work
from headrace.store.errands import Errand, ErrandThread

Result = TypeVar("Result")


class ReadThread:
    """Owns `db` from now on, and closes it at its end. Construct it inside a running event loop."""

    def __init__(self, db: sqlite3.Connection, path: Path, *, errands_waiting_max: int) -> None:
        self._db = db
        self._path = path
        self._errands = ErrandThread(
            "store's reader",
            self._read,
            errands_waiting_max=errands_waiting_max,
            together_max=1,
            at_end=db.close,
        )

    async def run(self, work: Callable[[sqlite3.Connection], Result], *, refusable: bool = False) -> Result:
        """Its result, all of it from one moment. Raises TryLater, NeedsOperator, or what `work` raises."""
        result: Result = await self._errands.run(work, refusable=refusable)
        return result

    async def close(self) -> None:
        await self._errands.close()

    def _read(self, errands: Sequence[Errand]) -> None:
        for errand in errands:
            try:
                self._db.execute("BEGIN")
                errand.succeed(errand.work(self._db))
            except sqlite3.Error as error:
                errand.fail(trouble_at_work(self._path, error) if concerns_the_file(error) else error)
            except Exception as error:
                errand.fail(error)  # not lost: it is raised where the errand is awaited
            finally:
                if self._db.in_transaction:
                    self._db.execute("COMMIT")

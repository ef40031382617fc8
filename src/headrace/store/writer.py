"""All writing: one thread, one connection, and one commit for all errands that queued while the last one ran.

Owns      the transaction around the errands, and a savepoint around each.
Promises  an errand's caller hears yes only after the commit returned; an errand that fails changes nothing and
          hurts nobody else; when the file is the trouble, all of the group fail, and the next group may succeed;
          somebody else's write transaction is waited for, with a bound.
Leaves    what an errand writes to the ports' files, threads and queues to `store.errands`.
"""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from headrace.store.connection import concerns_the_file, is_locked, trouble_at_work
from headrace.store.errands import Errand, ErrandThread

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_ERRANDS_PER_COMMIT_MAX: Final = 1_000
_BEGINNINGS_MAX: Final = 6  # each waits as long as `store.connection` lets it: half a minute in all


class Writer:
    """Owns `db` from now on, and closes it at its end. Construct it inside a running event loop."""

    def __init__(self, db: sqlite3.Connection, path: Path, *, errands_waiting_max: int) -> None:
        self._db = db
        self._path = path
        self._errands = ErrandThread(
            "store's writer",
            self._commit_together,
            errands_waiting_max=errands_waiting_max,
            together_max=_ERRANDS_PER_COMMIT_MAX,
            at_end=db.close,
        )

    async def run(self, work: Callable[[sqlite3.Connection], Result], *, refusable: bool = False) -> Result:
        """Its result, once it is durable. Raises TryLater, NeedsOperator, or what `work` raises."""
        return await self._errands.run(work, refusable=refusable)

    async def close(self) -> None:
        await self._errands.close()

    def _commit_together(self, errands: Sequence[Errand]) -> None:
        try:
            self._begin()
            for errand in errands:
                self._run_alone(errand)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            for errand in errands:
                errand.fail(trouble_at_work(self._path, error))

    def _begin(self) -> None:
        for left in reversed(range(_BEGINNINGS_MAX)):
            try:
                self._db.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.Error as error:
                # Nothing was written yet, and our own loops would end of an error.
                if not left or not is_locked(error):
                    raise
                log.warning("store file %s: %s by another program; %d more tries", self._path, error, left)

    def _run_alone(self, errand: Errand) -> None:
        if errand.future.cancelled():
            errand.succeed(None)  # nobody waits for it any more, and nothing was promised
            return
        self._db.execute("SAVEPOINT errand")
        try:
            errand.succeed(errand.work(self._db))
        except Exception as error:
            # Not lost: it is raised where the errand is awaited. Only trouble with the file concerns the others.
            if concerns_the_file(error) or not self._db.in_transaction:
                raise
            self._db.execute("ROLLBACK TO errand")
            errand.fail(error)
        self._db.execute("RELEASE errand")

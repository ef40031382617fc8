"""All writing: one thread, one connection, and one commit for all errands that queued while the last one ran.

Owns      the transaction around the errands, and a savepoint around each where one of them failed.
Promises  an errand's caller hears yes only after the commit returned; an errand that fails changes nothing and
          hurts nobody else; when the file is the trouble, all of the group fail, and the next group may succeed;
          somebody else's write transaction is waited for, with a bound.
Leaves    what an errand writes to the ports' files, threads and queues to `store.errands`.

An errand may be run twice, the first time undone: it must do nothing but read and write the database.
"""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from headrace.store.connection import concerns_the_file, is_locked, trouble_at_work
from headrace.store.errands import ALONE, Errand, ErrandThread

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Item = TypeVar("Item")

_ERRANDS_PER_COMMIT_MAX: Final = 1_000
_BEGINNINGS_MAX: Final = 6  # each waits as long as `store.connection` lets it: half a minute in all


class Writer:
    """Owns `db` from now on, and closes it at its end. Construct it inside a running event loop."""

    def __init__(
        self,
        db: sqlite3.Connection,
        path: Path,
        *,
        errands_waiting_max: int,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        """`committed` is called by the writer's thread after each commit."""
        self._db = db
        self._committed = committed
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
        result: Result = await self._errands.run(work, refusable=refusable)
        return result

    async def run_with_others(
        self,
        work: Callable[[sqlite3.Connection, Sequence[Item]], Sequence[Result | Exception]],
        item: Item,
        *,
        refusable: bool = False,
    ) -> Result:
        """The same for work that many ask for at once: `work` is called with all items that wait for this commit,
        and answers for each with its result or with what is raised to its caller. Where it raises, it is called
        again with each item alone."""
        result: Result = await self._errands.run(work, refusable=refusable, item=item)
        return result

    async def close(self) -> None:
        await self._errands.close()

    def _commit_together(self, errands: Sequence[Errand]) -> None:
        wanted = []
        for errand in errands:
            if errand.future.cancelled():
                errand.succeed(None)  # nobody waits for it any more, and nothing was promised
            else:
                wanted.append(errand)
        try:
            if not self._committed_at_once(wanted):
                self._commit_each_for_itself(wanted)
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            for errand in errands:
                errand.fail(trouble_at_work(self._path, error))

    def _committed_at_once(self, errands: Sequence[Errand]) -> bool:
        """The quiet case, without a savepoint. False where one of several fails: then nothing is changed. Raises
        where the file is the trouble."""
        if not errands:
            return True
        self._begin()
        try:
            for group in _grouped(errands):
                _work_off(group, self._db)
        except Exception as error:
            # Not lost: it is raised again where each runs for itself, or where its only caller waits.
            if concerns_the_file(error) or not self._db.in_transaction:
                raise
            self._db.execute("ROLLBACK")
            if len(errands) > 1:
                return False
            errands[0].fail(error)
            return True
        self._commit()
        return True

    def _commit_each_for_itself(self, errands: Sequence[Errand]) -> None:
        self._begin()
        for errand in errands:
            self._run_alone(errand)
        self._commit()

    def _commit(self) -> None:
        self._db.execute("COMMIT")
        self._committed()

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
        self._db.execute("SAVEPOINT errand")
        try:
            _work_off([errand], self._db)
        except Exception as error:
            # Not lost: it is raised where the errand is awaited. Only trouble with the file concerns the others.
            if concerns_the_file(error) or not self._db.in_transaction:
                raise
            self._db.execute("ROLLBACK TO errand")
            errand.fail(error)
        self._db.execute("RELEASE errand")


def _grouped(errands: Sequence[Errand]) -> list[list[Errand]]:
    """In the order they came, those of one work together: none of them was answered yet, so that none can rely on
    another."""
    groups: list[list[Errand]] = []
    by_work: dict[object, list[Errand]] = {}
    for errand in errands:
        if errand.item is ALONE:
            groups.append([errand])
        elif (known := by_work.get(errand.work)) is not None:
            known.append(errand)
        else:
            by_work[errand.work] = group = [errand]
            groups.append(group)
    return groups


def _work_off(group: Sequence[Errand], db: sqlite3.Connection) -> None:
    """Raises what the work raises."""
    if group[0].item is ALONE:
        (errand,) = group
        errand.succeed(errand.work(db))
        return
    answers = group[0].work(db, [errand.item for errand in group])
    for errand, answer in zip(group, answers, strict=True):
        if isinstance(answer, Exception):
            errand.fail(answer)
        else:
            errand.succeed(answer)

"""All writing: one thread, one connection, and one commit for all jobs that queued while the last one ran.

Owns      the transaction around the jobs, and a savepoint around each.
Promises  a job's caller hears yes only after the commit returned; a job that fails changes nothing and hurts
          nobody else; when the file is the trouble, all of the group fail, and the next group may succeed;
          somebody else's write transaction is waited for, with a bound.
Leaves    what a job writes to the ports' files, threads and queues to `store.jobs`.
"""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from headrace.store.connection import concerns_the_file, is_locked, trouble_at_work
from headrace.store.jobs import Job, JobThread

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_JOBS_PER_COMMIT_MAX: Final = 1_000
_BEGINNINGS_MAX: Final = 6  # each waits as long as `store.connection` lets it: half a minute in all


class Writer:
    """Owns `db` from now on, and closes it at its end. Construct it inside a running event loop."""

    def __init__(self, db: sqlite3.Connection, path: Path, *, jobs_waiting_max: int) -> None:
        self._db = db
        self._path = path
        self._jobs = JobThread(
            "store's writer",
            self._commit_together,
            jobs_waiting_max=jobs_waiting_max,
            together_max=_JOBS_PER_COMMIT_MAX,
            at_end=db.close,
        )

    async def run(self, work: Callable[[sqlite3.Connection], Result], *, refusable: bool = False) -> Result:
        """Its result, once it is durable. Raises TryLater, NeedsOperator, or what `work` raises."""
        return await self._jobs.run(work, refusable=refusable)

    async def close(self) -> None:
        await self._jobs.close()

    def _commit_together(self, jobs: Sequence[Job]) -> None:
        try:
            self._begin()
            for job in jobs:
                self._run_alone(job)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            for job in jobs:
                job.fail(trouble_at_work(self._path, error))

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

    def _run_alone(self, job: Job) -> None:
        if job.future.cancelled():
            job.succeed(None)  # nobody waits for it any more, and nothing was promised
            return
        self._db.execute("SAVEPOINT job")
        try:
            job.succeed(job.work(self._db))
        except Exception as error:
            # Not lost: it is raised where the job is awaited. Only trouble with the file concerns the others.
            if concerns_the_file(error) or not self._db.in_transaction:
                raise
            self._db.execute("ROLLBACK TO job")
            job.fail(error)
        self._db.execute("RELEASE job")

"""All reading for people and for restarts: a thread and a read-only connection of its own.

It sees what was committed, never what is being written, and never waits for a commit.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from headrace.store.connection import concerns_the_file, trouble_at_work
from headrace.store.jobs import Job, JobThread

Result = TypeVar("Result")


class ReadThread:
    """Owns `db` from now on, and closes it at its end. Construct it inside a running event loop."""

    def __init__(self, db: sqlite3.Connection, path: Path, *, jobs_waiting_max: int) -> None:
        self._db = db
        self._path = path
        self._jobs = JobThread(
            "store's reader",
            self._read,
            jobs_waiting_max=jobs_waiting_max,
            together_max=1,
            at_end=db.close,
        )

    async def run(self, work: Callable[[sqlite3.Connection], Result], *, refusable: bool = False) -> Result:
        """Its result, all of it from one moment. Raises TryLater, NeedsOperator, or what `work` raises."""
        return await self._jobs.run(work, refusable=refusable)

    async def close(self) -> None:
        await self._jobs.close()

    def _read(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            try:
                self._db.execute("BEGIN")
                job.succeed(job.work(self._db))
            except sqlite3.Error as error:
                job.fail(trouble_at_work(self._path, error) if concerns_the_file(error) else error)
            except Exception as error:
                job.fail(error)  # not lost: it is raised where the job is awaited
            finally:
                if self._db.in_transaction:
                    self._db.execute("COMMIT")

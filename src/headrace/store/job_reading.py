"""What people and claim runs ask about jobs, as `core.ports.jobs.JobReader` says."""

import sqlite3
from collections.abc import Collection, Sequence
from heapq import merge
from itertools import islice
from math import inf
from typing import Any, Final

from headrace.core.errors import FixTheRequest
from headrace.core.job import Job, JobEvent, JobId, JobStatus
from headrace.core.ports.jobs import JobCursor, JobFilter
from headrace.core.settlement import SETTLED, SettlementState
from headrace.core.words import OperationId
from headrace.store.job_rows import job_event_from, job_from
from headrace.store.queries import load_queries
from headrace.store.reader import ReadThread
from headrace.store.rows import id_list

_SQL: Final = load_queries("jobs")


class JobReading:
    _reader: ReadThread

    async def job(self, job: JobId) -> Job | None:
        return await self._reader.run(lambda db: _one(db, "job", id=job), refusable=True)

    async def job_of_operation(self, operation: OperationId) -> Job | None:
        return await self._reader.run(lambda db: _one(db, "job_of_operation", operation=operation))

    async def was_reported(self, job: JobId, status: JobStatus, *, at: float) -> bool:
        values = {"id": job, "status": int(status), "at": at}
        return await self._reader.run(
            lambda db: db.execute(_SQL["was_reported"], values).fetchone() is not None, refusable=True
        )

    async def job_history(self, job: JobId) -> Sequence[JobEvent]:
        return await self._reader.run(
            lambda db: [job_event_from(row) for row in db.execute(_SQL["job_history"], {"id": job})],
            refusable=True,
        )

    async def list_jobs(
        self, filter: JobFilter, *, limit: int, cursor: JobCursor | None = None
    ) -> tuple[Sequence[Job], JobCursor | None]:
        assert limit > 0, limit
        cursor_at, cursor_seq = (inf, 0) if cursor is None else _place(cursor)
        values = {
            "environments": id_list(filter.environments) if filter.environments else None,
            "statuses": str([int(status) for status in filter.statuses]) if filter.statuses else None,
            "created_from": -inf if filter.created_from is None else filter.created_from,
            "cursor_at": cursor_at,
            "cursor_seq": cursor_seq,
            "limit": limit + 1,  # one more tells whether there is another page
        }
        query, each = _listing(filter)

        def read(db: sqlite3.Connection) -> tuple[Sequence[Job], JobCursor | None]:
            # One walk through an index for each owner (status, environment), each newest first.
            found = [db.execute(_SQL[query], values | one).fetchall() for one in each]
            rows = list(islice(merge(*found, key=_place_of, reverse=True), limit + 1))
            page = rows[:limit]
            more = JobCursor("{!r}_{}".format(*_place_of(page[-1]))) if len(rows) > limit else None
            return [job_from(row) for row in page], more

        return await self._reader.run(read, refusable=True)

    async def jobs_to_settle(
        self, states: Collection[SettlementState], *, limit: int, after: JobId | None = None
    ) -> Sequence[Job]:
        assert not SETTLED & frozenset(states), states
        assert limit > 0, limit

        def read(db: sqlite3.Connection) -> Sequence[Job]:
            values = {"after": after, "limit": limit}
            found = [
                db.execute(_SQL["jobs_to_settle"], values | {"settlement": state.value}).fetchall()
                for state in frozenset(states)
            ]
            return [job_from(row) for row in islice(merge(*found, key=lambda row: row["seq"]), limit)]

        return await self._reader.run(read)

    async def first_expiry(self, *, after: float) -> int | None:
        def read(db: sqlite3.Connection) -> int | None:
            row = db.execute(_SQL["first_expiry"], {"after": after}).fetchone()
            return None if row is None else int(row[0])

        return await self._reader.run(read)


def _listing(filter: JobFilter) -> tuple[str, Sequence[dict[str, Any]]]:
    """The statement that leads by what narrows most, and its values, one set for each walk."""
    if filter.owners:
        return "newest_jobs_of_owner", [{"owner": owner} for owner in frozenset(filter.owners)]
    if filter.statuses:
        return "newest_jobs_in_status", [{"status": int(status)} for status in frozenset(filter.statuses)]
    if filter.environments:
        return "newest_jobs_in_environment", [{"environment": name} for name in frozenset(filter.environments)]
    return "newest_jobs", [{}]


def _place_of(row: sqlite3.Row) -> tuple[float, int]:
    return row["created_at"], row["seq"]


def _place(cursor: JobCursor) -> tuple[float, int]:
    at, _, seq = cursor.rpartition("_")
    try:
        return float(at), int(seq)
    except ValueError:
        raise FixTheRequest(
            f"cursor: {cursor[:60]!r} is none that an earlier page named", field="cursor"
        ) from None


def _one(db: sqlite3.Connection, query: str, **values: object) -> Job | None:
    row = db.execute(_SQL[query], values).fetchone()
    return None if row is None else job_from(row)

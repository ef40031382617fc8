"""Jobs, what is reported of them and what becomes of their payments, as `core.ports.jobs` says.

Promises  a change is written only to a job that is still as it was read; no statement writes a whole row.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from headrace.core.job import Job, JobId, JobStatus
from headrace.core.operation import Operation
from headrace.core.ports import Added
from headrace.core.ports.jobs import SettlementChange, Step
from headrace.core.settlement import Claiming, Lock, SettlementState
from headrace.store.job_reading import JobReading
from headrace.store.job_rows import job_from, job_values, settlement_values, step_values
from headrace.store.machinery import Machinery
from headrace.store.adding import add_all
from headrace.store.queries import load_queries

_SQL: Final = load_queries("jobs")
_HERE: Final = frozenset({Added.FRESH, Added.SAME})


class SqliteJobs(Machinery, JobReading):
    async def add_job(self, job: Job) -> Job | None:
        def add(db: sqlite3.Connection) -> Job | None:
            if not db.execute(_SQL["add_job_if_new"], job_values(job)).rowcount:
                return job_from(db.execute(_SQL["job"], {"id": job.id}).fetchone())
            _note_status(db, job.id, job.status, at=job.status_at, received_at=job.created_at)
            _note_settlement(db, job.id, job.settlement.state, now=job.created_at)
            return None

        return await self._writer.run(add, refusable=True)

    async def step_job(self, step: Step) -> bool:
        return await self._writer.run(lambda db: _step(db, step), refusable=True)

    async def request_stop(self, job: JobId, *, now: float) -> bool:
        values = {"id": job, "now": now}
        return await self._writer.run(
            lambda db: db.execute(_SQL["request_stop_once"], values).rowcount > 0, refusable=True
        )

    async def record_lock(self, job: JobId, lock: Lock, *, now: float) -> bool:
        values = {
            "id": job,
            "amount": str(lock.amount),
            "expiry": lock.expiry,
            "transaction": lock.transaction,
            "block": lock.block,
        }

        def record(db: sqlite3.Connection) -> bool:
            before = db.execute(_SQL["job"], {"id": job}).fetchone()
            if not db.execute(_SQL["record_lock_unless_claiming"], values).rowcount:
                return False
            after = db.execute(_SQL["job"], {"id": job}).fetchone()
            if before["settlement"] != after["settlement"]:
                _note_settlement(db, job, SettlementState(after["settlement"]), now=now)
            return True

        return await self._writer.run(record)

    async def record_no_lock(self, job: JobId, reason: str, *, now: float) -> bool:
        values = {"id": job, "reason": reason, "now": now}

        def record(db: sqlite3.Connection) -> bool:
            if db.execute(_SQL["end_run_without_lock_if_awaited"], values).rowcount:
                _note_status(db, job, JobStatus.JOB_QUEUED_EXPIRED, at=now, received_at=now, detail=reason)
            elif not db.execute(_SQL["record_no_lock_if_awaited"], values).rowcount:
                return False
            _note_settlement(db, job, SettlementState.NO_LOCK, now=now, detail=reason)
            return True

        return await self._writer.run(record)

    async def change_settlements(self, changes: Sequence[SettlementChange], *, now: float) -> Sequence[JobId]:
        return await self._writer.run(lambda db: [c.job for c in changes if _change(db, c, now=now)])

    async def begin_settling(
        self, changes: Sequence[tuple[SettlementChange, Operation]], *, now: float
    ) -> Sequence[Added | None]:
        return await self._writer.run(lambda db: [_begin(db, c, operation, now=now) for c, operation in changes])


def _step(db: sqlite3.Connection, step: Step) -> bool:
    values = step_values(step)
    if step.before is step.after:
        return db.execute(_SQL["see_job_running_if_later"], values).rowcount > 0
    if not db.execute(_SQL["step_job_if_still_there"], values).rowcount:
        return False
    _note_status(db, step.job, step.after, at=step.at, received_at=step.received_at, detail=step.detail)
    if step.result is not None:
        row = db.execute(_SQL["job"], {"id": step.job}).fetchone()
        if row["settlement"] == SettlementState.DUE.value:
            _note_settlement(db, step.job, SettlementState.DUE, now=step.received_at)
    return True


def _change(db: sqlite3.Connection, change: SettlementChange, *, now: float) -> bool:
    before, after = change.before, change.after
    values = settlement_values(after) | {
        "id": change.job,
        "before": before.state.value,
        "before_operation": before.operation if isinstance(before, Claiming) else None,
    }
    row = db.execute(_SQL["change_settlement_if_still_there"], values).fetchone()
    if row is None:
        return False
    reason = values["operation"] or values["reason"]
    _note_settlement(db, change.job, after.state, now=now, detail=reason)
    if row["status"] == JobStatus.JOB_FINISHED:
        _note_status(db, change.job, JobStatus.JOB_FINISHED, at=now, received_at=now)
    return True


def _begin(db: sqlite3.Connection, change: SettlementChange, operation: Operation, *, now: float) -> Added | None:
    """Both or neither."""
    db.execute("SAVEPOINT settling")
    added = None
    if _change(db, change, now=now):
        (added,) = add_all(db, [operation], now=now, answered=True)
        if added not in _HERE:
            db.execute("ROLLBACK TO settling")
    db.execute("RELEASE settling")
    return added


def _note_status(
    db: sqlite3.Connection, job: JobId, status: JobStatus, *, at: float, received_at: float, detail: str = ""
) -> None:
    values = {"id": job, "at": at, "received_at": received_at, "status": int(status), "settlement": None}
    db.execute(_SQL["add_job_event"], values | {"detail": detail})


def _note_settlement(
    db: sqlite3.Connection, job: JobId, state: SettlementState, *, now: float, detail: str = ""
) -> None:
    values = {"id": job, "at": now, "received_at": now, "status": None, "settlement": state.value}
    db.execute(_SQL["add_job_event"], values | {"detail": detail})

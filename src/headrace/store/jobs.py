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
from headrace.store.adding import add_all
from headrace.store.job_reading import JobReading
from headrace.store.job_rows import job_from, job_values, settlement_values, step_values
from headrace.store.machinery import Machinery
from headrace.store.queries import load_queries
from headrace.store.row_sets import Row, execute_rows, returned_rows

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
        return await self._writer.run(lambda db: [change.job for change in _change_all(db, changes, now=now)])

    async def begin_settling(
        self, changes: Sequence[tuple[SettlementChange, Operation]], *, now: float
    ) -> Sequence[Added | None]:
        return await self._writer.run(lambda db: _begin_all(db, changes, now=now))


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


def _change_all(
    db: sqlite3.Connection, changes: Sequence[SettlementChange], *, now: float
) -> list[SettlementChange]:
    """Those that were taken, each from the state that it was decided in."""
    taken: list[SettlementChange] = []
    for part in _each_job_once(changes):
        cursors = execute_rows(
            db, _SQL["change_settlements_if_still_there"], [_change_values(change) for change in part]
        )
        status = {row["id"]: row["status"] for row in returned_rows(cursors)}
        here = [change for change in part if change.job in status]
        events: list[Row] = []
        for change in here:
            settlement = settlement_values(change.after)
            detail = settlement["operation"] or settlement["reason"]
            events.append((change.job, now, now, None, change.after.state.value, detail))
            if status[change.job] == JobStatus.JOB_FINISHED:
                events.append((change.job, now, now, int(JobStatus.JOB_FINISHED), None, ""))
        execute_rows(db, _SQL["add_job_events"], events)
        taken += here
    return taken


def _each_job_once(changes: Sequence[SettlementChange]) -> list[list[SettlementChange]]:
    """In their order; a second change of a job comes after the first is written."""
    parts: list[list[SettlementChange]] = []
    times: dict[JobId, int] = {}
    for change in changes:
        part = times.get(change.job, 0)
        times[change.job] = part + 1
        if part == len(parts):
            parts.append([])
        parts[part].append(change)
    return parts


def _change_values(change: SettlementChange) -> Row:
    """As `change_settlements_if_still_there` has them."""
    before, after = change.before, settlement_values(change.after)
    return (
        change.job,
        after["settlement"],
        after["reason"],
        after["move"],
        after["amount"],
        after["operation"],
        after["proof_transaction"],
        after["proof_block"],
        before.state.value,
        before.operation if isinstance(before, Claiming) else None,
    )


def _begin_all(
    db: sqlite3.Connection, changes: Sequence[tuple[SettlementChange, Operation]], *, now: float
) -> Sequence[Added | None]:
    """All at once; where an operation cannot be added, each pair for itself: both of it or neither."""
    db.execute("SAVEPOINT settling")
    taken = {id(change) for change in _change_all(db, [change for change, _ in changes], now=now)}
    wanted = [operation for change, operation in changes if id(change) in taken]
    answers = iter(add_all(db, wanted, now=now, answered=True))
    added = [next(answers) if id(change) in taken else None for change, _ in changes]
    if all(answer is None or answer in _HERE for answer in added):
        db.execute("RELEASE settling")
        return added
    db.execute("ROLLBACK TO settling")
    db.execute("RELEASE settling")
    if len(changes) == 1:
        return added
    return [answer for pair in changes for answer in _begin_all(db, [pair], now=now)]


def _note_status(
    db: sqlite3.Connection, job: JobId, status: JobStatus, *, at: float, received_at: float, detail: str = ""
) -> None:
    execute_rows(db, _SQL["add_job_events"], [(job, at, received_at, int(status), None, detail)])


def _note_settlement(
    db: sqlite3.Connection, job: JobId, state: SettlementState, *, now: float, detail: str = ""
) -> None:
    execute_rows(db, _SQL["add_job_events"], [(job, now, now, None, state.value, detail)])

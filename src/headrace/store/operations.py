"""Operations from the moment they are saved to the moment they ride, as `core.ports.OperationStore` says."""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from headrace.core.operation import Ending, Operation, Return, Stage
from headrace.core.ports import Added, Note
from headrace.core.words import Address, BlockNumber, ChainId, OperationId
from headrace.store.endings import (
    add_notes,
    cancel_followers,
    cancel_if_hopeless,
    leave_out_repeated,
    write_fates,
)
from headrace.store.machinery import Machinery
from headrace.store.queries import load_queries
from headrace.store.rows import ending_from, id_list, operation_from, operation_values

_SQL: Final = load_queries("operations")


class SqliteOperations(Machinery):
    async def add_operations(self, operations: Sequence[Operation]) -> Sequence[Added]:
        now = self._clock.now()
        return await self._writer.run(
            lambda db: [_add_unless_evaluated(db, o, now=now) for o in operations], refusable=True
        )

    async def claim_ready(
        self, *, chain: ChainId, lane: Address, workload: str, most: int, now: float
    ) -> Sequence[Operation]:
        def claim(db: sqlite3.Connection) -> Sequence[Operation]:
            db.execute(_SQL["wake_rested"], {"now": now})
            rows = db.execute(
                _SQL["claim_oldest_queued"],
                {"chain": chain, "lane": lane, "workload": workload, "most": most},
            ).fetchall()
            rows.sort(key=lambda row: row["seq"])  # RETURNING promises no order
            return [operation_from(row) for row in rows]

        return await self._writer.run(claim)

    async def release(self, operations: Collection[OperationId]) -> None:
        ids = id_list(operations)

        def release(db: sqlite3.Connection) -> None:
            db.execute(_SQL["release_claimed"], {"ids": ids})

        await self._writer.run(release)

    async def judge(
        self, endings: Sequence[Ending], returns: Sequence[Return], *, now: float, notes: Sequence[Note] = ()
    ) -> Sequence[Ending]:
        def judge(db: sqlite3.Connection) -> Sequence[Ending]:
            news = leave_out_repeated(db, notes, returns)
            written = write_fates(db, endings, returns, now=now)
            add_notes(db, news, at=now)
            return written

        return await self._writer.run(judge)

    async def end_overdue(self, *, now: float, head: BlockNumber, chain: ChainId) -> Sequence[Ending]:
        def end_overdue(db: sqlite3.Connection) -> Sequence[Ending]:
            rows = db.execute(_SQL["end_overdue"], {"now": now, "head": head, "chain": chain}).fetchall()
            ended = [ending_from(row) for row in rows]
            return ended + cancel_followers(db, [ending.operation for ending in ended], now=now)

        return await self._writer.run(end_overdue)

    async def cancel(self, operation: OperationId, *, now: float) -> Sequence[Ending]:
        def cancel(db: sqlite3.Connection) -> Sequence[Ending]:
            values = {"id": operation, "reason": "cancelled on request", "now": now}
            row = db.execute(_SQL["cancel_unless_sealed"], values).fetchone()
            if row is None:
                return []
            return [ending_from(row), *cancel_followers(db, [operation], now=now)]

        return await self._writer.run(cancel, refusable=True)

    async def count_ready(self, *, chain: ChainId, lane: Address, workload: str, now: float) -> int:
        def count(db: sqlite3.Connection) -> int:
            values = {"chain": chain, "lane": lane, "workload": workload, "now": now}
            ready: int = db.execute(_SQL["count_ready"], values).fetchone()[0]
            return ready

        return await self._reader.run(count)

    async def count_backlog(self, *, chain: ChainId) -> int:
        def count(db: sqlite3.Connection) -> int:
            backlog: int = db.execute(_SQL["count_backlog"], {"chain": chain}).fetchone()[0]
            return backlog

        return await self._reader.run(count)


def add_each(db: sqlite3.Connection, operations: Sequence[Operation], *, now: float) -> list[Added]:
    return [_add(db, operation, now=now) for operation in operations]


def _add_unless_evaluated(db: sqlite3.Connection, operation: Operation, *, now: float) -> Added:
    """The id of a task request belongs to what follows from its answer."""
    if db.execute(_SQL["has_evaluation"], {"operation": operation.id}).fetchone() is not None:
        return Added.OTHER_CONTENT
    return _add(db, operation, now=now)


def _add(db: sqlite3.Connection, operation: Operation, *, now: float) -> Added:
    stage = Stage.QUEUED if operation.after is None else _start_after(db, operation.after)
    if stage is None:
        return _already_here(db, operation) or Added.NO_PREDECESSOR
    values = {**operation_values(operation), "stage": stage.value}
    if db.execute(_SQL["add_operation_if_new"], values).rowcount:
        if stage is Stage.WAITING:
            cancel_if_hopeless(db, [operation.id], now=now)
        return Added.FRESH
    return _already_here(db, operation) or Added.SUBJECT_TAKEN


def _already_here(db: sqlite3.Connection, operation: Operation) -> Added | None:
    row = db.execute(_SQL["content_of_operation"], {"id": operation.id}).fetchone()
    if row is None:
        return None
    return Added.SAME if row["content"] == operation.content else Added.OTHER_CONTENT


def _start_after(db: sqlite3.Connection, predecessor: OperationId) -> Stage | None:
    """None where there is no such operation."""
    row = db.execute(_SQL["predecessor_has_effect"], {"id": predecessor}).fetchone()
    if row is None:
        return None
    return Stage.QUEUED if row["has_effect"] else Stage.WAITING

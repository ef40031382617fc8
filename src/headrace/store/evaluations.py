"""Off-chain answers, as `core.ports.EvaluationStore` says: begun before operators see a task, concluded once."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from headrace.core.errors import OtherContent
from headrace.core.operation import Operation
from headrace.core.ports import Added, Evaluation, SubjectTaken
from headrace.core.words import OperationId
from headrace.store.machinery import Machinery
from headrace.store.operations import add_each
from headrace.store.queries import load_queries
from headrace.store.reader import ReadThread

_SQL: Final = load_queries("evaluations")


class EvaluationReading:
    """The part of it that only reads."""

    _reader: ReadThread

    async def evaluation(self, operation: OperationId) -> Evaluation | None:
        return await self._reader.run(lambda db: _find(db, "evaluation", operation=operation), refusable=True)

    async def evaluation_about(self, subject: bytes) -> Evaluation | None:
        return await self._reader.run(lambda db: _find(db, "evaluation_about", subject=subject), refusable=True)

    async def open_evaluations(self) -> Sequence[Evaluation]:
        return await self._reader.run(lambda db: [_evaluation(r) for r in db.execute(_SQL["open_evaluations"])])


class SqliteEvaluations(Machinery, EvaluationReading):
    async def begin_evaluation(self, evaluation: Evaluation) -> Evaluation | None:
        return await self._writer.run(lambda db: _begin(db, evaluation), refusable=True)

    async def conclude_evaluation(
        self, operation: OperationId, *, result: bytes, operations: Sequence[Operation]
    ) -> None:
        """Raises KeyError for an unknown one; OtherContent, SubjectTaken or KeyError (an unknown `after`), and
        concludes nothing, if one of the operations cannot be added."""
        now = self._clock.now()
        await self._writer.run(lambda db: _conclude(db, operation, result, operations, now=now))


def _begin(db: sqlite3.Connection, evaluation: Evaluation) -> Evaluation | None:
    values = {
        "operation": evaluation.operation,
        "content": evaluation.content,
        "subject": evaluation.subject,
        "request": evaluation.request,
        "task": evaluation.task,
        "resume": int(evaluation.resume),
        "received_at": evaluation.received_at,
        "result": evaluation.result,
    }
    if db.execute(_SQL["begin_evaluation_if_new"], values).rowcount:
        return None
    already = _find(db, "evaluation", operation=evaluation.operation)
    if already is None and db.execute(_SQL["has_operation"], {"operation": evaluation.operation}).fetchone():
        raise OtherContent(f"operation_id: {evaluation.operation!r} is already used for something else")
    if already is None:
        raise SubjectTaken(f"another evaluation has the subject 0x{evaluation.subject.hex()}")
    return already


def _conclude(
    db: sqlite3.Connection,
    operation: OperationId,
    result: bytes,
    operations: Sequence[Operation],
    *,
    now: float,
) -> None:
    if not db.execute(_SQL["conclude_evaluation_if_open"], {"operation": operation, "result": result}).rowcount:
        if _find(db, "evaluation", operation=operation) is None:
            raise KeyError(operation)
        return
    for follows, added in zip(operations, add_each(db, operations, now=now), strict=True):
        if added is Added.OTHER_CONTENT:
            raise OtherContent(f"operation {follows.id} is already here, with other content", operation=follows.id)
        if added is Added.SUBJECT_TAKEN:
            raise SubjectTaken(f"an unfinished {follows.kind} has the subject 0x{follows.subject.hex()}")
        if added is Added.NO_PREDECESSOR:
            raise KeyError(follows.after)


def _find(db: sqlite3.Connection, query: str, **values: object) -> Evaluation | None:
    row = db.execute(_SQL[query], values).fetchone()
    return None if row is None else _evaluation(row)


def _evaluation(row: sqlite3.Row) -> Evaluation:
    return Evaluation(
        operation=OperationId(row["operation"]),
        content=row["content"],
        subject=row["subject"],
        request=row["request"],
        task=row["task"],
        resume=bool(row["resume"]),
        received_at=row["received_at"],
        result=row["result"],
    )

"""Off-chain answers, as `core.ports.EvaluationStore` says: begun before operators see a task, concluded once."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headrace.core.errors import OtherContent
from headrace.core.operation import Operation
from headrace.core.ports import Added, Evaluation, SubjectTaken
from headrace.core.words import OperationId
from headrace.store.adding import add_all
from headrace.store.machinery import Machinery
from headrace.store.queries import load_queries
from headrace.store.reader import ReadThread
from headrace.store.row_sets import Row, execute_rows, returned_rows

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
        return await self._writer.run_with_others(_begin_all, evaluation, refusable=True)

    async def conclude_evaluation(
        self, operation: OperationId, *, result: bytes, operations: Sequence[Operation]
    ) -> None:
        """Raises KeyError for an unknown one; OtherContent, SubjectTaken or KeyError (an unknown `after`), and
        concludes nothing, if one of the operations cannot be added."""
        answer = _Answer(operation, result, operations, self._clock.now())
        await self._writer.run_with_others(_conclude_all, answer)


@dataclass(frozen=True, slots=True)
class _Answer:
    """`operations` follow from it; `now` in unix seconds."""

    to: OperationId
    result: bytes
    operations: Sequence[Operation]
    now: float


class _OneIsInTheWay(Exception):
    """One of many cannot be concluded: each is to be tried alone, and it alone hears why."""


def _begin_all(
    db: sqlite3.Connection, evaluations: Sequence[Evaluation]
) -> Sequence[Evaluation | Exception | None]:
    cursors = execute_rows(db, _SQL["begin_evaluations_if_new"], [_values(each) for each in evaluations])
    begun = {row["operation"] for row in returned_rows(cursors)}
    answers: list[Evaluation | Exception | None] = []
    for each in evaluations:
        if each.operation in begun:
            begun.remove(each.operation)  # one that has the same id and came later is not new
            answers.append(None)
        else:
            answers.append(_already(db, each))
    return answers


def _values(evaluation: Evaluation) -> Row:
    """As `begin_evaluations_if_new` has them."""
    return (
        evaluation.operation,
        evaluation.content,
        evaluation.subject,
        evaluation.request,
        evaluation.task,
        int(evaluation.resume),
        evaluation.received_at,
        evaluation.result,
    )


def _already(db: sqlite3.Connection, evaluation: Evaluation) -> Evaluation | Exception:
    """The one that is here under its id, or why there is none."""
    already = _find(db, "evaluation", operation=evaluation.operation)
    if already is not None:
        return already
    if db.execute(_SQL["has_operation"], {"operation": evaluation.operation}).fetchone():
        return OtherContent(f"operation_id: {evaluation.operation!r} is already used for something else")
    return SubjectTaken(f"another evaluation has the subject 0x{evaluation.subject.hex()}")


def _conclude_all(db: sqlite3.Connection, answers: Sequence[_Answer]) -> Sequence[None]:
    try:
        were_open = _conclude_if_open(db, answers)
        _add_what_follows(db, [answer for answer in answers if answer.to in were_open])
    except (OtherContent, SubjectTaken, KeyError) as error:
        if len(answers) > 1:
            raise _OneIsInTheWay from error
        raise
    return [None] * len(answers)


def _conclude_if_open(db: sqlite3.Connection, answers: Sequence[_Answer]) -> set[OperationId]:
    """Those that were. Raises KeyError for one that is not here."""
    values = [(each.to, each.result) for each in answers]
    rows = returned_rows(execute_rows(db, _SQL["conclude_evaluations_if_open"], values))
    concluded = {OperationId(row["operation"]) for row in rows}
    for answer in answers:
        if answer.to not in concluded and _find(db, "evaluation", operation=answer.to) is None:
            raise KeyError(answer.to)
    return concluded


def _add_what_follows(db: sqlite3.Connection, answers: Sequence[_Answer]) -> None:
    follow = [operation for answer in answers for operation in answer.operations]
    if not follow:
        return
    for operation, added in zip(follow, add_all(db, follow, now=answers[0].now, answered=True), strict=True):
        if added is Added.OTHER_CONTENT:
            raise OtherContent(
                f"operation {operation.id} is already here, with other content", operation=operation.id
            )
        if added is Added.SUBJECT_TAKEN:
            raise SubjectTaken(f"an unfinished {operation.kind} has the subject 0x{operation.subject.hex()}")
        if added is Added.NO_PREDECESSOR:
            raise KeyError(operation.after)


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

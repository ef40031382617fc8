"""Saves operations, all that come together in one statement.

Owns      who is new, and what is answered to who is not.
Promises  what one of them lacks is no matter of the others; of two that want the same, the first has it.
Leaves    committing to `store.writer`.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from headrace.core.operation import Operation
from headrace.core.ports import Added
from headrace.core.words import OperationId
from headrace.store.endings import cancel_if_hopeless
from headrace.store.queries import load_queries
from headrace.store.row_sets import Row, execute_rows
from headrace.store.rows import changed_ids, id_list

_SQL: Final = load_queries("operations")


def add_all(
    db: sqlite3.Connection, operations: Sequence[Operation], *, now: float, answered: bool = False
) -> list[Added]:
    """Answers for each. `answered`: they follow from the answer to a task request, which has the id of one."""
    fresh: set[int] = set()
    for number, step in enumerate(_steps(operations)):
        saved = _save(db, [operations[i] for i in step], follow=number > 0, answered=answered)
        if number > 0:
            cancel_if_hopeless(db, sorted(saved), now=now)
        for index in step:
            if (id := operations[index].id) in saved:
                fresh.add(index)
                saved.remove(id)  # who has the same id and comes later is not new
    if len(fresh) == len(operations):
        return [Added.FRESH] * len(operations)
    others = [i for i in range(len(operations)) if i not in fresh]
    why = dict(zip(others, _why_not(db, [operations[i] for i in others], answered=answered), strict=True))
    return [why.get(index, Added.FRESH) for index in range(len(operations))]


def _save(
    db: sqlite3.Connection, operations: Sequence[Operation], *, follow: bool, answered: bool
) -> set[OperationId]:
    """Those that are new. `follow`: each comes after another."""
    if not operations:
        return set()
    # Who comes after nobody needs no look at the table that it is written to, which is dearer.
    sql = _SQL["add_followers_if_new" if follow else "add_operations_if_new"]
    cursors = execute_rows(db, sql, [_values(operation, answered=answered) for operation in operations])
    count = sum(cursor.rowcount for cursor in cursors)
    if count == len(operations):
        return {operation.id for operation in operations}
    if count == 0:
        return set()
    newest = max(cursor.lastrowid or 0 for cursor in cursors if cursor.rowcount)
    rows = db.execute(_SQL["newest_operations"], {"above": newest - count}).fetchall()
    return set(changed_ids(rows))


def _steps(operations: Sequence[Operation]) -> list[list[int]]:
    """Positions: first those that come after nobody, then each after what it comes after. A statement sees nothing
    of what it saves itself."""
    depth: dict[OperationId, int] = {}
    steps: list[list[int]] = [[]]
    for index, operation in enumerate(operations):
        step = 0 if operation.after is None else depth.get(operation.after, 0) + 1
        depth.setdefault(operation.id, step)
        while len(steps) <= step:
            steps.append([])
        steps[step].append(index)
    return steps


def _why_not(db: sqlite3.Connection, operations: Sequence[Operation], *, answered: bool) -> list[Added]:
    asked_for = {o.id for o in operations} | {o.after for o in operations if o.after is not None}
    here = {row["id"]: row for row in db.execute(_SQL["what_is_here"], {"ids": id_list(asked_for)})}
    return [_why(operation, here, answered=answered) for operation in operations]


def _why(operation: Operation, here: dict[OperationId, sqlite3.Row], *, answered: bool) -> Added:
    own = here[operation.id]
    if own["asked"] and not answered:
        return Added.OTHER_CONTENT  # the id of a task request belongs to what follows from its answer
    if own["content"] is not None:
        return Added.SAME if own["content"] == operation.content else Added.OTHER_CONTENT
    if operation.after is not None and here[operation.after]["content"] is None:
        return Added.NO_PREDECESSOR
    return Added.SUBJECT_TAKEN


def _values(operation: Operation, *, answered: bool) -> Row:
    """As both statements have them."""
    return (
        operation.id,
        operation.content,
        operation.workload,
        operation.kind,
        operation.form,
        operation.chain,
        operation.subject,
        operation.payload,
        operation.received_at,
        operation.after,
        operation.wait_until,
        operation.deadline,
        operation.deadline_block,
        operation.retries,
        operation.sender,
        answered,
    )

"""What becomes of operations, and of those that come after them.

Owns      writing outcomes and returns, and moving followers along: queued when the effect they wait for is there,
          waiting when it is not (any more), cancelled when it never will be.
Promises  an outcome is written once; every ending that was written is in the answer.
Leaves    which outcome it is to the engine and the workloads.

Statements are per distinct ending or return, not per operation: a batch that landed is one.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from headrace.core.operation import Ending, Return
from headrace.core.ports import Note
from headrace.core.words import OperationId, Outcome
from headrace.store.queries import load_queries
from headrace.store.row_sets import execute_rows
from headrace.store.rows import changed_ids, ending_from, id_list, revert_values

_SQL: Final = load_queries("endings")
_WITH_EFFECT: Final = frozenset({Outcome.LANDED, Outcome.ALREADY_DONE})


def write_fates(
    db: sqlite3.Connection,
    endings: Sequence[Ending],
    returns: Sequence[Return],
    *,
    now: float,
    batch: str | None = None,
    heard: Collection[OperationId] = (),
) -> list[Ending]:
    """Ends some, returns others, and moves their followers. Answers with every ending it wrote.
    With `batch` it returns only what still rides there. Followers of those in `heard` know of their effect."""
    written = _end_unless_done(db, endings, now=now)
    returned = _return_unless_done(db, returns, batch=batch)
    landed = [e.operation for e in written if e.outcome in _WITH_EFFECT and e.operation not in heard]
    hopeless = [ending.operation for ending in written if ending.outcome not in _WITH_EFFECT]
    if landed:
        promote_followers(db, id_list(landed))
    if returned:
        written += _hold(db, returned, now=now)
    return written + cancel_followers(db, hopeless, now=now)


def promote_followers(db: sqlite3.Connection, ids: str) -> None:
    """Queues who waited for one of `ids` (a JSON list) whose effect is there."""
    db.execute(_SQL["promote_followers"], {"ids": ids})


def hold_followers(db: sqlite3.Connection, ids: str) -> None:
    """Whoever is not signed for and comes after one of `ids` (a JSON list) without effect waits again."""
    db.execute(_SQL["hold_followers"], {"ids": ids})


def cancel_followers(db: sqlite3.Connection, ended: Sequence[OperationId], *, now: float) -> list[Ending]:
    """Of operations that ended without effect; and their followers' followers, to the last."""
    cancelled: list[Ending] = []
    while ended:
        step = [ending_from(r) for r in db.execute(_SQL["cancel_followers"], {"ids": id_list(ended), "now": now})]
        cancelled += step
        ended = [ending.operation for ending in step]
    return cancelled


def cancel_if_hopeless(db: sqlite3.Connection, waiting: Sequence[OperationId], *, now: float) -> list[Ending]:
    """Those of them whose predecessor ended without effect, and all that come after them."""
    rows = db.execute(_SQL["cancel_if_hopeless"], {"ids": id_list(waiting), "now": now})
    cancelled = [ending_from(row) for row in rows]
    return cancelled + cancel_followers(db, [ending.operation for ending in cancelled], now=now)


def leave_out_repeated(db: sqlite3.Connection, notes: Sequence[Note], returns: Sequence[Return]) -> list[Note]:
    """Before the returns are written: all notes but those about an operation whose row says the same already. One
    that comes back round after round, as while a person is needed, would fill the disk."""
    if not notes or not returns:
        return list(notes)
    rows = db.execute(_SQL["reasons"], {"ids": id_list(one.operation for one in returns)})
    said = {row["id"]: row["reason"] for row in rows}
    repeated = {one.operation for one in returns if said.get(one.operation) == one.reason}
    return [note for note in notes if note.subject not in repeated]


def add_notes(db: sqlite3.Connection, notes: Iterable[Note], *, at: float) -> None:
    execute_rows(db, _SQL["add_notes"], [(at, note.subject, note.text) for note in notes])


def _end_unless_done(db: sqlite3.Connection, endings: Sequence[Ending], *, now: float) -> list[Ending]:
    alike: defaultdict[tuple[object, ...], list[Ending]] = defaultdict(list)
    for ending in endings:
        columns = revert_values(ending.revert)
        alike[(ending.outcome, ending.reason, *columns.values())].append(ending)
    written: list[Ending] = []
    for group in alike.values():
        one = group[0]
        rows = db.execute(
            _SQL["end_unless_done"],
            {
                "ids": id_list(ending.operation for ending in group),
                "outcome": one.outcome.value,
                "reason": one.reason,
                "now": now,
                **revert_values(one.revert),
            },
        ).fetchall()
        fresh = set(changed_ids(rows))
        written += [ending for ending in group if ending.operation in fresh]
    return written


def _return_unless_done(
    db: sqlite3.Connection, returns: Sequence[Return], *, batch: str | None
) -> list[OperationId]:
    alike: defaultdict[tuple[object, ...], list[Return]] = defaultdict(list)
    for one in returns:
        columns = revert_values(one.revert)
        alike[(one.form, one.retries, one.not_before, one.reason, *columns.values())].append(one)
    returned: list[OperationId] = []
    for group in alike.values():
        one = group[0]
        rows = db.execute(
            _SQL["return_unless_done"],
            {
                "ids": id_list(each.operation for each in group),
                "form": one.form,
                "retries": one.retries,
                "not_before": one.not_before,
                "reason": one.reason,
                "batch_id": batch,
                **revert_values(one.revert),
            },
        ).fetchall()
        returned += changed_ids(rows)
    return returned


def _hold(db: sqlite3.Connection, returned: Sequence[OperationId], *, now: float) -> list[Ending]:
    """Whoever cannot travel because of these returns waits, or ends if there is nothing left to wait for."""
    ids = id_list(returned)
    db.execute(_SQL["hold_unless_predecessor_has_effect"], {"ids": ids})
    hold_followers(db, ids)
    return cancel_if_hopeless(db, returned, now=now)

"""Many rows in one statement: `VALUES :rows` in a .sql file stands for as many as there are.

Owns      how many rows a statement is made for, so that few different ones are ever prepared.
Promises  one statement for up to `ROWS_MAX` rows, whatever their number; what fills it up is NULL from end to end.
Leaves    passing over what is NULL to the statement: `WHERE column1 IS NOT NULL`.

Why not `executemany`: it answers with nothing that the statement returns, and its rows cannot be compared with one
another inside the statement. A list as JSON would need its blobs written out as text.
"""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

# SQLite takes 32,766 values in one statement unless it was built otherwise: enough for 60 columns of these.
ROWS_MAX: Final = 512
_TEXTS_MAX: Final = 256

Row = tuple[Any, ...]


def execute_rows(db: sqlite3.Connection, sql: str, rows: Sequence[Row]) -> list[sqlite3.Cursor]:
    """A cursor for each `ROWS_MAX` of them: one, as a rule. All rows are as wide as the first."""
    cursors: list[sqlite3.Cursor] = []
    for first in range(0, len(rows), ROWS_MAX):
        part = rows[first : first + ROWS_MAX]
        width = len(part[0])
        count = 1 << (len(part) - 1).bit_length()
        values = [*chain.from_iterable(part), *(None,) * (width * (count - len(part)))]
        cursors.append(db.execute(for_rows(sql, count, width), values))
    return cursors


def returned_rows(cursors: Sequence[sqlite3.Cursor]) -> list[sqlite3.Row]:
    """What a statement with RETURNING answered, in no order."""
    return [row for cursor in cursors for row in cursor.fetchall()]


@lru_cache(maxsize=_TEXTS_MAX)
def for_rows(sql: str, count: int, width: int) -> str:
    """The statement with places for `count` rows of `width` values."""
    row = f"({', '.join('?' * width)})"
    return sql.replace(":rows", ", ".join([row] * count))

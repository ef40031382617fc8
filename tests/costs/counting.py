"""Counts on the real thing what a gateway asks of its database and its node.

Owns      connections that count what they are given, and the report of it by name.
Promises  every statement is counted under its name in our .sql files, each row of an `executemany` as one more;
          BEGIN, COMMIT, SAVEPOINT and their like apart, as is the PRAGMA by which a thread of its own checkpoints.

SQLite's own trace would count the same, and once more for each trigger that a row sets off: work inside a
statement, and no question of ours.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import headrace.store
from headrace.store import connection
from headrace.store.queries import load_queries

_FILES = sorted(path.stem for path in (Path(headrace.store.__file__).parent / "sql").glob("*.sql"))
_NAMES = {sql: f"{file}.{name}" for file in _FILES for name, sql in load_queries(file).items()}
_FRAME = re.compile(r"BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|PRAGMA")
_PLACES = re.compile(r"\(\?(?:, \?)*\)(?:, \(\?(?:, \?)*\))*")


@dataclass(slots=True)
class Statements:
    """`written` by the connection that writes, `read` by those that only read; `frames` of the one that writes."""

    written: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    frames: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return self.written.total() + self.read.total()

    @property
    def commits(self) -> int:
        return self.frames["COMMIT"]

    def since_last_asked(self) -> "Statements":
        """And counts from 0 again."""
        seen = Statements(self.written.copy(), self.read.copy(), self.frames.copy())
        for counter in (self.written, self.read, self.frames):
            counter.clear()
        return seen

    def hear(self, sql: str, rows: int, *, reads: bool) -> None:
        if frame := _FRAME.match(sql):
            self.frames[frame.group()] += 0 if reads else rows
            return
        (self.read if reads else self.written)[_name(sql)] += rows


@contextmanager
def counted_statements() -> Iterator[Statements]:
    """Of every store that is opened inside."""
    heard = Statements()

    class Counting(sqlite3.Connection):
        reads = False

        def __init__(self, database: str, **options: Any) -> None:
            super().__init__(database, **options)
            self.reads = "mode=ro" in database

        def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:
            heard.hear(sql, 1, reads=self.reads)
            return super().execute(sql, values)

        def executemany(self, sql: str, rows: Any, /) -> sqlite3.Cursor:
            many: Sequence[Any] = list(rows)
            heard.hear(sql, len(many), reads=self.reads)
            return super().executemany(sql, many)

        def cursor(self, *args: Any, **keywords: Any) -> Any:
            raise AssertionError("a statement would pass uncounted")

    really = sqlite3.connect

    def connect(database: str, **options: Any) -> sqlite3.Connection:
        return really(database, factory=Counting, **options)

    with mock.patch.object(connection.sqlite3, "connect", connect):
        yield heard


def _name(sql: str) -> str:
    return _NAMES.get(sql) or _NAMES.get(_PLACES.sub(":rows", sql), sql)

"""Brings a store file to this code's schema, one numbered file of `migrations/` after the other.

Each is applied in one transaction together with the row that remembers it: it is there whole or not at all.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.core.errors import NeedsOperator

_FOLDER: Final = Path(__file__).parent / "migrations"
_OURS: Final = 0x48524143  # SQLite's application_id: tells a file of ours from any other database

_REMEMBERED: Final = """
CREATE TABLE IF NOT EXISTS migrations (
    number      INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    applied_at  REAL NOT NULL
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str


def load_migrations(folder: Path = _FOLDER) -> Sequence[Migration]:
    """In order of their numbers, which count from 1 without a gap."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        number, _, name = path.stem.partition("_")
        found.append(Migration(number=int(number), name=name, sql=path.read_text(encoding="utf-8")))
    assert [m.number for m in found] == list(range(1, len(found) + 1)), "migrations count from 1 without a gap"
    return found


def migrate(db: sqlite3.Connection, path: Path, *, now: float, migrations: Sequence[Migration]) -> None:
    """Applies what is missing. Raises NeedsOperator for a newer file, and for one that is not ours."""
    _refuse_foreign(db, path)
    for migration in migrations[_applied_and_known(db, path, migrations) :]:
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute(f"PRAGMA application_id = {_OURS}")
            db.execute(_REMEMBERED)
            for statement in _statements(migration.sql):
                db.execute(statement)
            db.execute("INSERT INTO migrations VALUES (?, ?, ?)", (migration.number, migration.name, now))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def refuse_other_schema(db: sqlite3.Connection, path: Path, *, migrations: Sequence[Migration]) -> None:
    """For readers, which change nothing. Raises NeedsOperator unless the file has exactly this code's schema."""
    _refuse_foreign(db, path)
    applied = _applied_and_known(db, path, migrations)
    if applied < len(migrations):
        raise NeedsOperator(
            f"store file {path} has schema {applied}, and this version reads {len(migrations)}; "
            "start the gateway once with this version: it brings the file up to date",
            file=str(path),
            schema=applied,
        )


def _refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    empty = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if not empty and db.execute("PRAGMA application_id").fetchone()[0] != _OURS:
        raise NeedsOperator(
            f"{path} is a database of some other program, not a store of headrace; name another file",
            file=str(path),
        )


def _applied_and_known(db: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> int:
    if db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'migrations'").fetchone()[0] == 0:
        return 0
    applied: int = db.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()[0]
    if applied > len(migrations):
        raise NeedsOperator(
            f"store file {path} has schema {applied}, written by a newer version; this one knows up to "
            f"{len(migrations)}: run the newer version, or restore a backup from before the update",
            file=str(path),
            schema=applied,
        )
    return applied


def _statements(script: str) -> Iterator[str]:
    # sqlite3's own executescript commits first, and we are inside a transaction.
    gathered = ""
    for line in script.splitlines(keepends=True):
        gathered += line
        if sqlite3.complete_statement(gathered):
            yield gathered
            gathered = ""
    assert not gathered.strip() or all(rest.startswith("--") for rest in gathered.split("\n") if rest), gathered

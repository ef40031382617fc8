"""Opens SQLite files the one way we use them, and says in words what is wrong with them.

Owns      the pragmas, and which of SQLite's errors are a person's business.
Promises  a commit that returned is on the disk (WAL, synchronous=FULL).
Leaves    who may write to `store.lock`, when to commit to `store.writer`.
"""

import sqlite3
from pathlib import Path
from typing import Final

from headrace.core.errors import NeedsOperator, TryLater

_BUSY_TIMEOUT_S: Final = 5.0  # somebody may have the file open in a console
_CACHE_KIB: Final = 16 * 1024  # of who writes: a group of changes should fit, or it is written twice
# Of who reads: what waits is little and soon asked for again, a single operation seldom. A large one fills up for
# minutes, and looks like a leak.
_READ_CACHE_KIB: Final = 2 * 1024
_WAL_KEPT_BYTES: Final = 64 * 1024 * 1024  # after a burst, give the rest of the log file back to the disk

_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})

# Primary result codes that speak of the file or the machine, not of the statement: all that shared the
# transaction is lost with it. Anything else concerns one job.
_ABOUT_THE_FILE: Final = {
    sqlite3.SQLITE_FULL: "free space on its disk; what was not saved will be asked for again",
    sqlite3.SQLITE_IOERR: "check its disk and its limits (dmesg, df, ulimit -f)",
    sqlite3.SQLITE_CORRUPT: "stop, keep a copy of the file, and restore it from a backup",
    sqlite3.SQLITE_NOTADB: "name another file: this one is no database",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable for this user",
    sqlite3.SQLITE_CANTOPEN: "check that its folder exists and that this user may read and write there",
    sqlite3.SQLITE_PERM: "make the file and its folder writable for this user",
    sqlite3.SQLITE_NOMEM: "give this process more memory",
    **dict.fromkeys(_LOCKED, "another program keeps it locked: close it"),
}


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection for one thread at a time, transactions by hand. Raises NeedsOperator naming the file."""
    mode = "ro" if read_only else "rwc"
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
    except sqlite3.Error as error:
        raise file_trouble(path, error) from error
    try:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA foreign_keys = ON")
        db.execute(f"PRAGMA cache_size = -{_READ_CACHE_KIB if read_only else _CACHE_KIB}")
        if read_only:
            db.execute("PRAGMA query_only = ON")
        else:
            _write_ahead(db, path)
    except sqlite3.Error as error:
        db.close()
        raise file_trouble(path, error) from error
    except BaseException:
        db.close()
        raise
    return db


def _write_ahead(db: sqlite3.Connection, path: Path) -> None:
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise NeedsOperator(
            f"store file {path}: no write-ahead log is possible there (journal mode stays {mode}); "
            "put it on a local disk",
            file=str(path),
        )
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")


def concerns_the_file(error: BaseException) -> bool:
    """Whether the file or the machine is the trouble, rather than one statement."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) in _ABOUT_THE_FILE


def is_locked(error: sqlite3.Error) -> bool:
    """Whether somebody else stands in the way, who will go away."""
    return _primary_code(error) in _LOCKED


def trouble_at_work(path: Path, error: sqlite3.Error) -> NeedsOperator | TryLater:
    """In an open store: a lock passes, everything else needs a person."""
    trouble = file_trouble(path, error)
    if is_locked(error):
        return TryLater(trouble.message, retry_after_s=_BUSY_TIMEOUT_S, **trouble.data)
    return trouble


def file_trouble(path: Path, error: sqlite3.Error) -> NeedsOperator:
    """The same in words for a person: which file, what is wrong, what to do."""
    code = _primary_code(error)
    advice = _ABOUT_THE_FILE.get(code, "see the log of this service") if code is not None else "see the log"
    return NeedsOperator(f"store file {path}: {error}; {advice}", file=str(path), reason=str(error))


def _primary_code(error: sqlite3.Error) -> int | None:
    # Errors of the Python layer itself (a closed connection) carry no code.
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF

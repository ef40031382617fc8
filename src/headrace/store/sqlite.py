"""The store in one SQLite file: every port of it over one writer and one reader. Opens and closes them.

Promises  one process writes to a file at a time; a second one is refused at once, and may read.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from headrace.core.errors import NeedsOperator
from headrace.core.ports import Clock
from headrace.store.checkpoints import Checkpoints
from headrace.store.claim_runs import SqliteClaimRuns
from headrace.store.connection import connect, file_trouble
from headrace.store.evaluations import EvaluationReading, SqliteEvaluations
from headrace.store.job_reading import JobReading
from headrace.store.jobs import SqliteJobs
from headrace.store.lanes import SqliteLanes
from headrace.store.lock import hold_lock
from headrace.store.machinery import Machinery
from headrace.store.migrating import load_migrations, migrate, refuse_other_schema
from headrace.store.operations import SqliteOperations
from headrace.store.reader import ReadThread
from headrace.store.reading import SqliteReader
from headrace.store.transactions import SqliteTransactions
from headrace.store.writer import Writer

_ERRANDS_WAITING_MAX: Final = 10_000
_READS_WAITING_MAX: Final = 10_000


class SqliteStore(
    SqliteOperations, SqliteTransactions, SqliteLanes, SqliteEvaluations, SqliteJobs, SqliteClaimRuns, SqliteReader
):
    """OperationStore, TransactionStore, LaneStore, EvaluationStore, JobStore, ClaimRunStore and Reader of
    `core.ports`."""

    def __init__(self, writer: Writer, reader: ReadThread, clock: Clock) -> None:
        Machinery.__init__(self, writer, reader, clock)
        SqliteReader.__init__(self, reader)


class StoreReader(SqliteReader, EvaluationReading, JobReading):
    """All that can be read, for those who do not write."""


@asynccontextmanager
async def open_store(
    path: Path, *, clock: Clock, errands_waiting_max: int = _ERRANDS_WAITING_MAX
) -> AsyncIterator[SqliteStore]:
    """Makes or updates the file, and holds it until everything accepted is saved. Raises NeedsOperator naming
    the file: in use by another process (`data["holder"]` is its pid), written by a newer version, not ours, or not
    writable."""
    _make_folder(path)
    with hold_lock(path):
        db = await asyncio.to_thread(_open_for_writing, path, clock.now())
        checkpoints = Checkpoints(db, path)
        writer = Writer(db, path, errands_waiting_max=errands_waiting_max, committed=checkpoints.committed)
        try:
            async with _reading(path) as reader:
                yield SqliteStore(writer, reader, clock)
        finally:
            checkpoints.close()
            await writer.close()


@asynccontextmanager
async def open_reader(path: Path) -> AsyncIterator[StoreReader]:
    """Reads a store file beside a running gateway, or after it died. Raises NeedsOperator naming the file if
    there is none, or if it has another schema than this code."""
    async with _reading(path) as reader:
        yield StoreReader(reader)


@asynccontextmanager
async def _reading(path: Path) -> AsyncIterator[ReadThread]:
    db = await asyncio.to_thread(_open_for_reading, path)
    reader = ReadThread(db, path, errands_waiting_max=_READS_WAITING_MAX)
    try:
        yield reader
    finally:
        await reader.close()


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NeedsOperator(
            f"store file {path}: its folder cannot be made ({error.strerror}); make it, or name another",
            file=str(path),
        ) from error


def _open_for_writing(path: Path, now: float) -> sqlite3.Connection:
    db = connect(path)
    try:
        migrate(db, path, now=now, migrations=load_migrations())
    except sqlite3.Error as error:
        db.close()
        raise file_trouble(path, error) from error
    except BaseException:
        db.close()
        raise
    return db


def _open_for_reading(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise NeedsOperator(
            f"there is no store file {path}; name the one in the gateway's settings, or start the gateway once",
            file=str(path),
        )
    db = connect(path, read_only=True)
    try:
        refuse_other_schema(db, path, migrations=load_migrations())
    except sqlite3.Error as error:
        db.close()
        raise file_trouble(path, error) from error
    except BaseException:
        db.close()
        raise
    return db

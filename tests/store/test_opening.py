"""Who may open a store file, and what is said to the others."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.core.errors import NeedsOperator
from headrace.core.ports import Added
from headrace.core.words import OperationId
from headrace.store import open_reader, open_store
from headrace.store.adding import add_all
from headrace.store.connection import connect
from headrace.store.lock import lock_path
from headrace.store.migrating import Migration, load_migrations, migrate, refuse_other_schema
from headrace.store.queries import load_queries
from store.made import CHAIN, LANE, NOW, StillClock, an_operation
from store.opened import migrated

OPEN_IN_ANOTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from store.made import StillClock
from headrace.core.errors import NeedsOperator
from headrace.store import open_store

async def main():
    try:
        async with open_store(Path(sys.argv[1]), clock=StillClock()):
            print("opened")
    except NeedsOperator as error:
        print(error.data["holder"], error.message)

asyncio.run(main())
"""


def another_process(path: Path) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    done = subprocess.run(
        [sys.executable, "-c", OPEN_IN_ANOTHER_PROCESS, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "headrace.db"


async def test_a_second_process_is_refused_and_told_who_holds_the_file(path: Path) -> None:
    async with open_store(path, clock=StillClock()):
        said = await asyncio.to_thread(another_process, path)
    assert said.startswith(f"{os.getpid()} store file {path} is in use by process {os.getpid()}")
    assert "stop that process" in said
    assert (await asyncio.to_thread(another_process, path)).strip() == "opened"


async def test_a_second_open_in_the_same_process_is_refused(path: Path, tmp_path: Path) -> None:
    other_name = tmp_path / "other name.db"
    async with open_store(path, clock=StillClock()):
        other_name.symlink_to(path)
        for name in (path, other_name):
            with pytest.raises(NeedsOperator, match="in use by process"):
                async with open_store(name, clock=StillClock()):
                    pass
    async with open_store(other_name, clock=StillClock()):
        pass


async def test_a_lock_left_by_a_dead_process_holds_nobody_up(path: Path) -> None:
    lock_path(path).write_text("999999\n")
    async with open_store(path, clock=StillClock()):
        assert lock_path(path).read_text() == f"{os.getpid()}\n"
    assert lock_path(path).read_text() == ""


async def test_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "headrace.db"
    async with open_store(path, clock=StillClock()):
        assert path.is_file()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "headrace.db"
    with pytest.raises(NeedsOperator, match="its folder cannot be made"):
        async with open_store(path, clock=StillClock()):
            pass


async def test_a_commit_is_on_the_disk(path: Path) -> None:
    async with open_store(path, clock=StillClock()) as store:

        def pragmas(db: sqlite3.Connection) -> list[object]:
            names = ("journal_mode", "synchronous", "foreign_keys")
            return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

        assert await store._writer.run(pragmas) == ["wal", 2, 1]  # 2 is FULL


async def test_a_reader_looks_on_while_the_gateway_writes(path: Path) -> None:
    async with open_store(path, clock=StillClock()) as store, open_reader(path) as reader:
        assert await reader.account(OperationId("a")) is None
        await store.add_operations([an_operation("a")])
        found = await reader.account(OperationId("a"))
        assert found is not None and found.operation == an_operation("a")
    async with open_reader(path) as reader:
        assert (await reader.counts())["queued"] == 1


async def test_a_reader_changes_nothing(path: Path) -> None:
    migrated(path).close()
    async with open_reader(path) as reader:
        with pytest.raises(NeedsOperator, match="readonly"):
            await reader._reader.run(lambda db: db.execute("DELETE FROM notes").close())
        assert await reader.lines("x") == []


async def test_a_reader_needs_a_file(path: Path) -> None:
    with pytest.raises(NeedsOperator, match="there is no store file"):
        async with open_reader(path):
            pass
    assert not await asyncio.to_thread(path.exists)


async def test_a_reader_wants_exactly_its_schema(path: Path) -> None:
    migrated(path).close()
    db = sqlite3.connect(path)
    newest = len(load_migrations())
    with db:
        db.execute("DELETE FROM migrations")
    with pytest.raises(NeedsOperator, match=f"has schema 0, and this version reads {newest}; start the gateway"):
        async with open_reader(path):
            pass
    with db:
        db.execute("INSERT INTO migrations VALUES (?, 'future', 1.0)", (newest + 1,))
    with pytest.raises(NeedsOperator, match=f"has schema {newest + 1}, written by a newer version"):
        async with open_reader(path):
            pass
    db.close()


async def test_a_newer_file_is_refused_and_left_alone(path: Path) -> None:
    db = migrated(path)
    db.execute("INSERT INTO migrations VALUES (9999, 'future', 1.0)")
    db.close()
    with pytest.raises(NeedsOperator, match="has schema 9999, written by a newer version") as refused:
        async with open_store(path, clock=StillClock()):
            pass
    assert refused.value.data["file"] == str(path)
    with pytest.raises(NeedsOperator, match="newer"):  # and nobody was left holding the lock
        async with open_store(path, clock=StillClock()):
            pass


async def test_a_database_of_another_program_is_refused(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE things (id)")
    db.close()
    for opened in (open_store(path, clock=StillClock()), open_reader(path)):
        with pytest.raises(NeedsOperator, match="some other program"):
            async with opened:
                pass
    db = sqlite3.connect(path)
    assert [row[0] for row in db.execute("SELECT name FROM sqlite_schema")] == ["things"]
    db.close()


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    await asyncio.to_thread(path.write_bytes, b"no database at all, but long enough to be looked at " * 40)
    for opened in (open_store(path, clock=StillClock()), open_reader(path)):
        with pytest.raises(NeedsOperator, match="not a database"):
            async with opened:
                pass


def test_migrations_from_an_empty_file_and_again(path: Path) -> None:
    db = migrated(path)
    remembered = db.execute("SELECT number, name, applied_at FROM migrations").fetchall()
    assert [tuple(row) for row in remembered] == [(m.number, m.name, NOW) for m in load_migrations()]
    migrate(db, path, now=NOW + 1, migrations=load_migrations())
    assert db.execute("SELECT count(*), max(applied_at) FROM migrations").fetchone()[:] == (len(remembered), NOW)
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    db.close()


def test_a_later_migration_keeps_what_is_there(path: Path) -> None:
    db = migrated(path)
    db.execute("INSERT INTO notes (at, subject, text) VALUES (1.0, 's', 'old')")
    known = load_migrations()
    following = Migration(len(known) + 1, "mood", "ALTER TABLE notes ADD COLUMN mood TEXT;\n")
    migrate(db, path, now=NOW, migrations=[*known, following])
    assert tuple(db.execute("SELECT text, mood FROM notes").fetchone()) == ("old", None)
    refuse_other_schema(db, path, migrations=[*known, following])
    with pytest.raises(NeedsOperator, match="newer"):
        migrate(db, path, now=NOW, migrations=known)
    db.close()


def test_a_store_whose_indexes_were_others_has_what_it_had(path: Path) -> None:
    db, operations = connect(path), load_queries("operations")
    migrate(db, path, now=NOW, migrations=load_migrations()[:5])
    add_all(db, [an_operation("queued"), an_operation("rests"), an_operation("first")], now=NOW)
    add_all(db, [an_operation("waits", after=OperationId("first"))], now=NOW)
    db.execute("UPDATE operations SET not_before = 5.0 WHERE id IN ('rests', 'waits')")
    migrate(db, path, now=NOW, migrations=load_migrations())
    asked = {"chain": CHAIN, "lane": LANE, "workloads": '["tasks"]', "now": 5.0, "head": None, "ready_most": 9}
    assert tuple(db.execute(operations["what_waits"], asked).fetchone()) == (3, 4, 0)
    assert db.execute(operations["wake_rested"], {"now": 5.0}).rowcount == 2
    same = an_operation("same", subject=an_operation("queued").subject)
    assert add_all(db, [same, an_operation("new")], now=NOW) == [Added.SUBJECT_TAKEN, Added.FRESH]
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    db.close()


def test_a_migration_that_fails_leaves_no_trace(path: Path) -> None:
    db = migrated(path)
    known = load_migrations()
    broken = Migration(len(known) + 1, "broken", "CREATE TABLE half (id);\nINSERT INTO nothing VALUES (1);\n")
    with pytest.raises(sqlite3.OperationalError, match="nothing"):
        migrate(db, path, now=NOW, migrations=[*known, broken])
    assert db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone()[0] == 0
    refuse_other_schema(db, path, migrations=known)
    db.close()

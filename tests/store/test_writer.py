"""Group commit: shared by those who queued together, and nobody pays for a neighbour."""

import asyncio
import resource
import sqlite3
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import NeedsOperator, TryLater
from headrace.core.ports import Note
from headrace.core.words import OperationId
from headrace.store import open_store
from headrace.store.connection import connect
from headrace.store.endings import add_notes
from headrace.store.writer import Writer
from store.made import NOW, StillClock, an_operation
from store.opened import migrated


class Watched:
    """A writer, and every statement that its connection ran."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self.statements: list[str] = []
        self.path = path
        db.set_trace_callback(self.statements.append)
        self.db = db
        self.writer = Writer(db, path, errands_waiting_max=200)

    def commits(self) -> int:
        return self.statements.count("COMMIT")

    async def noted(self, text: str) -> None:
        await self.writer.run(lambda db: add_notes(db, [Note(subject="s", text=text)], at=NOW), refusable=True)

    def saved(self) -> list[str]:
        """As another connection sees it."""
        db = connect(self.path, read_only=True)
        try:
            return [row["text"] for row in db.execute("SELECT text FROM notes ORDER BY seq")]
        finally:
            db.close()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """The writer's thread stands inside a job of its own, so that others queue behind it."""
        entered, leave = threading.Event(), threading.Event()

        def stand(_: sqlite3.Connection) -> None:
            entered.set()
            assert leave.wait(30)

        standing = asyncio.ensure_future(self.writer.run(stand))
        assert await asyncio.to_thread(entered.wait, 30)
        try:
            yield
        finally:
            leave.set()
            await standing


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    path = tmp_path / "headrace.db"
    watched = Watched(migrated(path), path)
    yield watched
    await watched.writer.close()


async def queued(*works: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    """Each of them has been handed to the writer."""
    tasks = [asyncio.create_task(work) for work in works]
    await asyncio.sleep(0)
    return tasks


async def test_who_queued_during_a_commit_shares_the_next_one(watched: Watched) -> None:
    async with watched.held():
        before = watched.commits()
        tasks = await queued(*(watched.noted(f"{i}") for i in range(100)))
    await asyncio.gather(*tasks)
    assert watched.commits() - before == 2  # the one that ran, and one for the hundred
    assert watched.saved() == [f"{i}" for i in range(100)]


async def test_nobody_hears_yes_before_it_is_on_the_disk(watched: Watched) -> None:
    async with watched.held():
        [task] = await queued(watched.noted("mine"))
        assert not task.done()
        assert watched.saved() == []
    await task
    assert watched.saved() == ["mine"]


async def test_a_failing_job_fails_alone(watched: Watched) -> None:
    def half_done(db: sqlite3.Connection) -> None:
        add_notes(db, [Note(subject="s", text="half")], at=NOW)
        db.execute("INSERT INTO lanes (chain, lane, start_nonce) VALUES (1, zeroblob(20), -1)")

    def mistaken(db: sqlite3.Connection) -> None:
        add_notes(db, [Note(subject="s", text="half")], at=NOW)
        raise KeyError("our own")

    async with watched.held():
        before = watched.commits()
        tasks = await queued(
            watched.noted("before"),
            watched.writer.run(half_done),
            watched.noted("between"),
            watched.writer.run(mistaken),
            watched.writer.run(lambda db: db.execute("SELECT nonsense").close()),
            watched.noted("after"),
        )
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [
        type(None),
        sqlite3.IntegrityError,
        type(None),
        KeyError,
        sqlite3.OperationalError,
        type(None),
    ]
    assert watched.saved() == ["before", "between", "after"]
    assert watched.commits() - before == 2


def note_all(db: sqlite3.Connection, texts: Sequence[str]) -> list[int | Exception]:
    """How many came together; a refusal for "refused"; "mistaken" spoils it for all of them."""
    add_notes(db, [Note(subject="s", text=text) for text in texts if text != "refused"], at=NOW)
    if "mistaken" in texts:
        raise KeyError("our own")
    return [FileExistsError(text) if text == "refused" else len(texts) for text in texts]


async def asked_together(watched: Watched, *texts: str) -> list[int | BaseException]:
    async with watched.held():
        tasks = [asyncio.ensure_future(watched.writer.run_with_others(note_all, text)) for text in texts]
        other = asyncio.ensure_future(watched.noted("other"))
        await asyncio.sleep(0)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await other
    return answers


async def test_work_that_many_ask_for_is_done_for_all_of_them_at_once(watched: Watched) -> None:
    assert await asked_together(watched, "a", "b", "c") == [3, 3, 3]
    assert watched.saved() == ["a", "b", "c", "other"]
    assert not [sql for sql in watched.statements if sql.startswith("SAVEPOINT")]


async def test_one_of_many_that_is_refused_is_refused_alone(watched: Watched) -> None:
    first, refused, last = await asked_together(watched, "a", "refused", "c")
    assert (first, last) == (3, 3) and isinstance(refused, FileExistsError)
    assert watched.saved() == ["a", "c", "other"]


async def test_one_of_many_that_fails_is_undone_alone_and_the_others_are_done_each_for_itself(
    watched: Watched,
) -> None:
    first, mistaken, last = await asked_together(watched, "a", "mistaken", "c")
    assert (first, last) == (1, 1) and isinstance(mistaken, KeyError)
    assert watched.saved() == ["a", "c", "other"]


async def test_who_hung_up_is_left_out_of_what_is_done_for_many(watched: Watched) -> None:
    async with watched.held():
        tasks = [asyncio.ensure_future(watched.writer.run_with_others(note_all, text)) for text in "abc"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
    assert await asyncio.gather(tasks[0], tasks[2]) == [2, 2]
    assert watched.saved() == ["a", "c"]


async def test_a_cancelled_caller_leaves_nothing_half(watched: Watched) -> None:
    async with watched.held():
        tasks = await queued(*(watched.noted(text) for text in ("first", "cancelled", "last")))
        tasks[1].cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert watched.saved() == ["first", "last"]


async def test_a_full_queue_says_try_later(watched: Watched) -> None:
    async with watched.held():
        tasks = await queued(*(watched.noted(f"{i}") for i in range(200)))
        with pytest.raises(TryLater, match="200 errands waiting"):
            await watched.noted("too many")
    await asyncio.gather(*tasks)
    await watched.noted("now")
    assert len(watched.saved()) == 201


async def test_closing_works_off_what_was_accepted(tmp_path: Path) -> None:
    path = tmp_path / "headrace.db"
    watched = Watched(migrated(path), path)
    async with watched.held():
        tasks = await queued(*(watched.noted(f"{i}") for i in range(50)))
        closing = asyncio.ensure_future(watched.writer.close())
        await asyncio.sleep(0)
        with pytest.raises(TryLater, match="closing"):
            await watched.noted("late")
    await closing
    await asyncio.gather(*tasks)
    assert len(watched.saved()) == 50


async def test_closing_the_store_keeps_what_was_accepted(tmp_path: Path) -> None:
    path = tmp_path / "headrace.db"
    async with open_store(path, clock=StillClock()) as store:
        adding = [asyncio.ensure_future(store.add_operations([an_operation(f"{i}")])) for i in range(50)]
        await asyncio.sleep(0)
    await asyncio.gather(*adding)
    async with open_store(path, clock=StillClock()) as store:
        assert (await store.counts())["queued"] == 50


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """What a full disk does to a write, without filling a disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_failed_commit_fails_its_group_and_the_next_one_succeeds(watched: Watched) -> None:
    await watched.noted("before")
    log = watched.path.with_name(watched.path.name + "-wal")
    with no_file_grows_beyond(log.stat().st_size):
        answers = await asyncio.gather(watched.noted("a"), watched.noted("b"), return_exceptions=True)
    for answer in answers:
        assert isinstance(answer, NeedsOperator)
        assert str(watched.path) in answer.message and "disk" in answer.message
        assert answer.data["file"] == str(watched.path)
    await watched.noted("after")
    assert watched.saved() == ["before", "after"]


async def test_a_full_database_fails_all_that_share_the_transaction(watched: Watched) -> None:
    pages = watched.db.execute("PRAGMA page_count").fetchone()[0]
    await watched.noted("before")
    await watched.writer.run(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 2}").close())
    async with watched.held():
        tasks = await queued(watched.noted("small"), watched.noted("y" * 100_000))
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [NeedsOperator, NeedsOperator]
    assert "full" in str(answers[0])
    await watched.writer.run(lambda db: db.execute("PRAGMA max_page_count = 1000000").close())
    await watched.noted("room again")
    assert watched.saved() == ["before", "room again"]


@asynccontextmanager
async def a_console(watched: Watched) -> AsyncIterator[sqlite3.Connection]:
    """Somebody with the file open, who has begun to write. Whoever finds it locked is told at once."""
    await watched.writer.run(lambda db: db.execute("PRAGMA busy_timeout = 0").close())
    console = connect(watched.path)
    try:
        console.execute("BEGIN IMMEDIATE")
        yield console
    finally:
        console.close()


async def test_a_console_that_lets_go_in_time_only_delays_a_commit(watched: Watched) -> None:
    async with a_console(watched) as console:
        tries = []

        def let_go_at_the_third(statement: str) -> None:
            if statement == "BEGIN IMMEDIATE":
                tries.append(statement)
                if len(tries) == 3:
                    console.execute("ROLLBACK")

        watched.db.set_trace_callback(let_go_at_the_third)
        await asyncio.gather(*(watched.noted(f"{i}") for i in range(3)))
    assert len(tries) >= 3
    assert watched.saved() == ["0", "1", "2"]


async def test_a_console_that_does_not_let_go_is_try_later_and_then_all_is_well(watched: Watched) -> None:
    async with a_console(watched) as console:
        answers = await asyncio.gather(*(watched.noted(f"{i}") for i in range(3)), return_exceptions=True)
        for answer in answers:
            assert isinstance(answer, TryLater)
            assert str(watched.path) in answer.message and "locked" in answer.message
        console.execute("ROLLBACK")
        await watched.noted("after")
    assert watched.saved() == ["after"]


async def test_a_store_that_is_locked_waits_for_the_console(tmp_path: Path) -> None:
    """As it is opened by the gateway, with its own patience."""
    path = tmp_path / "headrace.db"
    async with open_store(path, clock=StillClock()) as store:
        console = connect(path)
        console.execute("BEGIN IMMEDIATE")
        begun, db = threading.Event(), store._writer._db
        db.set_trace_callback(lambda statement: begun.set() if statement == "BEGIN IMMEDIATE" else None)
        adding = asyncio.ensure_future(store.add_operations([an_operation("a")]))
        assert await asyncio.to_thread(begun.wait, 30)
        assert await store.account(OperationId("a")) is None  # reading goes on meanwhile
        console.execute("ROLLBACK")
        console.close()
        await adding
        assert await store.account(OperationId("a")) is not None


async def test_reading_does_not_wait_for_a_commit(tmp_path: Path) -> None:
    async with open_store(tmp_path / "headrace.db", clock=StillClock()) as store:
        await store.add_operations([an_operation("a")])
        entered, leave = threading.Event(), threading.Event()

        def stand(db: sqlite3.Connection) -> None:
            db.execute("UPDATE operations SET reason = 'not committed'")
            entered.set()
            assert leave.wait(30)

        standing = asyncio.ensure_future(store._writer.run(stand))
        assert await asyncio.to_thread(entered.wait, 30)
        found = await store.account(OperationId("a"))
        assert found is not None and found.reason == ""
        leave.set()
        await standing
        found = await store.account(OperationId("a"))
        assert found is not None and found.reason == "not committed"

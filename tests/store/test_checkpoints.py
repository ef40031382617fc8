"""What is committed gets into the database file without anybody's commit waiting for it."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from headrace.core.words import OperationId
from headrace.store import checkpoints, open_store
from headrace.testing.clock import HandClock
from store.made import an_operation
from store.opened import migrated


def in_the_file_alone(path: Path, folder: Path) -> int:
    """Operations that a copy of the database without its log has."""
    copy = folder / "copy.db"
    copy.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(copy)) as db:
        try:
            count: int = db.execute("SELECT count(*) FROM operations").fetchone()[0]
        except sqlite3.DatabaseError:
            return 0  # copied before its tables were moved there, or in the middle of a move
    return count


async def test_what_is_committed_is_moved_while_nobody_writes(tmp_path: Path) -> None:
    path, copies = tmp_path / "headrace.db", tmp_path / "copies"
    copies.mkdir()
    async with open_store(path, clock=HandClock()) as store:
        await store.add_operations([an_operation("one"), an_operation("two")])
        async with asyncio.timeout(20):
            while in_the_file_alone(path, copies) < 2:  # noqa: ASYNC110 - another thread does it, when it likes
                await asyncio.sleep(0.01)
        await store.add_operations([an_operation("three")])
        async with asyncio.timeout(20):
            while in_the_file_alone(path, copies) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_reader_in_the_way_hinders_no_commit(tmp_path: Path) -> None:
    path = tmp_path / "headrace.db"
    async with open_store(path, clock=HandClock()) as store:
        await store.add_operations([an_operation("one")])
        with closing(migrated(path)) as reading:
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM operations").fetchone()
            for index in range(20):
                await store.add_operations([an_operation(f"more {index}")])
            assert await store.account(OperationId("more 19")) is not None
            reading.execute("COMMIT")


def test_who_closes_in_the_very_moment_before_a_move_is_not_kept_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PACE_S", 0.001)
    path = tmp_path / "headrace.db"
    with closing(migrated(path)) as db:
        moves = checkpoints.Checkpoints(db, path)
        closes = threading.Thread(target=moves.close, daemon=True)

        class ClosedBeforeItIsCleared(threading.Event):
            def clear(self) -> None:
                closes.start()
                self.wait()  # `close` has called
                super().clear()

        waited_for, moves._wanted = moves._wanted, ClosedBeforeItIsCleared()
        waited_for.set()
        moves._thread.join(20)
        assert not moves._thread.is_alive()
        closes.join(20)


@pytest.mark.parametrize(
    ("took_s", "pause_s"), [(0.0, 0.02), (0.001, 0.02), (0.004, 0.02), (0.01, 0.04), (0.5, 2.0)]
)
def test_moves_come_often_and_take_a_fifth_of_the_time_at_most(took_s: float, pause_s: float) -> None:
    pause = checkpoints.pause_after(took_s)
    assert pause >= pause_s - 1e-9
    assert took_s <= 0.2 * (took_s + pause) + 1e-9


async def test_a_store_that_is_closed_leaves_one_file(tmp_path: Path) -> None:
    path = tmp_path / "headrace.db"
    async with open_store(path, clock=HandClock()) as store:
        await store.add_operations([an_operation("one")])
    assert not path.with_name(path.name + "-wal").exists()
    assert in_the_file_alone(path, tmp_path) == 1

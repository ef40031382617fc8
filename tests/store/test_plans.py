"""Work stays flat: no statement reads a table from end to end, and no backlog slows a batch down."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from headrace.core.operation import Operation
from headrace.core.transaction import Settled
from headrace.core.words import OperationId
from headrace.store.adding import add_all
from headrace.store.endings import write_fates
from headrace.store.ledger import record, seal, settle
from headrace.store.queries import load_queries
from headrace.store.row_sets import for_rows
from store.made import CHAIN, LANE, NOW, a_follower, an_operation, in_flight, landed, mined, returned
from store.opened import migrated

FILES = ("operations", "endings", "transactions", "evaluations", "reading", "jobs", "claim_runs")
STATEMENTS = [(file, name) for file in FILES for name in load_queries(file)]
BACKLOG = 20_000
BATCH = 100
PAGE_BYTES, FRAME_HEADER_BYTES = 4096, 24

# Small by nature, or an index that holds nothing but what is asked for.
MAY_SCAN = re.compile(
    r"SCAN (json_each|ids|members|returned) VIRTUAL"
    r"|SCAN \d+ CONSTANT ROWS|SCAN \(subquery-\d+\)$|SCAN (answers|changes)$"
    r"|SCAN CONSTANT ROW|SCAN l$|SCAN outcomes$"
    r"|SCAN evaluations USING INDEX evaluations_open"
    r"|SCAN operations USING COVERING INDEX operations_open"
    r"|SCAN claim_runs USING INDEX claim_runs_one_at_a_time"
    r"|SCAN operations USING INDEX operations_unknown_revert"
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    db = migrated(tmp_path / "headrace.db")
    yield db
    db.close()


@pytest.mark.parametrize(("file", "name"), STATEMENTS)
def test_every_statement_finds_its_rows_by_an_index(db: sqlite3.Connection, file: str, name: str) -> None:
    sql = load_queries(file)[name]
    values: dict[str, str | None] | list[None]
    if "VALUES :rows" in sql:
        width = max(int(column) for column in re.findall(r"column(\d+)", sql))
        sql, values = for_rows(sql, 4, width), [None] * 4 * width
    else:
        words = re.findall(r":(\w+)", sql)
        values = {word: "[]" if word in ("ids", "members", "lanes") else None for word in words}
    plan = [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    scans = [step for step in plan if step.startswith("SCAN") and not MAY_SCAN.search(step)]
    if name == "seal_if_nonce_is_free":
        # The check of a foreign key that SQLite skips while no constraint is violated: counted below.
        scans.remove("SCAN operations")
    assert scans == []


def test_every_statement_is_used() -> None:
    code = "\n".join(path.read_text() for path in (Path(__file__).parents[2] / "src/headrace/store").glob("*.py"))
    assert [name for _, name in STATEMENTS if f'"{name}"' not in code] == []


def steps(db: sqlite3.Connection, work: Callable[[], object]) -> int:
    """Instructions of SQLite's virtual machine that `work` takes, to the nearest ten."""
    taken = 0

    def tick() -> int:
        nonlocal taken
        taken += 10
        return 0

    db.set_progress_handler(tick, 10)
    try:
        work()
    finally:
        db.set_progress_handler(None, 10)
    return taken


def claim(db: sqlite3.Connection) -> list[OperationId]:
    queries = load_queries("operations")
    db.execute(queries["wake_rested"], {"now": NOW})
    values = {"chain": CHAIN, "lane": LANE, "workload": "tasks", "most": BATCH}
    rows = db.execute(queries["claim_oldest_queued"], values).fetchall()
    return [OperationId(row["id"]) for row in rows]


def one_batch(db: sqlite3.Connection, nonce: int) -> list[int]:
    """Steps of claim, seal, record and settle."""
    taken: list[int] = []
    ids: list[OperationId] = []
    flight = in_flight(nonce)
    settled = Settled(mined=mined(flight))
    taken.append(steps(db, lambda: ids.extend(claim(db))))
    assert len(ids) == BATCH
    taken.append(
        steps(
            db,
            lambda: seal(db, flight, chain=CHAIN, lane=LANE, workload="tasks", form="create", operations=ids),
        )
    )
    taken.append(steps(db, lambda: record(db, settled.mined, chain=CHAIN, lane=LANE, without_effect=[])))
    taken.append(
        steps(
            db,
            lambda: settle(db, settled, chain=CHAIN, lane=LANE, endings=landed(*ids), returns=[], now=NOW),
        )
    )
    return taken


def test_no_backlog_slows_a_batch_down(db: sqlite3.Connection) -> None:
    db.execute("BEGIN")
    add_all(db, [an_operation(f"first {i}") for i in range(BATCH)], now=NOW)
    alone = one_batch(db, 0)

    # Older than what comes next, and none of it may travel: at rest, waiting, of other chains and workloads.
    backlog: list[Operation] = [an_operation("head", workload="other")]
    backlog += [a_follower(f"waiting {i}", "head", subject=b"w%d" % i) for i in range(BACKLOG)]
    backlog += [an_operation(f"resting {i}") for i in range(BACKLOG // 4)]
    backlog += [an_operation(f"elsewhere {i}", workload="other") for i in range(BACKLOG // 4)]
    add_all(db, backlog, now=NOW)
    write_fates(db, [], [returned(f"resting {i}", not_before=NOW + 9) for i in range(BACKLOG // 4)], now=NOW)
    add_all(db, [an_operation(f"queued {i}") for i in range(BACKLOG)], now=NOW)

    behind = one_batch(db, 1)
    db.execute("COMMIT")
    for few, many in zip(alone, behind, strict=True):
        assert many <= few * 1.05 + 100, (alone, behind)


class Listening:
    """A connection that remembers the names of the statements it was given."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._names = {sql: name for file in FILES for name, sql in load_queries(file).items()}
        self.heard: list[str] = []

    def execute(self, sql: str, values: Mapping[str, Any]) -> sqlite3.Cursor:
        self.heard.append(self._names[sql])
        return self._db.execute(sql, values)

    def executemany(self, sql: str, values: Sequence[Mapping[str, Any]]) -> sqlite3.Cursor:
        self.heard.append(self._names[sql])
        return self._db.executemany(sql, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


def test_statements_are_per_batch_and_not_per_operation(db: sqlite3.Connection) -> None:
    add_all(db, [an_operation(f"{i}") for i in range(2 * BATCH)], now=NOW)
    listening = Listening(db)
    one_batch(listening, 0)  # type: ignore[arg-type]
    assert listening.heard == [
        "wake_rested",
        "claim_oldest_queued",
        "seal_if_nonce_is_free",
        "add_attempt",
        "seal_claimed_operations",
        "record_if_not_mined_before",
        "settle_if_mined_so_before",
        "end_unless_done",
    ]


def look_at(db: sqlite3.Connection, chain: int = CHAIN) -> sqlite3.Row:
    values = {"chain": chain, "lane": LANE, "workloads": '["tasks"]', "now": NOW, "head": 1, "ready_most": 10}
    row: sqlite3.Row = db.execute(load_queries("operations")["what_waits"], values).fetchone()
    return row


def test_a_long_queue_is_looked_at_for_no_more_than_a_short_one(db: sqlite3.Connection) -> None:
    db.execute("BEGIN")
    add_all(db, [an_operation(f"first {i}") for i in range(BATCH)], now=NOW)
    short = steps(db, lambda: look_at(db))
    add_all(db, [an_operation(f"queued {i}") for i in range(BACKLOG)], now=NOW)
    long = steps(db, lambda: look_at(db))
    look = look_at(db)
    db.execute("COMMIT")
    assert long <= short * 1.05
    assert (look["ready"], look["backlog"]) == (10, BATCH + BACKLOG)


def test_a_new_operation_is_written_into_few_pages(db: sqlite3.Connection, tmp_path: Path) -> None:
    def pages_in_the_log() -> int:
        return (tmp_path / "headrace.db-wal").stat().st_size // (PAGE_BYTES + FRAME_HEADER_BYTES)

    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("BEGIN")
    add_all(db, [an_operation(f"here {i}", deadline_block=9) for i in range(BACKLOG)], now=NOW)
    db.execute("COMMIT")
    before = pages_in_the_log()
    for index in range(BATCH):
        add_all(db, [an_operation(f"new {index}", deadline_block=9)], now=NOW)
    # Its row, its id, its subject, its places in the queue, among the open ones and by its deadline, the count; a
    # page is full now and then.
    assert (pages_in_the_log() - before) / BATCH <= 8.5

"""The database knows the rules too: what core would never write, SQLite refuses from anybody."""

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.core.operation import NEXT, Stage
from headrace.core.ports import Added
from headrace.core.words import ChainId, OperationId, Outcome
from headrace.store.adding import add_all
from headrace.store.ledger import record, seal
from store.made import CHAIN, LANE, an_attempt, an_operation, digest, in_flight, mined
from store.opened import migrated

OUTCOMES = {outcome.value for outcome in Outcome}
WRITE_STAGE = """
UPDATE operations SET
    stage = :stage,
    lane = CASE WHEN :stage IN ('claimed', 'sealed', 'done') THEN :lane END,
    batch_id = CASE WHEN :stage = 'sealed' THEN 'batch-0' END,
    position = CASE WHEN :stage = 'sealed' THEN 0 END,
    outcome = CASE WHEN :stage = 'done' THEN 'landed' END,
    done_at = CASE WHEN :stage = 'done' THEN 1.0 END
WHERE id = 'b'
"""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """With `a` sealed in batch-0 at nonce 0, and `b` queued, which comes after `a`."""
    db = migrated(tmp_path / "headrace.db")
    add_all(db, [an_operation("a")], now=1.0)
    db.execute("UPDATE operations SET stage = 'claimed', lane = ?", (LANE,))
    seal(
        db,
        in_flight(0),
        chain=CHAIN,
        lane=LANE,
        workload="tasks",
        form="create",
        operations=[OperationId("a")],
    )
    add_all(db, [an_operation("b", kind="respond", after=OperationId("a"))], now=1.0)
    db.execute("UPDATE operations SET stage = 'queued' WHERE id = 'b'")
    yield db
    db.close()


def the_path(start: Stage) -> list[Stage]:
    """A legal way from QUEUED to `start`."""
    return {
        Stage.WAITING: [Stage.WAITING],
        Stage.QUEUED: [],
        Stage.CLAIMED: [Stage.CLAIMED],
        Stage.SEALED: [Stage.CLAIMED, Stage.SEALED],
        Stage.DONE: [Stage.DONE],
    }[start]


@pytest.mark.parametrize(("start", "end"), list(itertools.permutations(Stage, 2)))
def test_the_database_allows_the_moves_of_core_and_no_other(
    db: sqlite3.Connection, start: Stage, end: Stage
) -> None:
    for stage in the_path(start):
        db.execute(WRITE_STAGE, {"stage": stage.value, "lane": LANE})
    if end in NEXT[start]:
        db.execute(WRITE_STAGE, {"stage": end.value, "lane": LANE})
        assert db.execute("SELECT stage FROM operations WHERE id = 'b'").fetchone()[0] == end.value
    else:
        with pytest.raises(sqlite3.IntegrityError, match=r"cannot make this move|never changes"):
            db.execute(WRITE_STAGE, {"stage": end.value, "lane": LANE})


@pytest.mark.parametrize(
    ("start", "end"), [(start, end) for start in Stage for end in Stage if end in NEXT[start]]
)
def test_the_backlog_is_counted_right_after_every_move(db: sqlite3.Connection, start: Stage, end: Stage) -> None:
    for stage in (*the_path(start), end):
        db.execute(WRITE_STAGE, {"stage": stage.value, "lane": LANE})
        neither = "SELECT count(*) FROM operations WHERE stage NOT IN ('sealed', 'done') AND chain = ?"
        here = db.execute(neither, (CHAIN,)).fetchone()[0]
        assert db.execute("SELECT chain, operations FROM backlogs").fetchall()[0][:] == (CHAIN, here)


def test_a_backlog_is_counted_for_each_chain(db: sqlite3.Connection) -> None:
    add_all(db, [an_operation(f"{i}", chain=ChainId(5)) for i in range(3)], now=1.0)
    db.execute("DELETE FROM operations WHERE id = '2'")
    assert dict(db.execute("SELECT chain, operations FROM backlogs").fetchall()) == {CHAIN: 1, 5: 2}


@pytest.mark.parametrize("outcome", sorted(OUTCOMES))
def test_a_subject_is_free_again_once_it_is_done(db: sqlite3.Connection, outcome: str) -> None:
    subject = an_operation("b").subject
    for number in range(3):
        again = an_operation(f"again {number}", kind="respond", subject=subject)
        assert add_all(db, [again], now=1.0) == [Added.SUBJECT_TAKEN]
        db.execute(
            "UPDATE operations SET stage = 'done', outcome = ?, done_at = 1.0, lane = ? WHERE stage = 'queued'",
            (outcome, LANE),
        )
        assert add_all(db, [again], now=1.0) == [Added.FRESH]
    assert db.execute("SELECT count(*) FROM operations WHERE subject = ?", (subject,)).fetchone()[0] == 4
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_the_words_of_the_database_are_the_words_of_core(db: sqlite3.Connection) -> None:
    assert {row[0] for row in db.execute("SELECT outcome FROM outcomes")} == OUTCOMES
    schema = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'operations'").fetchone()[0]
    for word in OUTCOMES | {stage.value for stage in Stage}:
        assert f"'{word}'" in schema


@pytest.mark.parametrize(
    "illegal",
    [
        "UPDATE operations SET stage = 'gone' WHERE id = 'b'",
        "UPDATE operations SET stage = 'done' WHERE id = 'b'",  # without an outcome
        "UPDATE operations SET outcome = 'landed', done_at = 1.0 WHERE id = 'b'",  # and not done
        "UPDATE operations SET stage = 'done', outcome = 'fine', done_at = 1.0 WHERE id = 'b'",
        "UPDATE operations SET stage = 'claimed' WHERE id = 'b'",  # by nobody
        "UPDATE operations SET lane = x'01' WHERE id = 'b'",
        "UPDATE operations SET batch_id = 'batch-0', position = 1 WHERE id = 'b'",  # and not sealed
        "UPDATE operations SET batch_id = NULL WHERE id = 'a'",  # and sealed
        "UPDATE operations SET batch_id = 'nothing' WHERE id = 'a'",
        "UPDATE operations SET position = NULL WHERE id = 'a'",
        "UPDATE operations SET not_before = 5.0 WHERE id = 'a'",
        "UPDATE operations SET revert_data = x'01' WHERE id = 'b'",
        "UPDATE operations SET revert_data = x'01', revert_args = '{' WHERE id = 'b'",
        "UPDATE operations SET revert_name = 'No' WHERE id = 'b'",
        "UPDATE operations SET retries = -1 WHERE id = 'b'",
        "UPDATE operations SET retries = 'many' WHERE id = 'b'",  # STRICT
        "UPDATE operations SET content = x'00' WHERE id = 'b'",
        "UPDATE operations SET subject = x'00' WHERE id = 'b'",
        "UPDATE operations SET after = NULL WHERE id = 'b'",
        "UPDATE operations SET payload = x'00' WHERE id = 'b'",
        "DELETE FROM operations WHERE id = 'a'",  # somebody comes after it
        "UPDATE transactions SET state = 'lost'",
        "UPDATE transactions SET state = 'mined'",  # by which attempt?
        "UPDATE transactions SET state = 'settled'",
        "UPDATE transactions SET state = 'taken'",
        "UPDATE transactions SET taken_since = 3",
        "UPDATE transactions SET nonce = 5",
        "UPDATE transactions SET batch_id = 'other'",
        "UPDATE transactions SET members = '[]'",
        "UPDATE transactions SET gas_limit = 1",
        "UPDATE transactions SET without_effect = '[\"a\"]'",  # and not mined
        "DELETE FROM transactions",
        "UPDATE attempts SET raw = x'00'",
        "UPDATE attempts SET hash = zeroblob(32)",
        "DELETE FROM attempts",
        "UPDATE lanes SET start_nonce = -1",
        "UPDATE transactions SET cancelled = 'maybe'",
    ],
)
def test_the_database_itself_refuses(db: sqlite3.Connection, illegal: str) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(illegal)


def test_a_winner_is_one_of_its_own_attempts(db: sqlite3.Connection) -> None:
    seal(db, in_flight(1, batch=None), chain=CHAIN, lane=LANE, workload="tasks", form="create", operations=[])
    stranger = mined(in_flight(0), gas_used=1)
    values: dict[str, Any] = {"winner": an_attempt(1).hash, "hash": stranger.block_hash}
    write = """
    UPDATE transactions SET state = 'mined', winner = :winner, block = 1, block_hash = :hash, ok = 1, gas_used = 1,
        gas_price_wei = 1, mined_at = 1.0
    WHERE nonce = 0
    """
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        db.execute(write, values)
    db.execute(write, values | {"winner": an_attempt(0).hash})


def test_a_lane_has_one_transaction_per_nonce(db: sqlite3.Connection) -> None:
    columns = "chain, lane, nonce, workload, form, members, gas_limit, state, sealed_at, reprice_at, blocks_fitted"
    values = columns.replace("members", "'[]'")
    copy = f"INSERT INTO transactions ({columns}) SELECT {values} FROM transactions"
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        db.execute(copy)


def test_an_attempt_belongs_to_a_transaction_and_pays_its_tip(db: sqlite3.Connection) -> None:
    add = "INSERT INTO attempts VALUES (?, ?, 9, ?, ?, 'batch', x'00')"
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        db.execute(add, (digest("new"), 99, 2, 1))
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        db.execute(add, (digest("new"), 1, 1, 2))
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        db.execute(add, (b"short", 1, 2, 1))


def test_what_is_final_or_done_never_changes(db: sqlite3.Connection) -> None:
    record(db, mined(in_flight(0)), chain=CHAIN, lane=LANE, without_effect=[])
    db.execute("UPDATE transactions SET state = 'settled', final_at = 1.0")
    db.execute("UPDATE operations SET stage = 'done', outcome = 'landed', done_at = 1.0 WHERE id = 'a'")
    for late in (
        "UPDATE transactions SET state = 'in_flight', final_at = NULL",
        "UPDATE transactions SET help_wanted = 'please'",
        "UPDATE operations SET outcome = 'rejected' WHERE id = 'a'",
        "UPDATE operations SET reason = 'other' WHERE id = 'a'",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="never changes"):
            db.execute(late)


def test_an_evaluation_is_concluded_once(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO evaluations VALUES (1, 'a', x'', x'', x'', x'', 1, 1.0, x'01')")
    with pytest.raises(sqlite3.IntegrityError, match="concluded once"):
        db.execute("UPDATE evaluations SET result = x'02'")


def test_a_drained_lane_seals_no_batch_whoever_writes(db: sqlite3.Connection) -> None:
    db.execute("UPDATE lanes SET drained_at = 1.0")
    columns = "chain, lane, workload, form, gas_limit, state, sealed_at, reprice_at, blocks_fitted"
    into = f"INSERT INTO transactions (nonce, batch_id, members, {columns})"
    copy = f"{into} SELECT nonce + ?, ?, ?, {columns} FROM transactions"
    with pytest.raises(sqlite3.IntegrityError, match="a drained lane seals no batch"):
        db.execute(copy, (1, "batch-1", '["a"]'))
    db.execute(copy, (1, None, "[]"))  # it fills a gap


def test_a_cancel_is_not_taken_back(db: sqlite3.Connection) -> None:
    for more in ("return", "end"):
        db.execute("UPDATE transactions SET cancelled = ?", (more,))
    for less in ("return", None):
        with pytest.raises(sqlite3.IntegrityError, match="not taken back"):
            db.execute("UPDATE transactions SET cancelled = ?", (less,))

"""The database knows the rules of jobs and payments too, and finds what is asked by an index."""

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.core import job as job_words
from headrace.core import settlement as settlement_words
from headrace.core.job import BEFORE_THE_LOCK, RUN_OVER, JobStatus
from headrace.core.settlement import PROVEN, SETTLED, SettlementState
from headrace.store.job_rows import job_values
from headrace.store.queries import load_queries
from store.made_jobs import a_job
from store.opened import migrated

SQL = load_queries("jobs")
NOT_LOCKED = (SettlementState.FREE, SettlementState.AWAITING_LOCK)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    db = migrated(tmp_path / "headrace.db")
    db.execute("BEGIN")  # one commit less for each of the many rows: none
    yield db
    db.close()


def put(db: sqlite3.Connection, status: JobStatus, settlement: SettlementState) -> None:
    """A row in exactly this state, legal or not; the checks are asked, not the triggers."""
    keep = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'jobs_kept_until_settled'").fetchone()[0]
    db.execute("DROP TRIGGER jobs_kept_until_settled")
    db.execute("DELETE FROM jobs")
    db.execute(keep)
    free = settlement is SettlementState.FREE
    columns = dict(job_values(a_job("a", free=free)))
    columns |= {"status": int(status), "settlement": settlement.value} | extras(status, settlement)
    names = ", ".join(columns)
    db.execute(f"INSERT INTO jobs ({names}) VALUES ({', '.join(':' + name for name in columns)})", columns)


def extras(status: JobStatus, settlement: SettlementState) -> dict[str, object]:
    """What a row of this state must have beside it."""
    more: dict[str, object] = {"reason": "because"}
    over = status in RUN_OVER
    paid_and_finished = status is JobStatus.JOB_FINISHED and settlement is not SettlementState.FREE
    more |= {
        "ended_as": (71 if paid_and_finished else int(status)) if over else None,
        "ended_at": 5.0 if over else None,
        "ended_detail": "" if over else None,
        "out_of_memory": 0 if over else None,
    }
    if settlement not in NOT_LOCKED:
        more |= {"lock_amount": "9", "lock_expiry": 9, "lock_transaction": b"\x01" * 32, "lock_block": 9}
    if settlement is SettlementState.CLAIMING:
        more |= {"move": "claim", "amount": "5", "operation": "op"}
    if settlement is SettlementState.CLAIMED:
        more |= {"amount": "5"}
    if settlement in PROVEN:
        more |= {"proof_transaction": b"\x02" * 32, "proof_block": 9}
    return more


def fits(status: JobStatus, settlement: SettlementState) -> bool:
    """Which statuses and states of a payment go together."""
    over = status in RUN_OVER
    match settlement:
        case SettlementState.FREE:
            return status is not JobStatus.JOB_SETTLE
        case SettlementState.AWAITING_LOCK:
            return status in BEFORE_THE_LOCK | {JobStatus.JOB_STARTED}
        case SettlementState.UNSETTLED:
            return not over
        case SettlementState.NEEDS_OPERATOR:
            return status is not JobStatus.JOB_FINISHED
        case SettlementState.CLAIMED | SettlementState.RELEASED | SettlementState.CANCELED:
            return over and status is not JobStatus.JOB_SETTLE
        case _:
            return over and status is not JobStatus.JOB_FINISHED


@pytest.mark.parametrize("settlement", SettlementState)
def test_only_statuses_and_payments_that_go_together_can_be_in_a_row(
    db: sqlite3.Connection, settlement: SettlementState
) -> None:
    for status in JobStatus:
        if fits(status, settlement):
            put(db, status, settlement)
        else:
            with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
                put(db, status, settlement)


def test_a_job_moves_as_core_says_and_in_no_other_way(db: sqlite3.Connection) -> None:
    refused = 0
    for start, end in itertools.permutations(JobStatus, 2):
        settlement = SettlementState.FREE if start is not JobStatus.JOB_SETTLE else SettlementState.NEEDS_OPERATOR
        put(db, start, settlement)
        # The checks may object to a row that is half changed; the trigger speaks before they do.
        try:
            db.execute("UPDATE jobs SET status = ?", (int(end),))
            moved = True
        except sqlite3.IntegrityError as error:
            moved = "cannot make this move" not in str(error)
        assert moved is (end in job_words.NEXT[start]), (start, end)
        refused += not moved
    assert refused > 500


def test_a_payment_moves_as_core_says_and_in_no_other_way(db: sqlite3.Connection) -> None:
    for start, end in itertools.permutations(SettlementState, 2):
        status = next(s for s in (JobStatus.JOB_SETTLE, *JobStatus) if fits(s, start))
        put(db, status, start)
        try:
            db.execute("UPDATE jobs SET settlement = ?", (end.value,))
            moved = True
        except sqlite3.IntegrityError as error:
            moved = "cannot make this move" not in str(error) and "never changes" not in str(error)
        assert moved is (end in settlement_words.NEXT[start]), (start, end)


@pytest.mark.parametrize("settlement", SettlementState)
def test_a_job_is_deleted_only_when_its_run_is_over_and_its_payment_settled(
    db: sqlite3.Connection, settlement: SettlementState
) -> None:
    for status in JobStatus:
        if not fits(status, settlement):
            continue
        put(db, status, settlement)
        if status in RUN_OVER and settlement in SETTLED:
            db.execute("DELETE FROM jobs")
        else:
            with pytest.raises(sqlite3.IntegrityError, match="kept until"):
                db.execute("DELETE FROM jobs")


@pytest.mark.parametrize(
    "illegal",
    [
        "UPDATE jobs SET terms = NULL",
        "UPDATE jobs SET terms = '{}'",
        "UPDATE jobs SET max_duration_s = 1",
        "UPDATE jobs SET owner = zeroblob(20)",
        "UPDATE jobs SET stop_requested_at = 2.0",
        "UPDATE jobs SET ended_as = 42",
        "UPDATE jobs SET ended_detail = 'nicer'",
        "UPDATE jobs SET exit_code = 1",
        "UPDATE jobs SET seen_running_at = started_at - 1",
        "UPDATE jobs SET stopped_at = started_at - 1",
        "UPDATE jobs SET started_at = NULL",
        "UPDATE jobs SET build_ended_at = 1.0",
        "UPDATE jobs SET amount = 'much'",
        "UPDATE jobs SET amount = '0'",
        "UPDATE jobs SET amount = '-5'",
        "UPDATE jobs SET operation = NULL",
        "UPDATE jobs SET move = 'release'",
        "UPDATE jobs SET lock_amount = ''",
        "UPDATE jobs SET lock_amount = NULL, lock_expiry = NULL, lock_transaction = NULL, lock_block = NULL",
        "UPDATE jobs SET lock_expiry = NULL",
        "UPDATE jobs SET proof_block = 1",
        "UPDATE jobs SET settlement = 'claimed', operation = NULL, move = NULL",  # without proof
        "UPDATE job_events SET detail = 'better'",
        "INSERT INTO job_events (job_seq, at, received_at) SELECT seq, 1.0, 1.0 FROM jobs",
    ],
)
def test_the_database_itself_refuses(db: sqlite3.Connection, illegal: str) -> None:
    put(db, JobStatus.ALGORITHM_FAILED, SettlementState.CLAIMING)
    times = "started_at = 1.0, seen_running_at = 2.0, stopped_at = 2.0, stop_requested_at = 1.0"
    db.execute(f"UPDATE jobs SET {times}")
    db.execute("INSERT INTO job_events (job_seq, at, received_at, status) SELECT seq, 1.0, 1.0, 41 FROM jobs")
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(illegal)


def test_metadata_is_json_of_at_most_1024_characters(db: sqlite3.Connection) -> None:
    for metadata in ('"' + "x" * 1023 + '"', "{"):
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            db.execute(SQL["add_job_if_new"], job_values(a_job("a", metadata=metadata)))


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("newest_jobs", "jobs_newest"),
        ("newest_jobs_of_owner", "jobs_of_owner"),
        ("newest_jobs_in_status", "jobs_in_status"),
        ("newest_jobs_in_environment", "jobs_in_environment"),
        ("jobs_to_settle", "jobs_to_settle"),
        ("first_expiry", "jobs_due"),
    ],
)
def test_each_way_to_ask_walks_its_own_index_in_the_order_of_the_answer(
    db: sqlite3.Connection, name: str, index: str
) -> None:
    words = {
        "owner",
        "status",
        "environment",
        "environments",
        "statuses",
        "created_from",
        "cursor_at",
        "cursor_seq",
    }
    values = dict.fromkeys(words | {"limit", "settlement", "after"})
    plan = [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", values)]
    assert any(
        f"SEARCH jobs USING INDEX {index} (" in step or f"COVERING INDEX {index} (" in step for step in plan
    ), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan

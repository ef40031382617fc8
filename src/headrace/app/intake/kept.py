"""What a store's file holds of what was acknowledged: read by SQL, past the code that wrote it."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from headrace.app.intake.sender import Sent
from headrace.app.intake.submissions import operation_id


@dataclass(frozen=True, slots=True)
class Kept:
    """`stored` operations in the file; `lost`: acknowledged and not there; `unasked`: there without having been
    asked for. Whatever was asked for and not acknowledged may be there."""

    stored: int
    acknowledged: int
    lost: int
    unasked: int


def kept_of(store: Path, runs: Iterable[tuple[int, Sent]]) -> Kept:
    """`runs` by number: all that ever submitted to that store."""
    with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as db:
        stored = {id for (id,) in db.execute("SELECT id FROM operations")}
    acknowledged, asked = set(), set()
    for run, sent in runs:
        ids = {operation_id(run, index) for index in range(sent.operations)}
        asked |= ids
        acknowledged |= ids - {operation_id(run, index) for index in sent.not_acknowledged}
    return Kept(len(stored), len(acknowledged), len(acknowledged - stored), len(stored - asked))


def payload_bytes(store: Path) -> int:
    """Of the newest operation, as it is stored."""
    with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as db:
        (size,) = db.execute("SELECT length(payload) FROM operations ORDER BY seq DESC LIMIT 1").fetchone()
        return int(size)

"""Claim runs as `core.ports.claim_runs` says."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

from headrace.core.ports.claim_runs import ClaimRun
from headrace.store.machinery import Machinery
from headrace.store.queries import load_queries

_SQL: Final = load_queries("claim_runs")
_PAST_THE_NEWEST: Final = 2**63 - 1


class SqliteClaimRuns(Machinery):
    async def begin_claim_run(self, because: str, *, now: float) -> ClaimRun | None:
        def begin(db: sqlite3.Connection) -> ClaimRun | None:
            values = {"because": because, "now": now}
            row = db.execute(_SQL["begin_claim_run_unless_one_goes_on"], values).fetchone()
            return None if row is None else ClaimRun(number=row["number"], because=because, began_at=now)

        return await self._writer.run(begin)

    async def end_claim_run(
        self, number: int, *, counts: Mapping[str, int], troubles: Sequence[str], now: float
    ) -> None:
        """Raises KeyError if there is no such run, or it has ended."""
        values = {
            "number": number,
            "counts": json.dumps(dict(counts)),
            "troubles": json.dumps(list(troubles)),
            "now": now,
        }

        def end(db: sqlite3.Connection) -> None:
            if not db.execute(_SQL["end_claim_run_once"], values).rowcount:
                raise KeyError(number)

        await self._writer.run(end)

    async def end_lost_claim_run(self, *, now: float) -> None:
        def end(db: sqlite3.Connection) -> None:
            db.execute(_SQL["end_lost_claim_run"], {"now": now})

        await self._writer.run(end)

    async def claim_runs(self, *, limit: int, before: int | None = None) -> Sequence[ClaimRun]:
        values = {"limit": limit, "before": _PAST_THE_NEWEST if before is None else before}
        return await self._reader.run(
            lambda db: [_claim_run(row) for row in db.execute(_SQL["newest_claim_runs"], values)], refusable=True
        )


def _claim_run(row: sqlite3.Row) -> ClaimRun:
    return ClaimRun(
        number=row["number"],
        because=row["because"],
        began_at=row["began_at"],
        ended_at=row["ended_at"],
        counts=json.loads(row["counts"]),
        troubles=tuple(json.loads(row["troubles"])),
    )

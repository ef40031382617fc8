"""Operations from the moment they are saved to the moment they ride, as `core.ports.OperationStore` says."""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from headrace.core.operation import Ending, Operation, Return
from headrace.core.ports import Added, Note, Waiting
from headrace.core.words import Address, BlockNumber, ChainId, OperationId
from headrace.store.adding import add_all
from headrace.store.endings import add_notes, cancel_followers, leave_out_repeated, write_fates
from headrace.store.machinery import Machinery
from headrace.store.queries import load_queries
from headrace.store.rows import ending_from, id_list, operation_from

_SQL: Final = load_queries("operations")

# More than a lane seals between two heads, and counted in a millisecond.
READY_COUNTED_MAX: Final = 20_000


class SqliteOperations(Machinery):
    async def add_operations(self, operations: Sequence[Operation]) -> Sequence[Added]:
        now = self._clock.now()
        return await self._writer.run(lambda db: add_all(db, operations, now=now), refusable=True)

    async def claim_ready(
        self, *, chain: ChainId, lane: Address, workload: str, most: int, now: float
    ) -> Sequence[Operation]:
        wake, mark = self._resting.is_over(now), self._resting.mark()

        def claim(db: sqlite3.Connection) -> tuple[Sequence[Operation], float | None]:
            first_over: float | None = None
            if wake:
                db.execute(_SQL["wake_rested"], {"now": now})
                first_over = db.execute(_SQL["first_rest_over"]).fetchone()[0]
            rows = db.execute(
                _SQL["claim_oldest_queued"],
                {"chain": chain, "lane": lane, "workload": workload, "most": most},
            ).fetchall()
            rows.sort(key=lambda row: row["seq"])  # RETURNING promises no order
            return [operation_from(row) for row in rows], first_over

        claimed, first_over = await self._writer.run(claim)
        if wake:
            self._resting.looked(first_over, mark=mark)
        return claimed

    async def release(self, operations: Collection[OperationId]) -> None:
        ids = id_list(operations)

        def release(db: sqlite3.Connection) -> None:
            db.execute(_SQL["release_claimed"], {"ids": ids})

        await self._writer.run(release)

    async def judge(
        self, endings: Sequence[Ending], returns: Sequence[Return], *, now: float, notes: Sequence[Note] = ()
    ) -> Sequence[Ending]:
        def judge(db: sqlite3.Connection) -> Sequence[Ending]:
            news = leave_out_repeated(db, notes, returns)
            written = write_fates(db, endings, returns, now=now)
            add_notes(db, news, at=now)
            return written

        self._resting.returned(returns)
        return await self._writer.run(judge)

    async def end_overdue(self, *, now: float, head: BlockNumber, chain: ChainId) -> Sequence[Ending]:
        def end_overdue(db: sqlite3.Connection) -> Sequence[Ending]:
            rows = db.execute(_SQL["end_overdue"], {"now": now, "head": head, "chain": chain}).fetchall()
            ended = [ending_from(row) for row in rows]
            return ended + cancel_followers(db, [ending.operation for ending in ended], now=now)

        return await self._writer.run(end_overdue)

    async def cancel(self, operation: OperationId, *, now: float) -> Sequence[Ending]:
        def cancel(db: sqlite3.Connection) -> Sequence[Ending]:
            values = {"id": operation, "reason": "cancelled on request", "now": now}
            row = db.execute(_SQL["cancel_unless_sealed"], values).fetchone()
            if row is None:
                return []
            return [ending_from(row), *cancel_followers(db, [operation], now=now)]

        return await self._writer.run(cancel, refusable=True)

    async def look(
        self, *, chain: ChainId, lane: Address, workloads: Sequence[str], now: float, head: BlockNumber | None
    ) -> Waiting:
        values = {
            "chain": chain,
            "lane": lane,
            "workloads": id_list(workloads),
            "now": now,
            "head": head,
            "ready_most": READY_COUNTED_MAX,
        }

        def look(db: sqlite3.Connection) -> Waiting:
            row = db.execute(_SQL["what_waits"], values).fetchone()
            return Waiting(ready=row["ready"], backlog=row["backlog"], overdue=bool(row["overdue"]))

        return await self._reader.run(look)

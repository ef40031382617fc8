"""Lanes as people handle them, as `core.ports.LaneStore` says: drained, resumed, begun at another nonce."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from headrace.core.lanes import LaneRecord
from headrace.core.ports import NonceUsed, Note
from headrace.core.words import Address, ChainId, Nonce
from headrace.store import ledger
from headrace.store.endings import add_notes
from headrace.store.machinery import Machinery
from headrace.store.queries import load_queries

_SQL: Final = load_queries("lanes")


class SqliteLanes(Machinery):
    async def drain(self, *, chain: ChainId, lane: Address, now: float, notes: Sequence[Note] = ()) -> bool:
        return await self._change("drain_unless_drained", chain, lane, now, notes)

    async def resume(self, *, chain: ChainId, lane: Address, now: float, notes: Sequence[Note] = ()) -> bool:
        return await self._change("resume_if_drained", chain, lane, now, notes)

    async def begin_at(
        self, *, chain: ChainId, lane: Address, start: Nonce, now: float, notes: Sequence[Note] = ()
    ) -> None:
        def begin_at(db: sqlite3.Connection) -> None:
            values = {"chain": chain, "lane": lane, "start": start}
            if not db.execute(_SQL["begin_above_ledger"], values).fetchall():
                raise NonceUsed(
                    f"the ledger of lane 0x{lane.hex()} on chain {chain} has nonce {start} or a higher one"
                )
            add_notes(db, notes, at=now)

        await self._writer.run(begin_at)

    async def lane_record(self, *, chain: ChainId, lane: Address) -> LaneRecord:
        def read(db: sqlite3.Connection) -> LaneRecord:
            values = {"chain": chain, "lane": lane}
            found = db.execute(_SQL["highest_nonces"], values).fetchone()
            drained = db.execute(_SQL["drained_at"], values).fetchone()
            return LaneRecord(
                next_nonce=ledger.next_nonce(db, chain=chain, lane=lane),
                highest=found["highest"],
                highest_final=found["highest_final"],
                unsettled=[Nonce(row["nonce"]) for row in db.execute(_SQL["unsettled_nonces"], values)],
                drained_at=None if drained is None else drained["drained_at"],
            )

        return await self._reader.run(read)

    async def _change(
        self, statement: str, chain: ChainId, lane: Address, now: float, notes: Sequence[Note]
    ) -> bool:
        """Whether it changed anything; if not, nothing is noted either."""

        def change(db: sqlite3.Connection) -> bool:
            values = {"chain": chain, "lane": lane, "now": now}
            changed = bool(db.execute(_SQL[statement], values).fetchall())
            if changed:
                add_notes(db, notes, at=now)
            return changed

        return await self._writer.run(change)

"""Transactions from seal to settlement, as `core.ports.TransactionStore` says: the ledger of every lane."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

from headrace.core.operation import Ending, Operation, Return
from headrace.core.ports import LaneAccount, Note, Voyage
from headrace.core.transaction import Settled, Transaction, Void, signed
from headrace.core.words import Address, ChainId, Nonce, OperationId
from headrace.store import ledger
from headrace.store.endings import add_notes
from headrace.store.machinery import Machinery
from headrace.store.queries import load_queries
from headrace.store.reading import read_lanes
from headrace.store.rows import id_list, operation_from
from headrace.store.voyage_rows import transaction_from

_SQL: Final = load_queries("transactions")


class SqliteTransactions(Machinery):
    async def next_nonce(self, *, chain: ChainId, lane: Address) -> Nonce:
        return await self._reader.run(lambda db: ledger.next_nonce(db, chain=chain, lane=lane))

    async def adopt(self, *, chain: ChainId, lane: Address, start: Nonce, now: float) -> None:
        values = {"chain": chain, "lane": lane, "start": start}
        await self._writer.run(lambda db: db.execute(_SQL["adopt_if_higher"], values).close())

    async def seal(
        self,
        transaction: Transaction,
        *,
        chain: ChainId,
        lane: Address,
        workload: str,
        form: str,
        operations: Sequence[OperationId],
        notes: Sequence[Note] = (),
    ) -> None:
        def seal(db: sqlite3.Connection) -> None:
            ledger.seal(
                db, transaction, chain=chain, lane=lane, workload=workload, form=form, operations=operations
            )
            add_notes(db, notes, at=signed(transaction).sealed_at)

        await self._writer.run(seal)

    async def record(
        self,
        transaction: Transaction,
        *,
        chain: ChainId,
        lane: Address,
        now: float,
        notes: Sequence[Note] = (),
        without_effect: Collection[OperationId] = (),
    ) -> None:
        def record(db: sqlite3.Connection) -> None:
            ledger.record(db, transaction, chain=chain, lane=lane, without_effect=without_effect)
            add_notes(db, notes, at=now)

        await self._writer.run(record)

    async def settle(
        self,
        transaction: Settled | Void,
        *,
        chain: ChainId,
        lane: Address,
        endings: Sequence[Ending],
        returns: Sequence[Return],
        now: float,
        notes: Sequence[Note] = (),
    ) -> Sequence[Ending]:
        def settle(db: sqlite3.Connection) -> Sequence[Ending]:
            written = ledger.settle(
                db, transaction, chain=chain, lane=lane, endings=endings, returns=returns, now=now
            )
            add_notes(db, notes, at=now)
            return written

        self._resting.returned(returns)
        return await self._writer.run(settle)

    async def unsettled(self, *, chain: ChainId, lane: Address) -> Sequence[Voyage]:
        return await self._reader.run(lambda db: _unsettled(db, chain=chain, lane=lane))

    async def release_claims(self, *, chain: ChainId, lane: Address) -> int:
        values = {"chain": chain, "lane": lane}
        return await self._writer.run(lambda db: db.execute(_SQL["release_lane"], values).rowcount)

    async def foreign_lanes(self, *, chain: ChainId, lanes: Collection[Address]) -> Sequence[LaneAccount]:
        ours = {(chain, lane) for lane in lanes}
        return await self._reader.run(
            lambda db: [account for account in _busy_lanes(db) if (account.chain, account.lane) not in ours]
        )

    async def release_foreign_claims(self, *, chain: ChainId, lanes: Collection[Address]) -> int:
        values = {"chain": chain, "lanes": id_list(lane.hex().upper() for lane in lanes)}
        return await self._writer.run(lambda db: db.execute(_SQL["release_foreign_lanes"], values).rowcount)


def _busy_lanes(db: sqlite3.Connection) -> list[LaneAccount]:
    """With claims or unsettled transactions."""
    claiming = {
        (ChainId(row["chain"]), Address(row["lane"])) for row in db.execute(_SQL["claiming_lanes"]).fetchall()
    }
    known = {(account.chain, account.lane): account for account in read_lanes(db)}
    busy = [a for key, a in known.items() if a.in_flight or a.mined or key in claiming]
    # Of a lane that never sealed anything there is no row.
    return busy + [
        LaneAccount(chain=chain, lane=lane, next_nonce=Nonce(0), in_flight=0, mined=0, settled=0)
        for chain, lane in sorted(claiming - set(known))
    ]


def _unsettled(db: sqlite3.Connection, *, chain: ChainId, lane: Address) -> list[Voyage]:
    """Three statements for all of them."""
    values = {"chain": chain, "lane": lane}
    attempts: defaultdict[int, list[sqlite3.Row]] = defaultdict(list)
    for row in db.execute(_SQL["unsettled_attempts"], values):
        attempts[row["transaction_seq"]].append(row)
    operations: defaultdict[int, list[Operation]] = defaultdict(list)
    for row in db.execute(_SQL["unsettled_operations"], values):
        operations[row["transaction_seq"]].append(operation_from(row))
    return [
        Voyage(
            transaction=transaction_from(row, attempts[row["seq"]]),
            workload=row["workload"],
            form=row["form"],
            operations=operations[row["seq"]],
        )
        for row in db.execute(_SQL["unsettled_transactions"], values)
    ]

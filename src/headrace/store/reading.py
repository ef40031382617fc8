"""What people ask of the store, as `core.ports.Reader` says. Needs nothing but a thread that reads."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

from headrace.core.errors import FixTheRequest
from headrace.core.operation import Account, Stage
from headrace.core.ports import LaneAccount, LedgerEntry, Line, UnknownRevert
from headrace.core.transaction import Transaction
from headrace.core.words import Address, BatchId, ChainId, Nonce, OperationId, Outcome, Selector, TxHash
from headrace.store.accounts import account_from
from headrace.store.queries import load_queries
from headrace.store.reader import ReadThread
from headrace.store.rows import ids_from
from headrace.store.voyage_rows import transaction_from

_SQL: Final = load_queries("reading")
_PAST_THE_NEWEST: Final = 2**63 - 1


class SqliteReader:
    def __init__(self, reader: ReadThread) -> None:
        self._reader = reader

    async def account(self, operation: OperationId) -> Account | None:
        def read(db: sqlite3.Connection) -> Account | None:
            row = db.execute(_SQL["account"], {"id": operation}).fetchone()
            return None if row is None else account_from(row)

        return await self._reader.run(read, refusable=True)

    async def accounts_about(self, subject: bytes) -> Sequence[Account]:
        """Oldest first."""
        values = {"subject": subject}
        return await self._reader.run(
            lambda db: [account_from(row) for row in db.execute(_SQL["accounts_about"], values)]
        )

    async def list_accounts(
        self,
        *,
        workload: str | None = None,
        stage: Stage | None = None,
        outcome: Outcome | None = None,
        limit: int,
        cursor: int | None = None,
    ) -> tuple[Sequence[Account], int | None]:
        assert limit > 0, limit
        query = _SQL[_listing(stage, outcome)]
        values = {
            "workload": workload,
            "stage": None if stage is None else stage.value,
            "outcome": None if outcome is None else outcome.value,
            "cursor": _PAST_THE_NEWEST if cursor is None else cursor,
            "limit": limit + 1,  # one more tells whether there is another page
        }

        def read(db: sqlite3.Connection) -> tuple[Sequence[Account], int | None]:
            rows = db.execute(query, values).fetchall()
            page = rows[:limit]
            return [account_from(row) for row in page], page[-1]["seq"] if len(rows) > limit else None

        return await self._reader.run(read, refusable=True)

    async def ledger_entry(
        self,
        *,
        batch: BatchId | None = None,
        hash: TxHash | None = None,
        lane: Address | None = None,
        nonce: Nonce | None = None,
    ) -> LedgerEntry | None:
        """Raises FixTheRequest if a nonce alone fits transactions of several lanes."""

        def read(db: sqlite3.Connection) -> LedgerEntry | None:
            if batch is not None:
                rows = db.execute(_SQL["transaction_of_batch"], {"batch_id": batch}).fetchall()
            elif hash is not None:
                rows = db.execute(_SQL["transaction_of_attempt"], {"hash": hash}).fetchall()
            else:
                assert nonce is not None, "a batch, a hash or a nonce is asked for"
                rows = db.execute(_SQL["transactions_of_nonce"], {"nonce": nonce, "lane": lane}).fetchall()
            return _only_entry(db, rows)

        return await self._reader.run(read, refusable=True)

    async def transaction_at(self, *, chain: ChainId, lane: Address, nonce: Nonce) -> Transaction | None:
        def read(db: sqlite3.Connection) -> Transaction | None:
            rows = db.execute(_SQL["transactions_of_nonce"], {"nonce": nonce, "lane": lane}).fetchall()
            entry = _only_entry(db, [row for row in rows if row["chain"] == chain])
            return None if entry is None else entry.transaction

        return await self._reader.run(read)

    async def lines(self, subject: str) -> Sequence[Line]:
        values = {"subject": subject}
        return await self._reader.run(lambda db: [Line(**dict(row)) for row in db.execute(_SQL["lines"], values)])

    async def counts(self) -> Mapping[str, int]:
        """Every stage and every outcome has an entry."""

        def read(db: sqlite3.Connection) -> Mapping[str, int]:
            outcomes = dict(db.execute(_SQL["outcomes"]))
            stages = dict.fromkeys((stage.value for stage in Stage), 0)
            stages |= dict(db.execute(_SQL["open_by_stage"]))
            stages[Stage.DONE.value] = sum(outcomes.values())
            return stages | outcomes

        return await self._reader.run(read, refusable=True)

    async def unknown_reverts(self, *, limit: int) -> Sequence[UnknownRevert]:
        def read(db: sqlite3.Connection) -> Sequence[UnknownRevert]:
            return [_unknown_revert(row) for row in db.execute(_SQL["unknown_reverts"], {"limit": limit})]

        return await self._reader.run(read, refusable=True)

    async def lanes(self) -> Sequence[LaneAccount]:
        """`in_flight` counts what is sent or taken and not mined, `settled` all that is final."""
        return await self._reader.run(read_lanes)


def read_lanes(db: sqlite3.Connection) -> list[LaneAccount]:
    return [_lane_account(row) for row in db.execute(_SQL["lanes"])]


def _unknown_revert(row: sqlite3.Row) -> UnknownRevert:
    selector = row["selector"] if len(row["selector"]) == 4 else b""
    return UnknownRevert(
        selector=Selector(selector), operations=row["operations"], example=OperationId(row["example"])
    )


def _listing(stage: Stage | None, outcome: Outcome | None) -> str:
    if outcome is not None and outcome is not Outcome.LANDED and stage in (None, Stage.DONE):
        return "newest_accounts_not_landed"
    if outcome is None and stage is not None and stage is not Stage.DONE:
        return "newest_accounts_still_open"
    return "newest_accounts"


def _only_entry(db: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> LedgerEntry | None:
    if not rows:
        return None
    if len(rows) > 1:
        lanes = ", ".join(f"0x{row['lane'].hex()} on chain {row['chain']}" for row in rows)
        nonce = rows[0]["nonce"]
        raise FixTheRequest(f"nonce {nonce} belongs to several lanes ({lanes}): name one, as LANE/{nonce}")
    row = rows[0]
    attempts = db.execute(_SQL["attempts_of"], {"seq": row["seq"]})
    return LedgerEntry(
        chain=ChainId(row["chain"]),
        lane=Address(row["lane"]),
        transaction=transaction_from(row, attempts),
        workload=row["workload"],
        form=row["form"],
        operations=ids_from(row["members"]),
    )


def _lane_account(row: sqlite3.Row) -> LaneAccount:
    return LaneAccount(
        chain=ChainId(row["chain"]),
        lane=Address(row["lane"]),
        next_nonce=Nonce(row["next_nonce"]),
        in_flight=row["unsettled"] - row["mined"],
        mined=row["mined"],
        settled=row["final"],
        drained_at=row["drained_at"],
    )

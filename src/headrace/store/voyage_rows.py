"""Transactions and their attempts as rows, and back: exactly what went in comes out."""

import sqlite3
from collections.abc import Iterable
from typing import Final

from headrace.core.transaction import (
    Cancel,
    InFlight,
    Mined,
    Settled,
    Taken,
    Transaction,
    Void,
    mined_of,
    signed,
)
from headrace.core.words import (
    Attempt,
    BatchId,
    BlockHash,
    BlockNumber,
    Fees,
    Nonce,
    Purpose,
    TxHash,
)
from headrace.store.rows import Values

STATE_NAMES: Final[dict[type[Transaction], str]] = {
    InFlight: "in_flight",
    Mined: "mined",
    Taken: "taken",
    Settled: "settled",
    Void: "void",
}

_NOT_MINED: Final[Values] = dict.fromkeys(
    ("winner", "block", "block_hash", "ok", "gas_used", "gas_price_wei", "mined_at")
)


def sealed_values(transaction: Transaction) -> Values:
    """What is written once, when it is sealed."""
    in_flight = signed(transaction)
    return {
        "nonce": in_flight.nonce,
        "batch_id": in_flight.batch,
        "gas_limit": in_flight.gas_limit,
        "sealed_at": in_flight.sealed_at,
    }


def state_values(transaction: Transaction) -> Values:
    """What changes while it lives."""
    in_flight = signed(transaction)
    mined = mined_of(transaction)
    return {
        "state": STATE_NAMES[type(transaction)],
        "sent_at": in_flight.sent_at,
        "reprice_at": in_flight.reprice_at,
        "blocks_fitted": in_flight.blocks_fitted,
        "help_wanted": in_flight.help_wanted,
        "cancelled": None if in_flight.cancelled is None else in_flight.cancelled.value,
        "taken_since": transaction.since if isinstance(transaction, Taken) else None,
        **(_NOT_MINED if mined is None else _mined_values(mined)),
    }


def _mined_values(mined: Mined) -> Values:
    return {
        "winner": mined.winner,
        "block": mined.block,
        "block_hash": mined.block_hash,
        "ok": int(mined.ok),
        "gas_used": mined.gas_used,
        "gas_price_wei": mined.gas_price_wei,
        "mined_at": mined.mined_at,
    }


def attempt_values(attempt: Attempt, *, transaction_seq: int, position: int) -> Values:
    return {
        "hash": attempt.hash,
        "transaction_seq": transaction_seq,
        "position": position,
        "max_fee_wei": attempt.fees.max_fee_wei,
        "tip_wei": attempt.fees.tip_wei,
        "purpose": attempt.purpose.value,
        "raw": attempt.raw,
    }


def attempt_from(row: sqlite3.Row) -> Attempt:
    return Attempt(
        hash=TxHash(row["hash"]),
        fees=Fees(max_fee_wei=row["max_fee_wei"], tip_wei=row["tip_wei"]),
        raw=row["raw"],
        purpose=Purpose(row["purpose"]),
    )


def transaction_from(row: sqlite3.Row, attempts: Iterable[sqlite3.Row]) -> Transaction:
    """`attempts` oldest first."""
    in_flight = InFlight(
        nonce=Nonce(row["nonce"]),
        batch=None if row["batch_id"] is None else BatchId(row["batch_id"]),
        gas_limit=row["gas_limit"],
        attempts=tuple(attempt_from(attempt) for attempt in attempts),
        sealed_at=row["sealed_at"],
        sent_at=row["sent_at"],
        reprice_at=row["reprice_at"],
        blocks_fitted=row["blocks_fitted"],
        help_wanted=row["help_wanted"],
        cancelled=None if row["cancelled"] is None else Cancel(row["cancelled"]),
    )
    match row["state"]:
        case "in_flight":
            return in_flight
        case "mined":
            return _mined_from(row, in_flight)
        case "taken":
            return Taken(in_flight=in_flight, since=BlockNumber(row["taken_since"]))
        case "settled":
            return Settled(mined=_mined_from(row, in_flight))
        case "void":
            return Void(in_flight=in_flight)
        case other:
            raise AssertionError(f"unknown state of a transaction in the store: {other}")


def _mined_from(row: sqlite3.Row, in_flight: InFlight) -> Mined:
    return Mined(
        in_flight=in_flight,
        winner=TxHash(row["winner"]),
        block=BlockNumber(row["block"]),
        block_hash=BlockHash(row["block_hash"]),
        ok=bool(row["ok"]),
        gas_used=row["gas_used"],
        gas_price_wei=row["gas_price_wei"],
        mined_at=row["mined_at"],
    )

"""A row of the view `accounts`, as all that is known of one operation."""

import sqlite3
from typing import Final

from headrace.core.operation import Account, Ride, Stage, State
from headrace.core.words import (
    Address,
    BatchId,
    BlockHash,
    BlockNumber,
    Nonce,
    Outcome,
    TxHash,
)
from headrace.store.rows import operation_from, revert_from

_BEFORE_THE_RIDE: Final = frozenset({Stage.WAITING, Stage.QUEUED, Stage.CLAIMED})


def account_from(row: sqlite3.Row) -> Account:
    stage = Stage(row["stage"])
    return Account(
        operation=operation_from(row),
        stage=stage,
        state=_state(stage, row),
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        reason=row["reason"],
        revert=revert_from(row),
        ride=None if row["batch_id"] is None else _ride(row),
        batched_at=row["sealed_at"],
        sent_at=row["sent_at"],
        mined_at=row["mined_at"],
        done_at=row["done_at"],
    )


def _state(stage: Stage, row: sqlite3.Row) -> State:
    if stage is Stage.DONE:
        return State.DONE
    if stage in _BEFORE_THE_RIDE:
        return State.QUEUED
    if row["winner"] is not None:
        return State.MINED
    return State.BATCHED if row["sent_at"] is None else State.SENT


def _ride(row: sqlite3.Row) -> Ride:
    mined = row["winner"] is not None
    index = row["position"]
    gas_used = row["gas_used"] if mined else 0
    cost_wei = gas_used * row["gas_price_wei"] if mined else 0
    return Ride(
        batch=BatchId(row["batch_id"]),
        lane=Address(row["lane"]),
        nonce=Nonce(row["nonce"]),
        index=index,
        hash=TxHash(row["winner"] if mined else row["newest"]),
        attempts=row["attempts"],
        block=BlockNumber(row["block"]) if mined else None,
        block_hash=BlockHash(row["block_hash"]) if mined else None,
        gas_share=_share(gas_used, index, row["batch_size"]),
        cost_share_wei=_share(cost_wei, index, row["batch_size"]),
    )


def _share(whole: int, index: int, count: int) -> int:
    """Evenly, the remainder to the first: the shares of a batch add up to the whole."""
    even, remainder = divmod(whole, count)
    return even + remainder if index == 0 else even

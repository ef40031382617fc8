"""The three writes of a transaction's life: sealed, recorded, settled. Plain functions inside one commit.

Owns      what is compared with the saved row before it is overwritten, and when followers hear of it.
Promises  what was sealed never changes, attempts only grow, final stays final.
Leaves    committing to `store.writer`, fates of operations to `store.endings`.
"""

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from headrace.core.operation import Ending, Return
from headrace.core.ports import LaneDrained, NonceUsed, NotClaimed
from headrace.core.transaction import InFlight, Mined, Settled, Transaction, Void, mined_of, signed
from headrace.core.words import Address, ChainId, Nonce, OperationId, Purpose
from headrace.store.endings import hold_followers, promote_followers, write_fates
from headrace.store.queries import load_queries
from headrace.store.rows import Values, changed_ids, id_list, ids_from
from headrace.store.voyage_rows import (
    STATE_NAMES,
    attempt_values,
    sealed_values,
    state_values,
)

_SQL: Final = load_queries("transactions")
_FINAL: Final = frozenset({STATE_NAMES[Settled], STATE_NAMES[Void]})


def seal(
    db: sqlite3.Connection,
    transaction: Transaction,
    *,
    chain: ChainId,
    lane: Address,
    workload: str,
    form: str,
    operations: Sequence[OperationId],
) -> None:
    assert isinstance(transaction, InFlight), f"only what nobody has seen yet is sealed: {transaction}"
    assert (transaction.batch is None) == (not operations), f"a batch has operations: {transaction.batch}"
    assert transaction.attempts, "nothing is sealed unsigned"
    members = id_list(operations)
    row = db.execute(
        _SQL["seal_if_nonce_is_free"],
        {
            "chain": chain,
            "lane": lane,
            "workload": workload,
            "form": form,
            "members": members,
            **sealed_values(transaction),
            **state_values(transaction),
        },
    ).fetchone()
    if row is None:
        if operations and _is_drained(db, chain=chain, lane=lane):
            raise LaneDrained(f"lane 0x{lane.hex()} on chain {chain} is drained: it seals no batch")
        raise NonceUsed(f"lane 0x{lane.hex()} on chain {chain} has a transaction with nonce {transaction.nonce}")
    _add_attempts(db, row["seq"], transaction, already=0)
    if operations:
        values = {"members": members, "batch_id": transaction.batch, "chain": chain, "lane": lane}
        sealed = db.execute(_SQL["seal_claimed_operations"], values).rowcount
        if sealed != len(operations):
            raise NotClaimed(
                f"{len(operations) - sealed} of {len(operations)} operations of batch {transaction.batch} "
                f"are not claimed by lane 0x{lane.hex()} on chain {chain}"
            )


def record(
    db: sqlite3.Connection,
    transaction: Transaction,
    *,
    chain: ChainId,
    lane: Address,
    without_effect: Collection[OperationId],
) -> None:
    assert not isinstance(transaction, Settled | Void), "what is final is settled together with its operations"
    if _recorded_quickly(db, transaction, chain=chain, lane=lane, without_effect=without_effect):
        return
    saved = _find(db, transaction, chain=chain, lane=lane)
    assert saved["state"] not in _FINAL, f"nonce {signed(transaction).nonce} is final: {saved['state']}"
    mined = mined_of(transaction)
    news = _changes_the_chain(saved, mined)
    idle = _idle(saved, mined, without_effect) if news else saved["without_effect"]
    _save(db, saved, transaction, without_effect=idle, final_at=None)
    if news and saved["batch_id"] is not None:
        _tell_followers(db, saved, mined)


def settle(
    db: sqlite3.Connection,
    transaction: Settled | Void,
    *,
    chain: ChainId,
    lane: Address,
    endings: Sequence[Ending],
    returns: Sequence[Return],
    now: float,
) -> list[Ending]:
    mined = mined_of(transaction)
    quickly = _settled_quickly(db, transaction, chain=chain, lane=lane, now=now)
    if quickly is not None:
        heard = set(ids_from(quickly["members"])) - set(ids_from(quickly["without_effect"]))
        written = write_fates(db, endings, returns, now=now, batch=quickly["batch_id"], heard=heard)
        _refuse_orphans(db, quickly, endings, returns)
        return written
    saved = _find(db, transaction, chain=chain, lane=lane)
    if saved["state"] in _FINAL:
        same = saved["state"] == STATE_NAMES[type(transaction)] and not _changes_the_chain(saved, mined)
        assert same, f"nonce {signed(transaction).nonce} is final already, and otherwise: {saved['state']}"
        return []
    idle = saved["without_effect"] if mined is not None else "[]"
    _save(db, saved, transaction, without_effect=idle, final_at=now)
    written = write_fates(db, endings, returns, now=now, batch=saved["batch_id"])
    _refuse_orphans(db, saved, endings, returns)
    return written


def _recorded_quickly(
    db: sqlite3.Connection,
    transaction: Transaction,
    *,
    chain: ChainId,
    lane: Address,
    without_effect: Collection[OperationId],
) -> bool:
    """In one statement, where nothing of it was mined before and no attempt is new: when it is sent, and mined."""
    mined = mined_of(transaction)
    idle = mined is not None and _does_nothing(mined)
    values = {
        **_identity(transaction, chain=chain, lane=lane),
        **state_values(transaction),
        "idle": idle,
        "without_effect": "[]" if mined is None or idle else _sorted_list(without_effect),
    }
    row = db.execute(_SQL["record_if_not_mined_before"], values).fetchone()
    if row is None:
        return False
    if mined is not None and row["awaited"]:
        promote_followers(db, row["members"])
    return True


def _settled_quickly(
    db: sqlite3.Connection, transaction: Settled | Void, *, chain: ChainId, lane: Address, now: float
) -> sqlite3.Row | None:
    """In one statement, where it was mined before as it is final now."""
    if isinstance(transaction, Void):
        return None
    values = {
        **_identity(transaction, chain=chain, lane=lane),
        **state_values(transaction),
        "final_at": now,
    }
    row: sqlite3.Row | None = db.execute(_SQL["settle_if_mined_so_before"], values).fetchone()
    return row


def _identity(transaction: Transaction, *, chain: ChainId, lane: Address) -> Values:
    """What a saved row must agree with."""
    attempts = signed(transaction).attempts
    return {
        "chain": chain,
        "lane": lane,
        **sealed_values(transaction),
        "attempts": len(attempts),
        "newest": attempts[-1].hash,
    }


def _find(db: sqlite3.Connection, transaction: Transaction, *, chain: ChainId, lane: Address) -> sqlite3.Row:
    """The row as it is saved, checked to be about the same transaction."""
    in_flight = signed(transaction)
    values = {"chain": chain, "lane": lane, "nonce": in_flight.nonce}
    row: sqlite3.Row | None = db.execute(_SQL["transaction_as_saved"], values).fetchone()
    if row is None:
        raise KeyError(f"lane 0x{lane.hex()} on chain {chain} has no transaction with nonce {in_flight.nonce}")
    sealed = sealed_values(transaction)
    assert all(row[name] == sealed[name] for name in ("batch_id", "gas_limit", "sealed_at")), (
        f"nonce {in_flight.nonce} was sealed as batch {row['batch_id']}, not as {in_flight.batch}"
    )
    known: int = row["attempts"]
    assert len(in_flight.attempts) >= known and in_flight.attempts[known - 1].hash == row["newest"], (
        f"nonce {in_flight.nonce} has {known} saved attempts, and they are not those that came"
    )
    return row


def _save(
    db: sqlite3.Connection,
    saved: sqlite3.Row,
    transaction: Transaction,
    *,
    without_effect: str,
    final_at: float | None,
) -> None:
    _add_attempts(db, saved["seq"], signed(transaction), already=saved["attempts"])
    db.execute(
        _SQL["record_transaction"],
        {
            "seq": saved["seq"],
            "without_effect": without_effect,
            "final_at": final_at,
            **state_values(transaction),
        },
    )


def _add_attempts(db: sqlite3.Connection, seq: int, in_flight: InFlight, *, already: int) -> None:
    fresh = in_flight.attempts[already:]
    values = [attempt_values(a, transaction_seq=seq, position=i) for i, a in enumerate(fresh, already)]
    if values:
        db.executemany(_SQL["add_attempt"], values)


def _changes_the_chain(saved: sqlite3.Row, mined: Mined | None) -> bool:
    """Whether it is mined now and was not, or is not and was, or is mined elsewhere."""
    now = (None, None) if mined is None else (mined.winner, mined.block_hash)
    return (saved["winner"], saved["block_hash"]) != now


def _tell_followers(db: sqlite3.Connection, saved: sqlite3.Row, mined: Mined | None) -> None:
    if mined is not None:
        promote_followers(db, saved["members"])
    if saved["winner"] is not None:
        hold_followers(db, saved["members"])


def _idle(saved: sqlite3.Row, mined: Mined | None, without_effect: Collection[OperationId]) -> str:
    """Members whose effect the chain does not show though their transaction is mined, as a JSON list."""
    if mined is None:
        return "[]"
    if _does_nothing(mined):
        members: str = saved["members"]
        return members
    return _sorted_list(without_effect)


def _does_nothing(mined: Mined) -> bool:
    """A reverted or an empty transaction, whatever we were told."""
    winner = next(a for a in mined.in_flight.attempts if a.hash == mined.winner)
    return not mined.ok or winner.purpose is Purpose.NO_OP


def _sorted_list(ids: Collection[OperationId]) -> str:
    return json.dumps(sorted(set(ids)))


def _refuse_orphans(
    db: sqlite3.Connection, saved: sqlite3.Row, endings: Sequence[Ending], returns: Sequence[Return]
) -> None:
    decided = {ending.operation for ending in endings} | {each.operation for each in returns}
    unnamed = [id for id in ids_from(saved["members"]) if id not in decided]
    if unnamed:  # these must have ended before
        values = {"members": id_list(unnamed), "batch_id": saved["batch_id"]}
        left = changed_ids(db.execute(_SQL["still_riding"], values).fetchall())
        # Nobody would ever look at them again.
        assert not left, f"batch {saved['batch_id']} is final, and nothing was said of its operations {left}"


def _is_drained(db: sqlite3.Connection, *, chain: ChainId, lane: Address) -> bool:
    return db.execute(_SQL["is_drained"], {"chain": chain, "lane": lane}).fetchone() is not None


def next_nonce(db: sqlite3.Connection, *, chain: ChainId, lane: Address) -> Nonce:
    return Nonce(db.execute(_SQL["next_nonce"], {"chain": chain, "lane": lane}).fetchone()[0])

"""Operations, transactions and a still clock, as the store's tests need them."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from headrace.core.operation import Account, Ending, Operation, Return
from headrace.core.ports import EvaluationStore, LaneStore, OperationStore, Reader, TransactionStore
from headrace.core.ports.claim_runs import ClaimRunStore
from headrace.core.ports.jobs import JobStore
from headrace.core.transaction import InFlight, Mined, Settled, Void
from headrace.core.words import (
    Address,
    Attempt,
    BatchId,
    BlockHash,
    BlockNumber,
    ChainId,
    Fees,
    Nonce,
    OperationId,
    Outcome,
    Purpose,
    TxHash,
)

CHAIN = ChainId(31337)
LANE = Address(b"\x01" * 20)
OTHER_LANE = Address(b"\x02" * 20)
NOW = 1_000.0


class Store(
    OperationStore, TransactionStore, LaneStore, EvaluationStore, JobStore, ClaimRunStore, Reader, Protocol
):
    """All ports of the store in one."""


class StillClock:
    def now(self) -> float:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the store waits for nobody")


def digest(*what: object) -> bytes:
    return hashlib.sha256(repr(what).encode()).digest()


def an_operation(id: str, **more: Any) -> Operation:
    fields: dict[str, Any] = {
        "id": OperationId(id),
        "content": digest("content of", id),
        "workload": "tasks",
        "kind": "create",
        "form": "create",
        "chain": CHAIN,
        "subject": digest("subject of", id),
        "payload": b"payload of " + id.encode(),
        "received_at": NOW,
    }
    return Operation(**(fields | more))


def a_follower(id: str, after: str, **more: Any) -> Operation:
    return an_operation(id, **({"kind": "respond", "form": "respond", "after": OperationId(after)} | more))


def an_attempt(nonce: int, number: int = 0, *, purpose: Purpose = Purpose.BATCH) -> Attempt:
    name = (nonce, number, purpose.value)
    fees = Fees(max_fee_wei=100 + 20 * number, tip_wei=10 + 2 * number)
    return Attempt(
        hash=TxHash(digest("attempt", *name)), fees=fees, raw=b"raw " + repr(name).encode(), purpose=purpose
    )


def in_flight(nonce: int, *, batch: str | None = "", **more: Any) -> InFlight:
    fields: dict[str, Any] = {
        "nonce": Nonce(nonce),
        "batch": None if batch is None else BatchId(batch or f"batch-{nonce}"),
        "gas_limit": 1_000_000,
        "attempts": (an_attempt(nonce),),
        "sealed_at": NOW,
        "reprice_at": NOW + 30,
    }
    return InFlight(**(fields | more))


def replaced(transaction: InFlight, *, purpose: Purpose = Purpose.BATCH) -> InFlight:
    """With one attempt more."""
    number = len(transaction.attempts)
    newest = an_attempt(transaction.nonce, number, purpose=purpose)
    return replace(transaction, attempts=(*transaction.attempts, newest))


def mined(transaction: InFlight, *, winner: int = -1, **more: Any) -> Mined:
    fields: dict[str, Any] = {
        "in_flight": transaction,
        "winner": transaction.attempts[winner].hash,
        "block": BlockNumber(7),
        "block_hash": BlockHash(digest("block", 7)),
        "ok": True,
        "gas_used": 1_001,
        "gas_price_wei": 3,
        "mined_at": NOW + 2,
    }
    return Mined(**(fields | more))


def landed(*ids: str) -> list[Ending]:
    return [Ending(operation=OperationId(id), outcome=Outcome.LANDED) for id in ids]


def ended(id: str, outcome: Outcome, **more: Any) -> Ending:
    return Ending(operation=OperationId(id), outcome=outcome, **more)


def returned(id: str, reason: str = "again", **more: Any) -> Return:
    return Return(operation=OperationId(id), reason=reason, **more)


async def claim(store: Store, most: int = 100, *, lane: Address = LANE, now: float = NOW) -> list[str]:
    found = await store.claim_ready(chain=CHAIN, lane=lane, workload="tasks", most=most, now=now)
    return [operation.id for operation in found]


async def seal(
    store: Store, transaction: InFlight, operations: Sequence[str], *, lane: Address = LANE, **more: Any
) -> None:
    ids = [OperationId(id) for id in operations]
    await store.seal(transaction, chain=CHAIN, lane=lane, workload="tasks", form="create", operations=ids, **more)


async def sealed(store: Store, nonce: int, *ids: str) -> InFlight:
    """New operations, ridden up to a sealed transaction."""
    await store.add_operations([an_operation(id) for id in ids])
    assert await claim(store, len(ids)) == list(ids)
    transaction = in_flight(nonce)
    await seal(store, transaction, ids)
    return transaction


async def record(store: Store, transaction: Any, **more: Any) -> None:
    await store.record(transaction, chain=CHAIN, lane=LANE, now=NOW, **more)


async def settle(
    store: Store,
    transaction: Settled | Void,
    *,
    endings: Sequence[Ending] = (),
    returns: Sequence[Return] = (),
    **more: Any,
) -> list[Ending]:
    written = await store.settle(
        transaction, chain=CHAIN, lane=LANE, endings=endings, returns=returns, now=NOW, **more
    )
    return list(written)


async def account(store: Reader, id: str) -> Account:
    found = await store.account(OperationId(id))
    assert found is not None, id
    return found


async def stages(store: Reader, *ids: str) -> list[str]:
    return [(await account(store, id)).stage.value for id in ids]

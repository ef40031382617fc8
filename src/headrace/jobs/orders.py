"""From a job, or from a plan's item, to the operation that carries it to the chain.

Owns      the operations' ids, and the commitment that goes on chain with a payment claim.
Promises  the same job and try give the same operation; nothing of a job's record is on chain but a hash.
"""

import json
from hashlib import sha256
from typing import Final

from headrace.core.job import Job, JobId
from headrace.core.operation import Operation
from headrace.core.ports.jobs import SettlementChange
from headrace.core.settlement import AwaitingLock, Claiming, Due, Move
from headrace.core.terms import number_on_chain
from headrace.core.words import OperationId
from headrace.jobs.planning import Item
from headrace.workloads.escrow.operations import operation_of
from headrace.workloads.escrow.payload import LOCK, LockKey, Payload

_COMMITMENT: Final = "headrace.payment-claim.1"


def lock_id(job: JobId) -> OperationId:
    return OperationId(f"job/{job}/lock")


def job_of(operation: OperationId) -> JobId | None:
    """Whose lock or payment it is about; None: it is about no job."""
    parts = operation.split("/")
    return JobId(parts[1]) if len(parts) in (3, 4) and parts[0] == "job" else None


def lock_order(job: Job, *, now: float, deadline: float | None = None) -> Operation:
    """Of a paid job that awaits its lock. `deadline` in unix seconds: the last moment to send it."""
    assert job.terms is not None and isinstance(job.settlement, AwaitingLock), job.id
    terms = job.terms
    key = LockKey(payee=terms.payee, payer=terms.payer, token=terms.token, job=number_on_chain(job.id))
    return operation_of(
        id=lock_id(job.id),
        chain=terms.chain,
        kind=LOCK,
        payload=Payload(key=key, amount=terms.lock_amount, duration_s=terms.lock_duration_s),
        received_at=now,
        deadline=deadline,
    )


def settling_order(job: Job, move: Move, item: Item, *, now: float) -> tuple[SettlementChange, Operation]:
    """Both for `JobStore.begin_settling`: what is saved of the job, and the operation, whose deadline is the last
    moment to send it. Each try has an id of its own, as an operation that ended is never asked for again."""
    assert job.terms is not None and isinstance(job.settlement, Due) and item.job == job.id, job.id
    id = OperationId(f"job/{job.id}/{move.value}/{job.claims + 1}")
    proof = commitment(job, amount=item.amount, used_ms=item.used_ms) if move is Move.CLAIM else b""
    operation = operation_of(
        id=id,
        chain=job.terms.chain,
        kind=move.value,
        payload=Payload(key=item.key, amount=item.amount, proof=proof),
        received_at=now,
        deadline=item.send_before,
    )
    after = Claiming(move=move, amount=item.amount, operation=id)
    return SettlementChange(job=job.id, before=job.settlement, after=after), operation


def commitment(job: Job, *, amount: int, used_ms: int) -> bytes:
    """32 bytes: SHA-256 over what the payment stands on, as compact JSON in this order. Who has the record can
    show that it is the one; the chain shows nothing of it."""
    assert job.terms is not None and job.result is not None, job.id
    record = [
        _COMMITMENT,
        job.id,
        job.content.hex(),
        job.terms.chain,
        job.terms.token.hex(),
        int(job.result.status),
        job.result.exit_code,
        used_ms,
        str(amount),
    ]
    return sha256(json.dumps(record, separators=(",", ":")).encode()).digest()

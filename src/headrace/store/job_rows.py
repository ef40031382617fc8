"""Jobs, their terms, locks and payments as rows, and back: exactly what went in comes out."""

import json
import sqlite3
from typing import Any, Final, assert_never

from headrace.core.job import Job, JobEvent, JobId, JobStatus, Result, RunTimes
from headrace.core.ports.jobs import Step
from headrace.core.settlement import (
    AwaitingLock,
    Canceled,
    Claimed,
    Claiming,
    Due,
    Free,
    Lock,
    Move,
    NeedsHelp,
    NoLock,
    Proof,
    Released,
    Settlement,
    SettlementState,
    Unsettled,
)
from headrace.core.terms import Rate, Terms, decimal_text, exact
from headrace.core.words import Address, BlockNumber, ChainId, OperationId, TxHash

Values = dict[str, Any]

_NOTHING_KNOWN: Final[Values] = dict.fromkeys(
    ("move", "amount", "operation", "proof_transaction", "proof_block"), None
) | {"reason": ""}


def job_values(job: Job) -> Values:
    """Of a new one: nothing has happened to it."""
    assert job.result is None and job.lock is None and job.run == RunTimes() and not job.claims, job.id
    return {
        "id": job.id,
        "content": job.content,
        "owner": job.owner,
        "environment": job.environment,
        "created_at": job.created_at,
        "max_duration_s": job.max_duration_s,
        "queue_max_wait_s": job.queue_max_wait_s,
        "metadata": job.metadata,
        "terms": None if job.terms is None else _terms_text(job.terms),
        "algorithm": job.algorithm,
        "status": int(job.status),
        "status_at": job.status_at,
        "settlement": job.settlement.state.value,
    }


def step_values(step: Step) -> Values:
    result = step.result
    return {
        "id": step.job,
        "before": int(step.before),
        "after": int(step.after),
        "at": step.at,
        "build_started_at": step.run.build_started_at,
        "build_ended_at": step.run.build_ended_at,
        "started_at": step.run.started_at,
        "seen_running_at": step.run.seen_running_at,
        "stopped_at": step.run.stopped_at,
        "ended_as": None if result is None else int(result.status),
        "ended_at": None if result is None else result.at,
        "ended_detail": None if result is None else result.detail,
        "exit_code": None if result is None else result.exit_code,
        "out_of_memory": None if result is None else int(result.out_of_memory),
    }


def settlement_values(settlement: Settlement) -> Values:
    values = _NOTHING_KNOWN | {"settlement": settlement.state.value}
    match settlement:
        case Free() | AwaitingLock() | Unsettled():
            return values
        case Due(reason=reason) | NeedsHelp(reason=reason) | NoLock(reason=reason):
            return values | {"reason": reason}
        case Claiming(move=move, amount=amount, operation=operation):
            return values | {"move": move.value, "amount": str(amount), "operation": operation}
        case Claimed(amount=amount, proof=proof):
            return values | {"amount": str(amount)} | _proof_values(proof)
        case Released(proof=proof) | Canceled(proof=proof):
            return values | _proof_values(proof)
        case _:
            assert_never(settlement)


def job_from(row: sqlite3.Row) -> Job:
    return Job(
        id=JobId(row["id"]),
        content=row["content"],
        owner=Address(row["owner"]),
        environment=row["environment"],
        created_at=row["created_at"],
        max_duration_s=row["max_duration_s"],
        queue_max_wait_s=row["queue_max_wait_s"],
        metadata=row["metadata"],
        algorithm=row["algorithm"],
        terms=None if row["terms"] is None else _terms_from(row["terms"]),
        settlement=_settlement_from(row),
        status=JobStatus(row["status"]),
        status_at=row["status_at"],
        run=RunTimes(
            build_started_at=row["build_started_at"],
            build_ended_at=row["build_ended_at"],
            started_at=row["started_at"],
            seen_running_at=row["seen_running_at"],
            stopped_at=row["stopped_at"],
        ),
        stop_requested_at=row["stop_requested_at"],
        result=None if row["ended_as"] is None else _result_from(row),
        lock=None if row["lock_amount"] is None else _lock_from(row),
        claims=row["claims"],
    )


def job_event_from(row: sqlite3.Row) -> JobEvent:
    status, settlement = row["status"], row["settlement"]
    return JobEvent(
        at=row["at"],
        received_at=row["received_at"],
        status=None if status is None else JobStatus(status),
        settlement=None if settlement is None else SettlementState(settlement),
        detail=row["detail"],
    )


def _settlement_from(row: sqlite3.Row) -> Settlement:
    state = SettlementState(row["settlement"])
    match state:
        case SettlementState.FREE:
            return Free()
        case SettlementState.AWAITING_LOCK:
            return AwaitingLock()
        case SettlementState.UNSETTLED:
            return Unsettled()
        case SettlementState.DUE:
            return Due(row["reason"])
        case SettlementState.CLAIMING:
            return Claiming(
                move=Move(row["move"]), amount=int(row["amount"]), operation=OperationId(row["operation"])
            )
        case SettlementState.NEEDS_OPERATOR:
            return NeedsHelp(row["reason"])
        case SettlementState.CLAIMED:
            return Claimed(int(row["amount"]), _proof_from(row))
        case SettlementState.RELEASED:
            return Released(_proof_from(row))
        case SettlementState.CANCELED:
            return Canceled(_proof_from(row))
        case SettlementState.NO_LOCK:
            return NoLock(row["reason"])
        case _:
            assert_never(state)


def _result_from(row: sqlite3.Row) -> Result:
    return Result(
        status=JobStatus(row["ended_as"]),
        at=row["ended_at"],
        detail=row["ended_detail"],
        exit_code=row["exit_code"],
        out_of_memory=bool(row["out_of_memory"]),
    )


def _lock_from(row: sqlite3.Row) -> Lock:
    return Lock(
        amount=int(row["lock_amount"]),
        expiry=row["lock_expiry"],
        transaction=TxHash(row["lock_transaction"]),
        block=BlockNumber(row["lock_block"]),
    )


def _proof_values(proof: Proof) -> Values:
    return {"proof_transaction": proof.transaction, "proof_block": proof.block}


def _proof_from(row: sqlite3.Row) -> Proof:
    return Proof(TxHash(row["proof_transaction"]), BlockNumber(row["proof_block"]))


def _terms_text(terms: Terms) -> str:
    return json.dumps(
        {
            "chain": terms.chain,
            "token": terms.token.hex(),
            "token_decimals": terms.token_decimals,
            "payer": terms.payer.hex(),
            "payee": terms.payee.hex(),
            "rates": [[r.resource, decimal_text(r.amount), decimal_text(r.price)] for r in terms.rates],
            "minimum_duration_s": terms.minimum_duration_s,
            "lock_amount": str(terms.lock_amount),
            "lock_duration_s": terms.lock_duration_s,
        }
    )


def _terms_from(text: str) -> Terms:
    read = json.loads(text)
    return Terms(
        chain=ChainId(read["chain"]),
        token=Address(bytes.fromhex(read["token"])),
        token_decimals=read["token_decimals"],
        payer=Address(bytes.fromhex(read["payer"])),
        payee=Address(bytes.fromhex(read["payee"])),
        rates=tuple(
            Rate(resource=name, amount=exact(amount, field="amount"), price=exact(price, field="price"))
            for name, amount, price in read["rates"]
        ),
        minimum_duration_s=read["minimum_duration_s"],
        lock_amount=int(read["lock_amount"]),
        lock_duration_s=read["lock_duration_s"],
    )

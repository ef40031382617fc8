"""What a subscriber reads of the news.

Owns      the JSON of an update's `result`: {event, task_id | operation_id | batch_id, timestamp, data}.
Leaves    who gets it to `api.topics`, the envelope around it to `api.ws`.

The `status` of a task is one of processing, success, failed, timeout: the off-chain answer first; once there is
one it stays `success` while the record travels (events batched, sent, mined, retracted, final), and becomes
`failed` if the record cannot land. The `status` of an operation is its state.
"""

from collections.abc import Mapping
from typing import Final, Literal

from headrace.api.operation_form import account_form, evaluation_form, revert_form
from headrace.api.task_forms import response_form
from headrace.api.wire import hexed, jsonable
from headrace.core.operation import Account, Operation
from headrace.core.ports import BatchNews, Evaluation, EvaluationNews, OperationNews
from headrace.core.words import Address, BatchId, BlockNumber, ChainId, Nonce, Outcome, TxHash
from headrace.operators.evaluation import Certified, Failed, Refused, Result, result_of
from headrace.workloads.tasks.structs import TaskResponse

Form = Mapping[str, object]

_TASK_STATUS: Final = {
    "evaluating": "processing",
    "certified": "success",
    "refused": "failed",
    "failed": "timeout",
}
_GOOD: Final = (Outcome.LANDED, Outcome.ALREADY_DONE)
_STATE_AFTER: Final = {"batched": "batched", "sent": "sent", "mined": "mined", "retracted": "sent"}


# ---- Tasks: the off-chain answer, and the record of it


def task_evaluated(news: EvaluationNews) -> Form:
    response, signature = news.data.get("response"), news.data.get("signature_data")
    result = None
    if isinstance(response, bytes) and isinstance(signature, bytes):
        result = _certificate(response, signature)
    return _evaluated(
        news.subject,
        news.what,
        news.at,
        result=result,
        responses=jsonable(news.data.get("errors")),
        error=news.data.get("message"),
    )


def task_as_stored(evaluation: Evaluation) -> tuple[str, Form]:
    """Event and update that tell a late subscriber how far the off-chain answer is."""
    result = result_of(evaluation)
    return _event_of(result), _evaluated(
        evaluation.subject,
        _event_of(result),
        evaluation.received_at,
        result=_certificate(result.response, result.signature_data) if isinstance(result, Certified) else None,
        responses=jsonable(result.operator_errors) if isinstance(result, Refused) else None,
        error=result.message if isinstance(result, Refused | Failed) else None,
    )


def task_in_batch(operation: Operation, news: BatchNews, *, index: int) -> Form:
    event = "final" if news.what == "settled" else news.what
    return _task(
        operation.subject,
        event,
        news.at,
        status="success",
        result={"operation_id": operation.id, "transaction": _transaction(news, index)},
    )


def task_ended(task_id: bytes, news: OperationNews) -> Form:
    good = news.outcome in _GOOD
    return _task(
        task_id,
        news.what,
        news.at,
        status="success" if good or news.what == "queued" else "failed",
        result={
            "operation_id": news.operation,
            "outcome": None if news.outcome is None else news.outcome.value,
            "revert": revert_form(news.revert),
        },
        error=None if good else news.reason or None,
    )


def _evaluated(task_id: bytes, event: str, at: float, *, result: object, responses: object, error: object) -> Form:
    return _task(task_id, event, at, status=_TASK_STATUS[event], result=result, responses=responses, error=error)


def _task(
    task_id: bytes,
    event: str,
    at: float,
    *,
    status: str,
    result: object,
    responses: object = None,
    error: object = None,
) -> Form:
    return {
        "event": event,
        "task_id": hexed(task_id),
        "timestamp": at,
        "data": {
            "status": status,
            "operator_responses": responses,
            "result": result,
            "progress": event,
            "error": error,
        },
    }


def _certificate(response: bytes, signature_data: bytes) -> Form:
    return {
        "task_response": response_form(TaskResponse.from_abi(response)),
        "signature_data": hexed(signature_data),
    }


def _event_of(result: Result | None) -> Literal["evaluating", "certified", "refused", "failed"]:
    match result:
        case None:
            return "evaluating"
        case Certified():
            return "certified"
        case Refused():
            return "refused"
        case Failed():
            return "failed"


# ---- Operations


def operation_in_batch(operation: Operation, news: BatchNews, *, index: int) -> Form:
    data = {
        "status": _STATE_AFTER[news.what],
        "transaction": _transaction(news, index),
        "without_effect": operation.id in news.without_effect,
    }
    return {"event": news.what, "operation_id": operation.id, "timestamp": news.at, "data": data}


def operation_ended(news: OperationNews) -> Form:
    data = {
        "status": news.what,
        "outcome": None if news.outcome is None else news.outcome.value,
        "reason": news.reason or None,
        "revert": revert_form(news.revert),
    }
    return {"event": news.what, "operation_id": news.operation, "timestamp": news.at, "data": data}


def operation_as_stored(
    reading: Account | Evaluation, *, now: float, kind: str, chain: ChainId
) -> tuple[str, Form]:
    """Event and update that tell a late subscriber where the operation is."""
    if isinstance(reading, Account):
        form, id = account_form(reading), reading.operation.id
    else:
        form, id = evaluation_form(reading, kind=kind, chain=chain), reading.operation
    event = str(form["state"])
    data = {"status": event, **{key: form[key] for key in ("outcome", "reason", "revert", "transaction")}}
    return event, {"event": event, "operation_id": id, "timestamp": now, "data": data}


# ---- Batches


def batch_moved(news: BatchNews) -> Form:
    data = {
        "status": news.what,
        **_carrier(news.transaction, news.lane, news.nonce, news.block, news.batch),
        "gas_used": news.gas_used,
        "operations": len(news.operations),
        "without_effect": len(news.without_effect),
    }
    return {"event": news.what, "batch_id": news.batch, "timestamp": news.at, "data": data}


def _transaction(news: BatchNews, index: int) -> Form:
    return {**_carrier(news.transaction, news.lane, news.nonce, news.block, news.batch), "index": index}


def _carrier(hash: TxHash, lane: Address, nonce: Nonce, block: BlockNumber | None, batch: BatchId) -> Form:
    return {
        "hash": hexed(hash),
        "block_number": block,
        "lane": hexed(lane),
        "nonce": nonce,
        "batch_id": batch,
    }

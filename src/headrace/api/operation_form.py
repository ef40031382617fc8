"""An operation as clients read it.

Owns      the JSON of an operation, from the store's account of it or, before there is one, from its evaluation.
Promises  every key is always there; what is not known yet is null. Amounts of wei are decimal text.
"""

from collections.abc import Mapping
from typing import assert_never

from headrace.api.wire import hexed, jsonable
from headrace.core.operation import Account, Ride, State
from headrace.core.ports import Evaluation
from headrace.core.words import ChainId, Outcome, Revert
from headrace.operators.evaluation import CANCELLED, Certified, Failed, Refused, result_of
from headrace.workloads.tasks.workload import NAME as TASKS


def account_form(account: Account) -> Mapping[str, object]:
    operation, ride = account.operation, account.ride
    return {
        "operation_id": operation.id,
        "workload": operation.workload,
        "kind": operation.kind,
        "chain_id": operation.chain,
        "state": account.state.value,
        "outcome": None if account.outcome is None else account.outcome.value,
        "reason": account.reason or None,
        "revert": revert_form(account.revert),
        "transaction": None if ride is None else _ride_form(ride),
        "attempts": 0 if ride is None else ride.attempts,
        "gas_share": 0 if ride is None else ride.gas_share,
        "cost_share_wei": "0" if ride is None else str(ride.cost_share_wei),
        "proof": None,
        "times": {
            "received": operation.received_at,
            "batched": account.batched_at,
            "sent": account.sent_at,
            "mined": account.mined_at,
            "done": account.done_at,
        },
    }


def evaluation_form(evaluation: Evaluation, *, kind: str, chain: ChainId) -> Mapping[str, object]:
    """A task request without an operation (yet): it is being evaluated, or was refused."""
    state, outcome, reason = evaluation_state(evaluation)
    return {
        "operation_id": evaluation.operation,
        "workload": TASKS,
        "kind": kind,
        "chain_id": chain,
        "state": state.value,
        "outcome": None if outcome is None else outcome.value,
        "reason": reason or None,
        "revert": None,
        "transaction": None,
        "attempts": 0,
        "gas_share": 0,
        "cost_share_wei": "0",
        "proof": None,
        "times": {
            "received": evaluation.received_at,
            "batched": None,
            "sent": None,
            "mined": None,
            "done": None,  # when an evaluation came to its end is not kept
        },
    }


def evaluation_state(evaluation: Evaluation) -> tuple[State, Outcome | None, str]:
    """Of a task request that has no operation (yet)."""
    result = result_of(evaluation)
    match result:
        case None | Certified():
            return State.QUEUED, None, ""
        case Refused(message=message):
            return State.DONE, Outcome.REJECTED, message
        case Failed(message=message):
            outcome = Outcome.CANCELLED if message == CANCELLED else Outcome.EXPIRED
            return State.DONE, outcome, message
        case _:
            assert_never(result)


def revert_form(revert: Revert | None) -> Mapping[str, object] | None:
    if revert is None:
        return None
    return {"selector": hexed(revert.selector), "name": revert.name, "args": jsonable(dict(revert.args))}


def _ride_form(ride: Ride) -> Mapping[str, object]:
    return {
        "hash": hexed(ride.hash),
        "block_number": ride.block,
        "block_hash": None if ride.block_hash is None else hexed(ride.block_hash),
        "lane": hexed(ride.lane),
        "nonce": ride.nonce,
        "batch_id": ride.batch,
        "index": ride.index,
    }

"""The answer of a policy to a task, as a plain function.

Owns      how a policy's yes becomes a TaskResponse.
Promises  every honest operator with the same policy gives the same response, byte for byte.
Leaves    who may ask, and signing, to `operators.operator`.
"""

from dataclasses import dataclass
from typing import Final

from headrace.core.words import BlockNumber
from headrace.operators.answers import Refused
from headrace.operators.expression import NoAnswer
from headrace.operators.policies import Policy
from headrace.operators.view import view_of
from headrace.workloads.tasks.structs import Task, TaskResponse

TRUE: Final = bytes(31) + b"\x01"  # abi.encode(true)
_BLOCK_MAX: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Allowed:
    response: TaskResponse


def evaluate(task: Task, policy: Policy) -> Allowed | Refused:
    assert task.policy_client == policy.client, (task.policy_client.hex(), policy.client.hex())
    try:
        allowed = policy.expression.decide(view_of(task))
    except NoAnswer as why:
        return Refused(code="policy_error", text=f"policy {policy.name!r} has no answer: {why}")
    if not allowed:
        return Refused(code="policy_refused", text=f"policy {policy.name!r} says no")
    return Allowed(
        TaskResponse(
            task_id=task.task_id,
            policy_client=task.policy_client,
            policy_id=policy.policy_id,
            intent_hash=task.intent.hash(),
            evaluation_result=TRUE,
            expire_block=BlockNumber(min(task.created_block + policy.expire_after_blocks, _BLOCK_MAX)),
        )
    )

"""`newt_createTask` and `newt_sendTask`.

Promises  the same operation id gives the same answer, down to its timestamp; the id of an operation that is not a
          task request is refused.
Leaves    the task, the operators and the answer to `operators.desk`.
"""

from collections.abc import Mapping
from typing import Final

from headrace.api.fields import Fields
from headrace.api.services import Services, TaskDesk
from headrace.api.task_forms import CREATE_TASK, SEND_TASK, TaskForms, response_form, task_form
from headrace.api.topics import task_topic
from headrace.api.wire import hexed, read_new_operation_id, read_seconds
from headrace.core.words import OperationId
from headrace.workloads.tasks.structs import Task

TIMEOUT_S: Final = 30.0


class TaskMethods:
    def __init__(self, services: Services, desk: TaskDesk) -> None:
        self._desk = desk
        self._timeout_max_s = services.limits.task_timeout_max_s
        self._forms = TaskForms(quorums=services.quorum_numbers, threshold_percent=services.threshold_percent)

    async def create_task(self, params: object) -> Mapping[str, object]:
        """Waits for the quorum, not for the chain."""
        fields = CREATE_TASK.read(params, "")
        request = self._forms.read_request(fields)
        timeout = fields.get("timeout")
        timeout_s = TIMEOUT_S if timeout is None else read_seconds(timeout, "timeout", most=self._timeout_max_s)
        operation = _operation_id(fields)
        answer = await self._desk.create(request, operation=operation, timeout_s=timeout_s)
        task, response, result = answer.task, answer.response, answer.result
        return {
            "task_id": hexed(task.task_id),
            "status": "success",
            "aggregation_response": {
                "response_hash": hexed(response.hash()),
                "signature_data": hexed(result.signature_data),
                "signers": [hexed(signer) for signer in result.signers],
                "non_signers": [hexed(other) for other in result.non_signers],
            },
            "task": task_form(task),
            "task_response": response_form(response),
            "reference_block": task.created_block,
            "expiration": response.expire_block,
            "signature_data": hexed(result.signature_data),
            "operator_errors": list(result.operator_errors),
            "error": None,
            "timestamp": task.timestamp,
            "operation_id": answer.operation,
        }

    async def send_task(self, params: object) -> Mapping[str, object]:
        """Says yes when the task is durable; the answer follows over WebSocket."""
        fields = SEND_TASK.read(params, "")
        request = self._forms.read_request(fields)
        operation = _operation_id(fields)
        evaluation = await self._desk.send(request, operation=operation)
        task = Task.from_abi(evaluation.task)
        return {
            "task_id": hexed(task.task_id),
            "subscription_topic": task_topic(task.task_id).name,
            "message": "the task is stored and is being evaluated",
            "timestamp": task.timestamp,
            "operation_id": evaluation.operation,
        }


def _operation_id(fields: Fields) -> OperationId | None:
    value = fields.get("operation_id")
    return None if value is None else read_new_operation_id(value, "operation_id")

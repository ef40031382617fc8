"""Intents, tasks, responses and task requests, from and to JSON.

Owns      the names of their fields, the same on the way in and out.
Promises  what is read was checked field by field: sizes, bounds, zero addresses, the quorums there are; what is
          written can be read again and means the same.
"""

from collections.abc import Mapping
from typing import Final

from headrace.api.fields import Fields, Shape
from headrace.api.wire import UINT32_BITS, hexed, read_address, read_data, read_quantity, wrong
from headrace.core.words import BlockNumber, ChainId
from headrace.operators.evaluation import TaskRequest
from headrace.workloads.tasks.payload import CLIENT_BYTES_MAX
from headrace.workloads.tasks.structs import Intent, Task, TaskResponse

EVALUATION_RESULT_BYTES_MAX: Final = 1024

# What the SDK sends besides, and what has no meaning here: taken, and not looked at.
_SDK_EXTRAS: Final = (
    "proof_cid",
    "include_validate_calldata",
    "direct_broadcast",
    "identity_domain",
    "encrypted_data_refs",
    "user_signature",
    "app_signature",
    "user_pubkey",
    "app_pubkey",
)
_REQUEST: Final = (
    "operation_id",
    "policy_client",
    "intent",
    "intent_signature",
    "quorum_number",
    "quorum_threshold_percentage",
    "wasm_args",
)
CREATE_TASK: Final = Shape(*_REQUEST, "timeout", ignored=_SDK_EXTRAS)
SEND_TASK: Final = Shape(*_REQUEST, ignored=(*_SDK_EXTRAS, "timeout"))

_INTENT: Final = Shape("from", "to", "value", "data", "chain_id", "function_signature")
_TASK: Final = Shape(
    "task_id",
    "policy_client",
    "task_created_block",
    "quorum_threshold_percentage",
    "intent",
    "intent_signature",
    "wasm_args",
    "quorum_numbers",
    "initialization_timestamp",
)
_RESPONSE: Final = Shape(
    "task_id", "policy_client", "policy_id", "intent_hash", "evaluation_result", "expire_block"
)


class TaskForms:
    """`quorums` are those of this deployment (one byte each), the whole of it being the default;
    `threshold_percent` is the default share of the stake."""

    def __init__(self, *, quorums: bytes, threshold_percent: int) -> None:
        self._quorums, self._threshold_percent = quorums, threshold_percent

    def read_request(self, fields: Fields) -> TaskRequest:
        """Raises FixTheRequest."""
        request = TaskRequest(
            policy_client=read_address(fields.need("policy_client"), fields.at("policy_client")),
            intent=read_intent(fields.need("intent"), fields.at("intent")),
            intent_signature=_optional_data(fields, "intent_signature", bare=True),
            wasm_args=_optional_data(fields, "wasm_args", bare=True),
            quorum_numbers=self._read_quorums(fields, "quorum_number", default=self._quorums),
            threshold_percent=self._read_threshold(fields, default=self._threshold_percent),
        )
        _refuse_too_much(request.intent, request.intent_signature, request.wasm_args, fields.path)
        return request

    def read_task(self, value: object, path: str) -> Task:
        """A task that somebody built already. Raises FixTheRequest."""
        fields = _TASK.read(value, path)
        task_id = read_data(fields.need("task_id"), fields.at("task_id"), size=32)
        if not any(task_id):
            raise wrong(fields.at("task_id"), "is zero")
        task = Task(
            task_id=task_id,
            policy_client=read_address(fields.need("policy_client"), fields.at("policy_client")),
            created_block=_block(fields, "task_created_block"),
            threshold_percent=self._read_threshold(fields, default=None),
            intent=read_intent(fields.need("intent"), fields.at("intent")),
            intent_signature=_optional_data(fields, "intent_signature", bare=True),
            wasm_args=_optional_data(fields, "wasm_args", bare=True),
            quorum_numbers=self._read_quorums(fields, "quorum_numbers", default=None),
            timestamp=read_quantity(
                fields.need("initialization_timestamp"), fields.at("initialization_timestamp")
            ),
        )
        _refuse_too_much(task.intent, task.intent_signature, task.wasm_args, path)
        return task

    def _read_quorums(self, fields: Fields, name: str, *, default: bytes | None) -> bytes:
        value = fields.get(name) if default is not None else fields.need(name)
        if value is None:
            assert default is not None
            return default
        quorums = read_data(value, fields.at(name), bytes_max=32, bare=True)
        if quorums == self._quorums:
            return quorums  # nearly always
        there_are = f"this deployment has {hexed(self._quorums)}"
        if not quorums:
            raise wrong(fields.at(name), f"names no quorum; {there_are}")
        if list(quorums) != sorted(set(quorums)):
            raise wrong(fields.at(name), f"{hexed(quorums)} is not in ascending order, each once")
        if any(quorum not in self._quorums for quorum in quorums):
            raise wrong(fields.at(name), f"{hexed(quorums)} names a quorum that is not there; {there_are}")
        return quorums

    def _read_threshold(self, fields: Fields, *, default: int | None) -> int:
        name = "quorum_threshold_percentage"
        value = fields.get(name) if default is not None else fields.need(name)
        if value is None:
            assert default is not None
            return default
        percent = read_quantity(value, fields.at(name), bits=UINT32_BITS)
        if not 1 <= percent <= 100:
            raise wrong(fields.at(name), f"{percent} is not within 1 to 100")
        return percent


def read_intent(value: object, path: str) -> Intent:
    """Raises FixTheRequest."""
    fields = _INTENT.read(value, path)
    return Intent(
        from_=read_address(fields.need("from"), fields.at("from")),
        to=read_address(fields.need("to"), fields.at("to")),
        value=read_quantity(fields.need("value"), fields.at("value")),
        data=_optional_data(fields, "data"),
        chain=ChainId(read_quantity(fields.need("chain_id"), fields.at("chain_id"), least=1)),
        function_signature=_optional_data(fields, "function_signature"),
    )


def read_response(value: object, path: str) -> TaskResponse:
    """Raises FixTheRequest."""
    fields = _RESPONSE.read(value, path)
    return TaskResponse(
        task_id=read_data(fields.need("task_id"), fields.at("task_id"), size=32),
        policy_client=read_address(fields.need("policy_client"), fields.at("policy_client")),
        policy_id=read_data(fields.need("policy_id"), fields.at("policy_id"), size=32),
        intent_hash=read_data(fields.need("intent_hash"), fields.at("intent_hash"), size=32),
        evaluation_result=read_data(
            fields.need("evaluation_result"), fields.at("evaluation_result"), bytes_max=EVALUATION_RESULT_BYTES_MAX
        ),
        expire_block=_block(fields, "expire_block"),
    )


def intent_form(intent: Intent) -> Mapping[str, object]:
    return {
        "from": hexed(intent.from_),
        "to": hexed(intent.to),
        "value": hex(intent.value),
        "data": hexed(intent.data),
        "chain_id": hex(intent.chain),
        "function_signature": hexed(intent.function_signature),
    }


def task_form(task: Task) -> Mapping[str, object]:
    return {
        "task_id": hexed(task.task_id),
        "policy_client": hexed(task.policy_client),
        "task_created_block": task.created_block,
        "quorum_threshold_percentage": task.threshold_percent,
        "intent": intent_form(task.intent),
        "intent_signature": hexed(task.intent_signature),
        "wasm_args": hexed(task.wasm_args),
        "quorum_numbers": hexed(task.quorum_numbers),
        "initialization_timestamp": hex(task.timestamp),
    }


def response_form(response: TaskResponse) -> Mapping[str, object]:
    return {
        "task_id": hexed(response.task_id),
        "policy_client": hexed(response.policy_client),
        "policy_id": hexed(response.policy_id),
        "intent_hash": hexed(response.intent_hash),
        "evaluation_result": hexed(response.evaluation_result),
        "expire_block": response.expire_block,
    }


def _block(fields: Fields, name: str) -> BlockNumber:
    return BlockNumber(read_quantity(fields.need(name), fields.at(name), bits=UINT32_BITS, least=1))


def _optional_data(fields: Fields, name: str, *, bare: bool = False) -> bytes:
    value = fields.get(name)
    return b"" if value is None else read_data(value, fields.at(name), bare=bare)


def _refuse_too_much(intent: Intent, intent_signature: bytes, wasm_args: bytes, path: str) -> None:
    # Asked here and not only when the operations are made: by then the operators have worked for nothing.
    total = len(intent.data) + len(intent.function_signature) + len(intent_signature) + len(wasm_args)
    if total > CLIENT_BYTES_MAX:
        parts = {
            "intent.data": len(intent.data),
            "intent.function_signature": len(intent.function_signature),
            "intent_signature": len(intent_signature),
            "wasm_args": len(wasm_args),
        }
        largest = max(parts, key=parts.__getitem__)
        raise wrong(
            f"{path}.{largest}" if path else largest,
            f"has {parts[largest]} bytes; {', '.join(parts)} have {total} together, at most {CLIENT_BYTES_MAX} "
            "travel in a task",
        )

"""What an operation of this workload carries: the encoded task, response and signature.

Encoded once, when the operation is made: a batch is then joined from these pieces without encoding anything again.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
from eth_utils.crypto import keccak

from headrace.core.errors import FixTheRequest
from headrace.core.words import BlockNumber
from headrace.workloads.tasks.structs import Task, TaskResponse

CREATE: Final = "create"
RESPOND: Final = "respond"
CREATE_AND_RESPOND: Final = "create_and_respond"
KINDS: Final = (CREATE, RESPOND, CREATE_AND_RESPOND)

# The fixed part of an item is about 1.2 KB of ABI words; what a client may add to it is bounded so that a
# batch still holds about 60 items in the 128 KiB of a transaction.
CLIENT_BYTES_MAX: Final = 1024
SIGNATURE_DATA_BYTES: Final = 128
SIGNATURE_BYTES: Final = 96


@dataclass(frozen=True, slots=True)
class Payload:
    """`task` and `response` as Solidity's abi.encode gives them; `response` and `signature_data` empty for
    a create."""

    task: bytes
    response: bytes
    signature_data: bytes

    def pack(self) -> bytes:
        return msgspec.msgpack.encode((self.task, self.response, self.signature_data))

    @staticmethod
    def unpack(packed: bytes) -> "Payload":
        task, response, signature_data = msgspec.msgpack.decode(packed, type=tuple[bytes, bytes, bytes])
        return Payload(task, response, signature_data)

    def task_hash(self) -> bytes:
        return keccak(self.task)

    def response_hash(self) -> bytes:
        return keccak(self.response)

    def non_signers(self) -> bytes:
        """The bitmap of who did not sign: what follows the signature."""
        return self.signature_data[SIGNATURE_BYTES:]

    def created_block(self) -> BlockNumber:
        """The task's reference block: the third word of its body, which begins behind one word of offset."""
        return BlockNumber(int.from_bytes(self.task[96:128], "big"))


def payload_of(kind: str, task: Task, response: TaskResponse | None, signature_data: bytes) -> Payload:
    """Raises FixTheRequest, naming the field, where the parts do not make an operation of this kind."""
    if kind not in KINDS:
        raise FixTheRequest(f"kind: {kind!r} is none of {', '.join(KINDS)}", field="kind")
    client_bytes = len(task.intent.data) + len(task.intent.function_signature)
    client_bytes += len(task.intent_signature) + len(task.wasm_args)
    if client_bytes > CLIENT_BYTES_MAX:
        raise FixTheRequest(
            f"task: intent data, signatures and wasm_args have {client_bytes} bytes together, "
            f"at most {CLIENT_BYTES_MAX} travel in a task",
            field="task",
        )
    if kind == CREATE:
        if response is not None or signature_data:
            raise FixTheRequest("response: a create carries a task only", field="response")
        return Payload(task.abi(), b"", b"")
    if response is None:
        raise FixTheRequest(f"response: a {kind} needs one", field="response")
    if response.task_id != task.task_id:
        raise FixTheRequest("response.task_id: differs from task.task_id", field="response.task_id")
    if response.policy_client != task.policy_client:
        raise FixTheRequest(
            "response.policy_client: differs from task.policy_client", field="response.policy_client"
        )
    if response.intent_hash != task.intent.hash():
        raise FixTheRequest("response.intent_hash: is not the hash of task.intent", field="response.intent_hash")
    if len(signature_data) != SIGNATURE_DATA_BYTES:
        raise FixTheRequest(
            f"signature_data: has {len(signature_data)} bytes, needs {SIGNATURE_DATA_BYTES} "
            "(96 of signature, 32 of non-signer bitmap)",
            field="signature_data",
        )
    return Payload(task.abi(), response.abi(), signature_data)

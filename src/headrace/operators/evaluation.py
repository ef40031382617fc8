"""What is asked of the desk, and what it answers: the values, and how an answer is stored.

Promises  the same request has the same content; a stored answer is read back as it was.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec

from headrace.core.ports import Evaluation
from headrace.core.words import Address, OperationId
from headrace.operators.certificate import Certificate, Refusal
from headrace.workloads.tasks.structs import Intent, Task, TaskResponse

CANCELLED: Final = "cancelled by the client"
NOBODY_ASKED_AGAIN: Final = "nobody asked again before the task's creation window closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """What a client asks: may this intent go ahead under the policy of this client?"""

    policy_client: Address
    intent: Intent
    intent_signature: bytes
    wasm_args: bytes
    quorum_numbers: bytes
    threshold_percent: int

    def content(self, method: str) -> bytes:
        intent = self.intent.abi()
        parts = (method.encode(), self.policy_client, intent, self.intent_signature, self.wasm_args)
        rest = self.quorum_numbers + self.threshold_percent.to_bytes(4, "big")
        return sha256(msgspec.msgpack.encode((*parts, rest))).digest()


class Certified(msgspec.Struct, frozen=True, tag=True):
    """The operators' answer: their response, and the signature over it. `signers` are operator addresses."""

    response: bytes
    signature_data: bytes
    signers: tuple[bytes, ...]
    non_signers: tuple[bytes, ...]
    operator_errors: tuple[dict[str, object], ...] = ()  # why the others did not sign


class Refused(msgspec.Struct, frozen=True, tag=True):
    message: str
    operator_errors: tuple[dict[str, object], ...]


class Failed(msgspec.Struct, frozen=True, tag=True):
    message: str


Result = Certified | Refused | Failed
_results: msgspec.msgpack.Decoder[Result] = msgspec.msgpack.Decoder(Result)


@dataclass(frozen=True, slots=True)
class Answer:
    """A task, as it was built, and what came of it."""

    operation: OperationId
    task: Task
    response: TaskResponse
    result: Certified


def result_of(evaluation: Evaluation) -> Result | None:
    """What an evaluation came to; None while it is open."""
    return None if evaluation.result is None else _results.decode(evaluation.result)


def refused(refusal: Refusal) -> Refused:
    errors = tuple(error.as_json() for error in refusal.operator_errors)
    reasons = sorted({error.message for error in refusal.operator_errors})
    return Refused(f"the policy refuses: {'; '.join(reasons)}", errors)


def certified(certificate: Certificate) -> Certified:
    return Certified(
        response=certificate.response.abi(),
        signature_data=certificate.signature_data,
        signers=tuple(certificate.signers),
        non_signers=tuple(certificate.non_signers),
        operator_errors=tuple(error.as_json() for error in certificate.operator_errors),
    )

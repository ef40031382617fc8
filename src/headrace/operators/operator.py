"""One operator: looks at a task for itself, and signs what its client's policy allows.

Owns      the operator's key, its checks, and its memory of what it signed.
Promises  it signs for one chain and one contract, never a second response for a task id it remembers, and never a
          task that the contract would refuse for its shape.
Leaves    the policy's answer to `operators.evaluate`, HTTP to `operators.service`.

The memory is bounded and in this process only: after a restart, or `remembered_max` tasks later, a task id is new
again. It guards against mistakes (a policy that changes while a task is asked about twice), not against ill will;
who counts answers must watch for two responses too (`operators.aggregator` does).
"""

import threading
from collections import OrderedDict
from typing import Final

from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from headrace.attest import bls
from headrace.core.words import Address, ChainId
from headrace.operators.answers import Answer, Failed, Refused, Signed
from headrace.operators.evaluate import evaluate
from headrace.operators.policies import Policies
from headrace.workloads.tasks.structs import Task, attestation_digest

TASK_BYTES_MAX: Final = 65_536
_BLOCK_MAX: Final = 2**32 - 1
_ZERO_ADDRESS: Final = Address(bytes(20))
_ONE_QUORUM: Final = b"\x00"


class Operator:
    """Safe to use from several threads."""

    def __init__(
        self,
        *,
        key: bls.SecretKey,
        address: Address,
        chain: ChainId,
        task_manager: Address,
        policies: Policies,
        remembered_max: int = 100_000,
    ) -> None:
        self._key = key
        self.address, self.chain, self.task_manager = address, chain, task_manager
        self.policies = policies
        self._signed: OrderedDict[bytes, bytes] = OrderedDict()  # task id -> digest
        self._remembered_max = remembered_max
        self._lock = threading.Lock()

    @property
    def public_key(self) -> bls.PublicKey:
        return self._key.public_key

    def answer(self, encoded: bytes) -> Answer:
        """To a task, ABI-encoded. Blocking CPU work of about 1 ms."""
        if len(encoded) > TASK_BYTES_MAX:
            return _not_ours("task_too_large", f"{len(encoded)} bytes, at most {TASK_BYTES_MAX} are looked at")
        try:
            task = Task.from_abi(encoded)
        except (DecodingError, OverflowError, ValueError) as error:
            return _not_ours("malformed_task", f"not an ABI-encoded Task: {error}"[:300])
        if problem := _find_problem(task):
            return _not_ours("invalid_task", problem)
        policy = self.policies.of(task.policy_client)
        if policy is None:
            return _not_ours("unknown_policy_client", f"no policy for 0x{task.policy_client.hex()} here")
        verdict = evaluate(task, policy)
        if isinstance(verdict, Refused):
            return verdict
        response = verdict.response.abi()
        digest = attestation_digest(
            chain=self.chain,
            task_manager=self.task_manager,
            # Of the bytes as they came: encoding the task again costs more than all else but the signature. Other
            # bytes than the plain encoding give a hash that no contract computes, and so a useless signature.
            task_hash=keccak(encoded),
            response_hash=keccak(response),
        )
        if not self._may_sign(task.task_id, digest):
            return _not_ours(
                "signed_otherwise", f"something else was signed for task 0x{task.task_id.hex()}; one answer a task"
            )
        return Signed(response=response, signature=bls.sign(self._key, digest))

    def _may_sign(self, task_id: bytes, digest: bytes) -> bool:
        with self._lock:  # remembered before it is signed: two threads cannot sign two answers
            known = self._signed.setdefault(task_id, digest)
            self._signed.move_to_end(task_id)
            if len(self._signed) > self._remembered_max:
                self._signed.popitem(last=False)
            return known == digest

    def __repr__(self) -> str:
        return f"Operator(0x{self.address.hex()})"


def _not_ours(code: str, text: str) -> Failed:
    return Failed(code=code, text=text, retryable=False)


def _find_problem(task: Task) -> str | None:
    """What TaskManager would refuse whatever the block. The block itself is not known here."""
    checks = (
        (not any(task.task_id), "task_id is zero"),
        (task.intent.from_ == _ZERO_ADDRESS, "intent.from is the zero address"),
        (task.intent.to == _ZERO_ADDRESS, "intent.to is the zero address"),
        (task.quorum_numbers != _ONE_QUORUM, f"quorum_numbers is 0x{task.quorum_numbers.hex()}, not 0x00"),
        (not 1 <= task.threshold_percent <= 100, f"threshold is {task.threshold_percent} %, not 1 to 100"),
        (not 0 < task.created_block < _BLOCK_MAX, f"created_block is {task.created_block}"),
    )
    return next((problem for wrong, problem in checks if wrong), None)

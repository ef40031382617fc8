"""The structs of the task contracts, their ABI encoding, and the hashes the contracts compute of them.

Owns      Intent, Task, TaskResponse as the contracts name them, and the digest that operators sign.
Promises  `abi` of a struct is exactly Solidity's `abi.encode(struct)`; equal structs have equal bytes.
Leaves    keys and signatures to `attest`, batches to `tasks.batches`.

Encodings and hashes are kept once they are known: a task's are asked for half a dozen times on its way.
How they are written and read stands in `tasks.encoding`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from eth_utils.crypto import keccak

from headrace.core.words import Address, BlockNumber, ChainId
from headrace.workloads.tasks import encoding

ATTESTATION_TYPEHASH: Final = keccak(
    text="HeadraceAttestation(uint256 chainId,address taskManager,bytes32 taskHash,bytes32 responseHash)"
)


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What the client wants to do, once the policy allows it. `value` in wei; `function_signature` is text."""

    from_: Address
    to: Address
    value: int
    data: bytes
    chain: ChainId
    function_signature: bytes

    def _values(self) -> tuple[Address, Address, int, bytes, ChainId, bytes]:
        return (self.from_, self.to, self.value, self.data, self.chain, self.function_signature)

    @cached_property
    def _encoded(self) -> bytes:
        return encoding.encode_intent(*self._values())

    @cached_property
    def _hashed(self) -> bytes:
        return keccak(self._encoded)

    def abi(self) -> bytes:
        return self._encoded

    def hash(self) -> bytes:
        return self._hashed


@dataclass(frozen=True, kw_only=True)
class Task:
    """A request for an answer under a client's policy. `created_block` is also the quorum's reference block;
    `threshold_percent` of the stake must sign; `timestamp` in unix seconds."""

    task_id: bytes
    policy_client: Address
    created_block: BlockNumber
    threshold_percent: int
    intent: Intent
    intent_signature: bytes
    wasm_args: bytes
    quorum_numbers: bytes
    timestamp: int

    @cached_property
    def _encoded(self) -> bytes:
        return encoding.encode_task(
            self.task_id,
            self.policy_client,
            self.created_block,
            self.threshold_percent,
            self.intent.abi(),
            self.intent_signature,
            self.wasm_args,
            self.quorum_numbers,
            self.timestamp,
            intent_values=self.intent._values(),
        )

    @cached_property
    def _hashed(self) -> bytes:
        return keccak(self._encoded)

    def abi(self) -> bytes:
        return self._encoded

    def hash(self) -> bytes:
        return self._hashed

    @classmethod
    def from_abi(cls, encoded: bytes) -> Self:
        """Raises eth_abi's DecodingError for bytes that are no Task."""
        values = encoding.plain_task(encoded)
        if values is not None and (task := cls._of(values)).abi() == encoded:
            return task
        return cls._of(encoding.any_task(encoded))

    @classmethod
    def _of(cls, values: encoding.Tasks) -> Self:
        task_id, client, block, threshold, intent, signature, arguments, quorums, timestamp = values
        from_, to, value, data, chain, function_signature = intent
        return cls(
            task_id=task_id,
            policy_client=Address(client),
            created_block=BlockNumber(block),
            threshold_percent=threshold,
            intent=Intent(
                from_=Address(from_),
                to=Address(to),
                value=value,
                data=data,
                chain=ChainId(chain),
                function_signature=function_signature,
            ),
            intent_signature=signature,
            wasm_args=arguments,
            quorum_numbers=quorums,
            timestamp=timestamp,
        )


@dataclass(frozen=True, kw_only=True)
class TaskResponse:
    """What the operators answer. `policy_id` is the hash of the policy's text; `expire_block` the last block in
    which the answer counts."""

    task_id: bytes
    policy_client: Address
    policy_id: bytes
    intent_hash: bytes
    evaluation_result: bytes
    expire_block: BlockNumber

    @cached_property
    def _encoded(self) -> bytes:
        return encoding.encode_response(
            self.task_id,
            self.policy_client,
            self.policy_id,
            self.intent_hash,
            self.evaluation_result,
            self.expire_block,
        )

    @cached_property
    def _hashed(self) -> bytes:
        return keccak(self._encoded)

    def abi(self) -> bytes:
        return self._encoded

    def hash(self) -> bytes:
        return self._hashed

    @classmethod
    def from_abi(cls, encoded: bytes) -> Self:
        """Raises eth_abi's DecodingError for bytes that are no TaskResponse."""
        values = encoding.plain_response(encoded)
        if values is not None and (response := cls._of(values)).abi() == encoded:
            return response
        return cls._of(encoding.any_response(encoded))

    @classmethod
    def _of(cls, values: encoding.Responses) -> Self:
        task_id, client, policy, intent_hash, result, expire = values
        return cls(
            task_id=task_id,
            policy_client=Address(client),
            policy_id=policy,
            intent_hash=intent_hash,
            evaluation_result=result,
            expire_block=BlockNumber(expire),
        )


def attestation_digest(*, chain: ChainId, task_manager: Address, task_hash: bytes, response_hash: bytes) -> bytes:
    """What an operator signs: bound to the chain, the contract and the whole task, so that a certificate
    serves for nothing else (TaskManager.attestationDigest computes the same)."""
    return keccak(
        ATTESTATION_TYPEHASH + chain.to_bytes(32, "big") + bytes(12) + task_manager + task_hash + response_hash
    )

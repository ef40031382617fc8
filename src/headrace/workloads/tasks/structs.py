"""The structs of the task contracts, their ABI encoding, and the hashes the contracts compute of them.

Owns      Intent, Task, TaskResponse as the contracts name them, and the digest that operators sign.
Promises  `abi` of a struct is exactly Solidity's `abi.encode(struct)`; equal structs have equal bytes.
Leaves    keys and signatures to `attest`, batches to `tasks.batches`.

Encodings and hashes are kept once they are known: a task's are asked for half a dozen times on its way.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from eth_abi.codec import ABICodec
from eth_abi.registry import registry
from eth_utils.crypto import keccak

from headrace.core.words import Address, BlockNumber, ChainId

INTENT: Final = "(address,address,uint256,bytes,uint256,bytes)"
TASK: Final = f"(bytes32,address,uint32,uint32,{INTENT},bytes,bytes,bytes,uint256)"
RESPONSE: Final = "(bytes32,address,bytes32,bytes32,bytes,uint32)"

ATTESTATION_TYPEHASH: Final = keccak(
    text="HeadraceAttestation(uint256 chainId,address taskManager,bytes32 taskHash,bytes32 responseHash)"
)

_codec = ABICodec(registry)


def _address(value: object) -> Address:
    assert isinstance(value, str), value  # eth-abi gives addresses as text
    return Address(bytes.fromhex(value[2:]))


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What the client wants to do, once the policy allows it. `value` in wei; `function_signature` is text."""

    from_: Address
    to: Address
    value: int
    data: bytes
    chain: ChainId
    function_signature: bytes

    def _tuple(self) -> tuple[object, ...]:
        return (self.from_, self.to, self.value, self.data, self.chain, self.function_signature)

    @cached_property
    def _encoded(self) -> bytes:
        return _codec.encode([INTENT], [self._tuple()])

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
        intent = self.intent
        return _codec.encode(
            [TASK],
            [
                (
                    self.task_id,
                    self.policy_client,
                    self.created_block,
                    self.threshold_percent,
                    intent._tuple(),
                    self.intent_signature,
                    self.wasm_args,
                    self.quorum_numbers,
                    self.timestamp,
                )
            ],
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
        (fields,) = _codec.decode([TASK], encoded)
        from_, to, value, data, chain, signature = fields[4]
        return cls(
            task_id=fields[0],
            policy_client=_address(fields[1]),
            created_block=BlockNumber(fields[2]),
            threshold_percent=fields[3],
            intent=Intent(
                from_=_address(from_),
                to=_address(to),
                value=value,
                data=data,
                chain=ChainId(chain),
                function_signature=signature,
            ),
            intent_signature=fields[5],
            wasm_args=fields[6],
            quorum_numbers=fields[7],
            timestamp=fields[8],
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
        return _codec.encode(
            [RESPONSE],
            [
                (
                    self.task_id,
                    self.policy_client,
                    self.policy_id,
                    self.intent_hash,
                    self.evaluation_result,
                    self.expire_block,
                )
            ],
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
        (fields,) = _codec.decode([RESPONSE], encoded)
        return cls(
            task_id=fields[0],
            policy_client=_address(fields[1]),
            policy_id=fields[2],
            intent_hash=fields[3],
            evaluation_result=fields[4],
            expire_block=BlockNumber(fields[5]),
        )


def attestation_digest(*, chain: ChainId, task_manager: Address, task_hash: bytes, response_hash: bytes) -> bytes:
    """What an operator signs: bound to the chain, the contract and the whole task, so that a certificate
    serves for nothing else (TaskManager.attestationDigest computes the same)."""
    return keccak(
        ATTESTATION_TYPEHASH + chain.to_bytes(32, "big") + bytes(12) + task_manager + task_hash + response_hash
    )

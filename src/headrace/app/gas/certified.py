"""Tasks with real certificates, the same for the same seed: what operators would sign, signed by their keys.

Owns      operators' keys for a bench, and operations made of builders' tasks and aggregated BLS signatures.
Promises  every certificate stands on chain; nothing is left to chance but by the seed.
Leaves    asking operators over a wire to the demo: it changes no byte of what is recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from eth_utils.crypto import keccak

from headrace.attest import bls
from headrace.core.words import Address, BlockNumber, ChainId
from headrace.testing.builders import Builder
from headrace.testing.keys import TestKey, keys_from_seed
from headrace.workloads.tasks.payload import Payload
from headrace.workloads.tasks.structs import attestation_digest

OPERATORS: Final = 4
STAKE: Final = 100
BODY_BYTES: Final = 200
_NO_CONTRACT: Final = Address(b"\x0c" * 20)


@dataclass(frozen=True, slots=True)
class BenchOperator:
    account: TestKey
    key: bls.SecretKey = field(repr=False)


def make_operators(seed: int) -> tuple[BenchOperator, ...]:
    """Keys that are worth nothing: they follow from the seed."""
    accounts = keys_from_seed(seed, OPERATORS)
    # 255 bits of a hash: below the order of the group, which has a little more.
    secrets = [int.from_bytes(keccak(account.secret)) >> 2 for account in accounts]
    return tuple(
        BenchOperator(account, bls.SecretKey.from_bytes(secret.to_bytes(32)))
        for account, secret in zip(accounts, secrets, strict=True)
    )


class CertifiedTasks:
    """New ones each time. Their client is an address without code, as in the demo."""

    def __init__(
        self, seed: int, *, chain: ChainId, task_manager: Address, operators: Sequence[BenchOperator]
    ) -> None:
        self._builder = Builder(seed, chain=chain, policy_client=_NO_CONTRACT)
        self._chain, self._task_manager, self._operators = chain, task_manager, operators

    def make(self, count: int, *, reference: BlockNumber, body_bytes: int = BODY_BYTES) -> list[Payload]:
        """`reference`: the block whose quorum signs, some blocks back at most."""
        return [self.one(reference=reference, body_bytes=body_bytes) for _ in range(count)]

    def one(
        self, *, reference: BlockNumber, body_bytes: int, zero_bytes: int = 0, absent: int | None = None
    ) -> Payload:
        """`zero_bytes` more, which cost less. `absent`: which of the operators did not sign."""
        task = self._builder.task(created_block=reference, data_bytes=body_bytes, wasm_args=bytes(zero_bytes or 2))
        response = self._builder.response(task)
        digest = attestation_digest(
            chain=self._chain,
            task_manager=self._task_manager,
            task_hash=task.hash(),
            response_hash=response.hash(),
        )
        signers = [operator for index, operator in enumerate(self._operators) if index != absent]
        aggregate = bls.aggregate_signatures(bls.sign(operator.key, digest) for operator in signers)
        return Payload(task.abi(), response.abi(), aggregate + _non_signers(absent))


def _non_signers(absent: int | None) -> bytes:
    return (0 if absent is None else 1 << absent).to_bytes(32)

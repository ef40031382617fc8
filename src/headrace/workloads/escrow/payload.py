"""What an operation of this workload carries: which lock, how much, for how long, and the proof of a claim.

Owns      the kinds, the identity of a lock, and the packed form of a payload.
Promises  amounts are integers of the token's smallest unit; two payloads about one lock have one subject.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
from eth_utils.crypto import keccak

from headrace.chain.abi_codec import encode_values
from headrace.core.words import Address

LOCK: Final = "lock"
CLAIM: Final = "claim"
RELEASE: Final = "release"  # a claim of nothing: all goes back to the payer at once, not only after expiry
CANCEL: Final = "cancel"  # of an expired lock
WITHDRAW: Final = "withdraw"
KINDS: Final = (CLAIM, RELEASE, CANCEL, LOCK, WITHDRAW)

NOBODY: Final = Address(bytes(20))
UINT256_MAX: Final = 2**256 - 1
_WORD: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LockKey:
    """A lock on one chain. `job` is the job's number on chain (uint256). A number can be used again once its lock
    is gone, so this names a lock only while it lives."""

    payee: Address
    payer: Address
    token: Address
    job: int

    def digest(self) -> bytes:
        """32 bytes."""
        return keccak(
            encode_values(
                ["address", "address", "address", "uint256"], [self.payee, self.payer, self.token, self.job]
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """`amount` in the token's smallest unit: locked, claimed (0: a release) or withdrawn; of no meaning for a
    cancel. `duration_s` of a lock, from the block it is mined in. `proof` of a claim: 32 bytes that commit to the
    job's record, or none. A withdrawal is about no job: `key.payer` is NOBODY, `key.job` the hash of
    the transaction that earned it."""

    key: LockKey
    amount: int = 0
    duration_s: int = 0
    proof: bytes = b""

    def pack(self) -> bytes:
        return msgspec.msgpack.encode(
            (
                self.key.payee,
                self.key.payer,
                self.key.token,
                self.key.job.to_bytes(_WORD, "big"),
                self.amount.to_bytes(_WORD, "big"),
                self.duration_s,
                self.proof,
            )
        )

    @staticmethod
    def unpack(packed: bytes) -> "Payload":
        payee, payer, token, job, amount, duration_s, proof = msgspec.msgpack.decode(packed, type=_Packed)
        key = LockKey(
            payee=Address(payee), payer=Address(payer), token=Address(token), job=int.from_bytes(job, "big")
        )
        return Payload(key=key, amount=int.from_bytes(amount, "big"), duration_s=duration_s, proof=proof)


_Packed = tuple[bytes, bytes, bytes, bytes, bytes, int, bytes]

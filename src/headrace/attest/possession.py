"""Proof that an operator knows the secret of the key it registers.

Owns      the digest that is signed for it (OperatorRegistry computes the same).
Promises  a proof serves for one key, one operator, one registry on one chain.
Leaves    the registration itself to whoever deploys.

Why: aggregates of unproven keys can be forged. Whoever registers (own key - the others' keys) could sign for all.
"""

from typing import Final

from eth_utils.crypto import keccak

from headrace.attest import bls
from headrace.core.words import Address, ChainId

POSSESSION_TYPEHASH: Final = keccak(
    text="HeadracePossession(uint256 chainId,address registry,address operator,bytes32 publicKeyHash)"
)


def possession_digest(*, chain: ChainId, registry: Address, operator: Address, public_key: bls.PublicKey) -> bytes:
    """keccak256(abi.encode(typehash, chainId, registry, operator, keccak256(public key of 256 bytes)))."""
    return keccak(
        POSSESSION_TYPEHASH
        + chain.to_bytes(32, "big")
        + bytes(12)
        + registry
        + bytes(12)
        + operator
        + keccak(public_key.to_bytes())
    )


def prove_possession(key: bls.SecretKey, *, chain: ChainId, registry: Address, operator: Address) -> bytes:
    """96 bytes, what `registerOperator` takes as `possession`."""
    digest = possession_digest(chain=chain, registry=registry, operator=operator, public_key=key.public_key)
    return bls.sign(key, digest, dst=bls.POSSESSION_DST)


def verify_possession(
    proof: bytes, *, chain: ChainId, registry: Address, operator: Address, public_key: bls.PublicKey
) -> bool:
    digest = possession_digest(chain=chain, registry=registry, operator=operator, public_key=public_key)
    return bls.verify(public_key, digest, proof, dst=bls.POSSESSION_DST)

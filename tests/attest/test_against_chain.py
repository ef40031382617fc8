"""Our points and signatures, judged by the precompiles of a real chain."""

from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
from py_ecc.bls.hash_to_curve import hash_to_field_FQ

from attest.precompiles import Precompiles, negate_g2
from attest.test_bls import first_point_outside_the_subgroup, g2_point_outside_the_subgroup
from headrace.attest import bls
from headrace.testing.anvil import start_anvil
from headrace.testing.rpc_client import RpcRefused

KEYS = tuple(bls.SecretKey.from_bytes(bytes([i]) * 32) for i in range(1, 6))
DIGEST = sha256(b"a task").digest()


@pytest.fixture
async def chain() -> AsyncIterator[Precompiles]:
    async with start_anvil() as anvil:
        yield Precompiles(anvil.rpc)


async def hash_on_chain(chain: Precompiles, digest: bytes, dst: bytes) -> bytes:
    """As the contracts do it: two field elements, two maps, one addition."""
    first, second = hash_to_field_FQ(digest, 2, dst, sha256)
    return await chain.add_g1(await chain.map_to_g1(int(first)), await chain.map_to_g1(int(second)))


async def test_the_chain_accepts_an_aggregate_with_non_signers_subtracted(chain: Precompiles) -> None:
    signers, others = KEYS[:3], KEYS[3:]
    aggregate = bls.aggregate_signatures(bls.sign(key, DIGEST) for key in signers)
    hashed = await hash_on_chain(chain, DIGEST, bls.ATTESTATION_DST)
    assert hashed == bls.hash_to_point(DIGEST, dst=bls.ATTESTATION_DST).to_xy_bytes_be()

    everyone = KEYS[0].public_key.to_bytes()
    for key in KEYS[1:]:
        everyone = await chain.add_g2(everyone, key.public_key.to_bytes())
    assert everyone == bls.aggregate_keys(key.public_key for key in KEYS).to_bytes()
    remaining = everyone
    for key in others:
        remaining = await chain.add_g2(remaining, negate_g2(key.public_key.to_bytes()))
    ours = bls.subtract_keys(bls.PublicKey.from_bytes(everyone), [key.public_key for key in others])
    assert remaining == ours.to_bytes()

    assert await chain.verifies(aggregate, hashed, remaining)
    assert not await chain.verifies(aggregate, hashed, everyone)
    another = await hash_on_chain(chain, DIGEST, bls.POSSESSION_DST)
    assert not await chain.verifies(aggregate, another, remaining)


async def test_the_chain_multiplies_as_we_sign(chain: Precompiles) -> None:
    hashed = bls.hash_to_point(DIGEST, dst=bls.ATTESTATION_DST).to_xy_bytes_be()
    secret = int.from_bytes(KEYS[1].expose(), "big")
    assert await chain.multiply_g1(hashed, secret) == bls.sign(KEYS[1], DIGEST)


async def test_what_we_refuse_the_chain_refuses(chain: Precompiles) -> None:
    hashed = bls.hash_to_point(DIGEST, dst=bls.ATTESTATION_DST).to_xy_bytes_be()
    key = KEYS[0].public_key.to_bytes()
    signature = bls.sign(KEYS[0], DIGEST)
    off_curve = signature[:-1] + bytes([signature[-1] ^ 1])
    padded = b"\x01" + key[1:]
    for wrong_signature, wrong_key in (
        (first_point_outside_the_subgroup(), key),
        (off_curve, key),
        (signature, g2_point_outside_the_subgroup()),
        (signature, padded),
    ):
        with pytest.raises(RpcRefused):
            await chain.verifies(wrong_signature, hashed, wrong_key)

"""The same numbers from a second, independent library. It is slow (half a second a pairing check): few cases."""

from hashlib import sha256

import pytest
from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.optimized_bls12_381 import (
    FQ12,
    G2,
    curve_order,
    final_exponentiate,
    multiply,
    neg,
    normalize,
    pairing,
)

from headrace.attest import bls

CASES = [(1, b"\x00" * 32), (2**200 + 7, b"\x17" * 32), (curve_order - 1, bytes(range(32)))]


def g1_wire(point: object) -> bytes:
    x, y = normalize(point)
    return int(x).to_bytes(48, "big") + int(y).to_bytes(48, "big")


def g2_wire(point: object) -> bytes:
    x, y = normalize(point)
    return b"".join(int(c).to_bytes(64, "big") for c in (*x.coeffs, *y.coeffs))


@pytest.mark.parametrize(("secret", "digest"), CASES)
def test_keys_and_signatures_are_the_same(secret: int, digest: bytes) -> None:
    key = bls.SecretKey.from_bytes(secret.to_bytes(32, "big"))
    assert key.public_key.to_bytes() == g2_wire(multiply(G2, secret))
    for dst in (bls.ATTESTATION_DST, bls.POSSESSION_DST):
        hashed = hash_to_G1(digest, dst, sha256)
        assert bls.sign(key, digest, dst=dst) == g1_wire(multiply(hashed, secret))


def test_its_pairing_accepts_our_signature() -> None:
    secret, digest = CASES[1]
    key = bls.SecretKey.from_bytes(secret.to_bytes(32, "big"))
    hashed = hash_to_G1(digest, bls.ATTESTATION_DST, sha256)
    signature = multiply(hashed, secret)
    assert bls.sign(key, digest) == g1_wire(signature)
    product = pairing(G2, neg(signature), final_exponentiate=False) * pairing(
        multiply(G2, secret), hashed, final_exponentiate=False
    )
    assert final_exponentiate(product) == FQ12.one()

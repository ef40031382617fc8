"""Points of BLS12-381 between two libraries, and the pairing equation.

Owns      what is done by blst (hashing to G1, multiplying by a secret, pairing) and what goes over from arkworks.
Promises  points that come over have the value that they had; `balances` holds of no equation with infinity in it.
Leaves    keys, signatures and their wire forms to `attest.bls`.

Why two: blst pairs in 0.8 ms where arkworks takes 1.4, hashes and multiplies in half the time, and multiplies in
constant time; arkworks has coordinates without compression, as the precompiles want them, and sums of multiples. A
point goes over compressed: 30 us from blst (a square root), 65 us to blst (that, and a look at the subgroup).
"""

from collections.abc import Iterable
from functools import reduce
from operator import mul
from typing import Any, Final

from py_arkworks_bls12381 import G1Point, G2Point
from pyblst import BlstP1Element, BlstP2Element, final_verify, miller_loop

_G2: Final = BlstP2Element.uncompress(bytes(G2Point().to_compressed_bytes()))
_INFINITY: Final = bytes(G1Point.identity().to_compressed_bytes())


class OutsideSubgroup(ValueError):
    """A point of the curve, but not of the prime-order group."""


def hash_to_g1(message: bytes, dst: bytes) -> BlstP1Element:
    """RFC 9380, BLS12381G1_XMD:SHA-256_SSWU_RO_."""
    return BlstP1Element.hash_to_group(message, dst)


def from_blst(point: BlstP1Element) -> G1Point:
    # Unchecked: blst made it, so it is on the curve and in the subgroup.
    return G1Point.from_compressed_bytes_unchecked(bytes(point.compress()))


def to_blst(point: G1Point) -> BlstP1Element:
    """Raises OutsideSubgroup."""
    try:
        return BlstP1Element.uncompress(bytes(point.to_compressed_bytes()))
    except ValueError as error:
        raise OutsideSubgroup(str(error)) from None


def g2_to_blst(point: G2Point) -> BlstP2Element:
    """Of a point that is known to be in its subgroup."""
    return BlstP2Element.uncompress(bytes(point.to_compressed_bytes()))


def balances(left: BlstP1Element, right: Iterable[tuple[BlstP1Element, BlstP2Element]]) -> bool:
    """Whether e(left, G2) is the product of the pairings on the right. About 0.5 ms of CPU, and 0.25 a pair."""
    pairs = list(right)
    if not pairs or any(point.compress() == _INFINITY for point in (left, *(point for point, _ in pairs))):
        return False  # nobody signs infinity
    product: Any = reduce(mul, (miller_loop(point, key) for point, key in pairs))
    return bool(final_verify(miller_loop(left, _G2), product))

"""BLS signatures on BLS12-381: public keys in G2, signatures in G1, in the wire forms of EIP-2537.

Owns      points and their wire forms, signing, aggregation, verification.
Promises  whatever `verify` accepts, the contracts accept, and the other way round; the point at infinity, points
          outside the subgroup and second encodings of a point are never taken; a secret key shows nothing.
Leaves    what is signed to `workloads` and `attest.possession`; the arithmetic to blst and arkworks, and what goes
          between those to `attest.pairing`.

Formulas: hash to G1 is RFC 9380 BLS12381G1_XMD:SHA-256_SSWU_RO_; a signature is H(digest) * secret; it stands if
e(signature, -G2) * e(H(digest), public key) = 1 (draft-irtf-cfrg-bls-signature, minimal signature size).
"""

import secrets
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NoReturn, Self

from py_arkworks_bls12381 import G1Point, G2Point, Scalar
from pyblst import BlstP2Element

from headrace.attest.pairing import OutsideSubgroup, balances, from_blst, g2_to_blst, hash_to_g1, to_blst

ATTESTATION_DST: Final = b"HEADRACE-ATTEST-V01-BLS12381G1_XMD:SHA-256_SSWU_RO_"
POSSESSION_DST: Final = b"HEADRACE-POP-V01-BLS12381G1_XMD:SHA-256_SSWU_RO_"

SECRET_KEY_LENGTH: Final = 32
PUBLIC_KEY_LENGTH: Final = 256
SIGNATURE_LENGTH: Final = 96
DIGEST_LENGTH: Final = 32

FIELD_MODULUS: Final = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab", 16
)
_COORDINATE: Final = 48
_PADDED: Final = 64
_PADDING: Final = bytes(_PADDED - _COORDINATE)
_FACTOR_BITS: Final = 64


class Flaw(Enum):
    LENGTH = "wrong length"
    ENCODING = "a coordinate is not a padded number below the field modulus"
    CURVE = "the point is not on the curve"
    SUBGROUP = "the point is not in the prime-order subgroup"
    INFINITY = "it is the point at infinity"


class BadPoint(ValueError):
    """These bytes are no valid public key or signature. `flaw` says why."""

    def __init__(self, what: str, flaw: Flaw, detail: str = "") -> None:
        super().__init__(f"{what}: {flaw.value}{detail and f' ({detail})'}")
        self.flaw = flaw


class BadSecretKey(ValueError):
    """These bytes are no secret key. The message never repeats them."""


class PublicKey:
    """A point of G2 other than infinity: one operator's key, or the sum of several."""

    __slots__ = ("_for_pairing", "_point", "_wire")

    def __init__(self, point: G2Point) -> None:
        raw = point.to_xy_bytes_be()
        if not any(raw):
            raise BadPoint("public key", Flaw.INFINITY)
        self._point = point
        self._for_pairing: BlstP2Element | None = None
        self._wire = b"".join(_PADDING + raw[at : at + _COORDINATE] for at in range(0, len(raw), _COORDINATE))

    @classmethod
    def from_bytes(cls, wire: bytes) -> Self:
        """256 bytes: x.c0, x.c1, y.c0, y.c1, each big endian in 64 bytes. Raises BadPoint."""
        what = "public key"
        if len(wire) != PUBLIC_KEY_LENGTH:
            raise BadPoint(what, Flaw.LENGTH, f"{len(wire)} bytes, not {PUBLIC_KEY_LENGTH}")
        coordinates = [wire[at : at + _PADDED] for at in range(0, PUBLIC_KEY_LENGTH, _PADDED)]
        if any(int.from_bytes(coordinate, "big") >= FIELD_MODULUS for coordinate in coordinates):
            raise BadPoint(what, Flaw.ENCODING)
        if not any(wire):
            raise BadPoint(what, Flaw.INFINITY)
        try:
            point = G2Point.from_xy_bytes_unchecked_be(b"".join(c[len(_PADDING) :] for c in coordinates))
        except ValueError:
            raise BadPoint(what, Flaw.CURVE) from None
        if not point.is_in_subgroup():
            raise BadPoint(what, Flaw.SUBGROUP)
        return cls(point)

    def to_bytes(self) -> bytes:
        return self._wire

    def compressed(self) -> bytes:
        """96 bytes, the usual short form; not for the contracts."""
        return bytes(self._point.to_compressed_bytes())

    def for_pairing(self) -> BlstP2Element:
        """Brought over once; aggregates of the same signers come again and again."""
        if self._for_pairing is None:
            self._for_pairing = g2_to_blst(self._point)
        return self._for_pairing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self._wire == other._wire

    def __hash__(self) -> int:
        return hash(self._wire)

    def __repr__(self) -> str:
        return f"PublicKey({self.compressed()[:8].hex()}…)"


class SecretKey:
    """A number from 1 to the group order - 1. Never printed, never pickled; `expose` is for keystores only."""

    __slots__ = ("_number", "_public", "_scalar")

    def __init__(self, scalar: Scalar) -> None:
        self._scalar = scalar
        self._number = int(scalar)
        self._public = PublicKey(G2Point() * scalar)

    @classmethod
    def from_bytes(cls, secret: bytes) -> Self:
        """32 bytes big endian. Raises BadSecretKey."""
        if len(secret) != SECRET_KEY_LENGTH:
            raise BadSecretKey(f"a secret key has {SECRET_KEY_LENGTH} bytes, not {len(secret)}")
        try:
            scalar = Scalar.from_be_bytes(secret)
        except ValueError:
            raise BadSecretKey("a secret key is below the order of the group") from None
        if scalar.is_zero():
            raise BadSecretKey("a secret key is not zero")
        return cls(scalar)

    @classmethod
    def generate(cls) -> Self:
        # 48 bytes for a 255-bit order: the bias of the reduction is below 2^-128 (as in EIP-2333).
        scalar = Scalar.from_be_bytes_mod_order(secrets.token_bytes(48))
        assert not scalar.is_zero()
        return cls(scalar)

    @property
    def public_key(self) -> PublicKey:
        return self._public

    def expose(self) -> bytes:
        """The secret itself, 32 bytes."""
        return bytes(self._scalar.to_be_bytes())

    def sign(self, digest: bytes, *, dst: bytes) -> bytes:
        # blst signs in half the time, and in constant time; arkworks knows uncompressed points.
        signature = hash_to_g1(digest, dst).scalar_mul(self._number)
        return bytes(from_blst(signature).to_xy_bytes_be())

    def __repr__(self) -> str:
        return f"SecretKey(of {self._public!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key is not pickled")


def hash_to_point(message: bytes, *, dst: bytes) -> G1Point:
    return from_blst(hash_to_g1(message, dst))


def sign(key: SecretKey, digest: bytes, *, dst: bytes = ATTESTATION_DST) -> bytes:
    """96 bytes. About 0.17 ms of CPU."""
    assert len(digest) == DIGEST_LENGTH, len(digest)
    return key.sign(digest, dst=dst)


def parse_public_key(wire: bytes) -> PublicKey:
    """Raises BadPoint."""
    return PublicKey.from_bytes(wire)


def check_signature(signature: bytes) -> None:
    """Raises BadPoint for bytes that cannot be anybody's signature."""
    _signature_point(signature)


def aggregate_keys(keys: Iterable[PublicKey]) -> PublicKey:
    """Their sum. Raises BadPoint where the sum is infinity (also of no keys)."""
    return PublicKey(sum((key._point for key in keys), G2Point.identity()))


def subtract_keys(aggregate: PublicKey, keys: Iterable[PublicKey]) -> PublicKey:
    """What is left of an aggregate without these. Raises BadPoint if nothing is."""
    return PublicKey(aggregate._point - sum((key._point for key in keys), G2Point.identity()))


def aggregate_signatures(signatures: Iterable[bytes]) -> bytes:
    """Their sum. Raises BadPoint if one of them is malformed, or if the sum is infinity (also of none). Neither
    they nor the sum are looked at for their subgroup: nobody uses an unverified sum, and `verify` looks."""
    total = sum((_curve_point(signature) for signature in signatures), G1Point.identity())
    raw = bytes(total.to_xy_bytes_be())
    if not any(raw):
        raise BadPoint("aggregate signature", Flaw.INFINITY)
    return raw


def verify(public_key: PublicKey, digest: bytes, signature: bytes, *, dst: bytes = ATTESTATION_DST) -> bool:
    """About 0.9 ms of CPU. A malformed signature is no signature: False."""
    assert len(digest) == DIGEST_LENGTH, len(digest)
    try:
        point = to_blst(_curve_point(signature))
    except (BadPoint, OutsideSubgroup):
        return False
    return balances(point, [(hash_to_g1(digest, dst), public_key.for_pairing())])


def verify_all(claims: Sequence[tuple[PublicKey, bytes, bytes]], *, dst: bytes = ATTESTATION_DST) -> bool:
    """Whether every (public key, digest, signature) stands. With the same key each costs about 0.2 ms, and all
    together one pairing check (0.9 ms) more; every other key 0.25 ms.

    Each claim is multiplied by a random number of 64 bits before they are summed, so that claims that are wrong
    cannot make up for each other but with a chance of 2^-64 (Bellare, Garay, Rabin 1998, "small exponents test").
    """
    if len(claims) == 1:
        return verify(*claims[0], dst=dst)
    try:
        points = [_signature_point(signature) for _, _, signature in claims]
    except BadPoint:
        return False
    if not points:
        return True
    factors = [_random_factor() for _ in claims]
    by_key: dict[PublicKey, list[int]] = {}
    for position, (key, _, _) in enumerate(claims):
        by_key.setdefault(key, []).append(position)
    right = []
    for key, positions in by_key.items():
        hashes = [hash_to_point(claims[position][1], dst=dst) for position in positions]
        total = G1Point.multiexp_unchecked(hashes, [factors[position] for position in positions])
        right.append((to_blst(total), key.for_pairing()))
    return balances(to_blst(G1Point.multiexp_unchecked(points, factors)), right)


def _random_factor() -> Scalar:
    # Fresh for every check, and not known before the signatures are: that is what the test rests on. Not zero,
    # which would let its claim through unseen.
    number = secrets.randbelow((1 << _FACTOR_BITS) - 1) + 1
    return Scalar.from_be_bytes(number.to_bytes(SECRET_KEY_LENGTH, "big"))


def _signature_point(signature: bytes) -> G1Point:
    point = _curve_point(signature)
    if not point.is_in_subgroup():
        raise BadPoint("signature", Flaw.SUBGROUP)
    return point


def _curve_point(signature: bytes) -> G1Point:
    what = "signature"
    if len(signature) != SIGNATURE_LENGTH:
        raise BadPoint(what, Flaw.LENGTH, f"{len(signature)} bytes, not {SIGNATURE_LENGTH}")
    x, y = signature[:_COORDINATE], signature[_COORDINATE:]
    if max(int.from_bytes(x, "big"), int.from_bytes(y, "big")) >= FIELD_MODULUS:
        raise BadPoint(what, Flaw.ENCODING)
    if not any(signature):
        raise BadPoint(what, Flaw.INFINITY)
    try:
        point = G1Point.from_xy_bytes_unchecked_be(signature)
    except ValueError:
        raise BadPoint(what, Flaw.CURVE) from None
    return point

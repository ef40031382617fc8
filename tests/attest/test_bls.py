import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_arkworks_bls12381 import G1Point, G2Point

from headrace.attest import bls
from headrace.attest.bls import BadPoint, BadSecretKey, Flaw, PublicKey, SecretKey
from headrace.attest.scheme import Scheme

DIGEST = bytes(range(32))
KEYS = tuple(SecretKey.from_bytes(bytes(31) + bytes([i])) for i in range(1, 8))
GROUP_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001

# RFC 9380, appendix J.9.1: message, x, y.
RFC_DST = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"
RFC_VECTORS = (
    (
        b"",
        "052926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1",
        "08ba738453bfed09cb546dbb0783dbb3a5f1f566ed67bb6be0e8c67e2e81a4cc68ee29813bb7994998f3eae0c9c6a265",
    ),
    (
        b"abc",
        "03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903",
        "0b9c15f3fe6e5cf4211f346271d7b01c8f3b28be689c8429c85b67af215533311f0b8dfaaa154fa6b88176c229f2885d",
    ),
    (
        b"abcdef0123456789",
        "11e0b079dea29a68f0383ee94fed1b940995272407e3bb916bbf268c263ddd57a6a27200a784cbc248e84f357ce82d98",
        "03a87ae2caf14e8ee52e51fa2ed8eefe80f02457004ba4d486d6aa1f517c0889501dc7413753f9599b099ebcbbd2d709",
    ),
    (
        b"q128_" + b"q" * 128,
        "15f68eaa693b95ccb85215dc65fa81038d69629f70aeee0d0f677cf22285e7bf58d7cb86eefe8f2e9bc3f8cb84fac488",
        "1807a1d50c29f430b8cafc4f8638dfeeadf51211e1602a5f184443076715f91bb90a48ba1e370edce6ae1062f5e6dd38",
    ),
    (
        b"a512_" + b"a" * 512,
        "082aabae8b7dedb0e78aeb619ad3bfd9277a2f77ba7fad20ef6aabdc6c31d19ba5a6d12283553294c1825c4b3ca2dcfe",
        "05b84ae5a942248eea39e1d91030458c40153f3b654ab7872d779ad1e942856a20c438e8d99bc8abfbf74729ce1f7ac8",
    ),
)


def first_point_outside_the_subgroup() -> bytes:
    """96 bytes: the lowest x with a point of the curve y^2 = x^3 + 4 that is not in the group."""
    x = 0
    while True:
        x += 1
        y_squared = (x**3 + 4) % bls.FIELD_MODULUS
        y = pow(y_squared, (bls.FIELD_MODULUS + 1) // 4, bls.FIELD_MODULUS)
        if y * y % bls.FIELD_MODULUS != y_squared:
            continue
        wire = x.to_bytes(48, "big") + y.to_bytes(48, "big")
        if not G1Point.from_xy_bytes_unchecked_be(wire).is_in_subgroup():
            return wire


def g2_point_outside_the_subgroup() -> bytes:
    """256 bytes. The map to the curve's twist without its last step would give one; here by trying x."""
    for x in range(1, 100):
        compressed = bytes([0x80]) + bytes(94) + bytes([x])
        try:
            point = G2Point.from_compressed_bytes_unchecked(compressed)
        except ValueError:
            continue
        if not point.is_in_subgroup():
            raw = point.to_xy_bytes_be()
            return b"".join(bytes(16) + raw[at : at + 48] for at in range(0, 192, 48))
    raise AssertionError("no point found")


@pytest.mark.parametrize(("message", "x", "y"), RFC_VECTORS)
def test_hashing_to_the_curve_follows_rfc_9380(message: bytes, x: str, y: str) -> None:
    assert bls.hash_to_point(message, dst=RFC_DST).to_xy_bytes_be() == bytes.fromhex(x + y)


def test_the_module_is_a_scheme() -> None:
    scheme: Scheme[PublicKey] = bls
    key = scheme.parse_public_key(KEYS[0].public_key.to_bytes())
    assert scheme.verify(key, DIGEST, bls.sign(KEYS[0], DIGEST))


def test_a_signature_stands_for_its_key_digest_and_purpose_only() -> None:
    signature = bls.sign(KEYS[0], DIGEST)
    assert len(signature) == 96
    assert bls.verify(KEYS[0].public_key, DIGEST, signature)
    assert not bls.verify(KEYS[1].public_key, DIGEST, signature)
    assert not bls.verify(KEYS[0].public_key, DIGEST[::-1], signature)
    assert not bls.verify(KEYS[0].public_key, DIGEST, signature, dst=bls.POSSESSION_DST)


def test_signing_is_deterministic() -> None:
    assert bls.sign(KEYS[0], DIGEST) == bls.sign(KEYS[0], DIGEST)


@settings(max_examples=15, deadline=None)
@given(signers=st.sets(st.integers(0, len(KEYS) - 1), min_size=1), digest=st.binary(min_size=32, max_size=32))
def test_an_aggregate_stands_for_exactly_its_signers(signers: set[int], digest: bytes) -> None:
    aggregate = bls.aggregate_signatures(bls.sign(KEYS[i], digest) for i in signers)
    everyone = bls.aggregate_keys(key.public_key for key in KEYS)
    others = [KEYS[i].public_key for i in range(len(KEYS)) if i not in signers]
    remaining = bls.subtract_keys(everyone, others)
    assert remaining == bls.aggregate_keys(KEYS[i].public_key for i in signers)
    assert bls.verify(remaining, digest, aggregate)
    assert bls.verify(everyone, digest, aggregate) == (not others)


Claim = tuple[PublicKey, bytes, bytes]


def claims(*secrets: int) -> list[Claim]:
    """A good claim of each key, on a digest of its own."""
    return [
        (KEYS[key].public_key, bytes([i]) * 32, bls.sign(KEYS[key], bytes([i]) * 32))
        for i, key in enumerate(secrets)
    ]


def test_many_claims_stand_together_whether_of_one_key_or_of_several() -> None:
    assert bls.verify_all([])
    assert bls.verify_all(claims(0))
    assert bls.verify_all(claims(0, 0, 0, 0))
    assert bls.verify_all(claims(0, 1, 0, 2, 1))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_one_false_claim_among_many_is_noticed(data: st.DataObject) -> None:
    many = claims(*data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=6)))
    at = data.draw(st.integers(0, len(many) - 1))
    key, digest, signature = many[at]
    many[at] = data.draw(
        st.sampled_from(
            [
                (KEYS[6].public_key, digest, signature),
                (key, digest[::-1][:31] + b"\xee", signature),
                (key, digest, bls.sign(KEYS[6], digest)),
                (key, digest, bytes(96)),
                (key, digest, b""),
            ]
        )
    )
    assert not bls.verify_all(many)


def test_false_claims_cannot_make_up_for_each_other() -> None:
    # s0 + x and s1 - x: their plain sum would stand.
    (key0, digest0, s0), (key1, digest1, s1) = claims(0, 0)
    x = bls.sign(KEYS[5], DIGEST)
    minus_x = x[:48] + (bls.FIELD_MODULUS - int.from_bytes(x[48:], "big")).to_bytes(48, "big")
    moved0, moved1 = bls.aggregate_signatures([s0, x]), bls.aggregate_signatures([s1, minus_x])
    assert bls.aggregate_signatures([moved0, moved1]) == bls.aggregate_signatures([s0, s1])
    assert not bls.verify_all([(key0, digest0, moved0), (key1, digest1, moved1)])


def test_a_public_key_survives_its_wire_form() -> None:
    wire = KEYS[2].public_key.to_bytes()
    assert len(wire) == 256
    assert all(not any(wire[at : at + 16]) for at in range(0, 256, 64))
    assert PublicKey.from_bytes(wire) == KEYS[2].public_key
    assert hash(PublicKey.from_bytes(wire)) == hash(KEYS[2].public_key)


def changed(wire: bytes, at: int, value: int) -> bytes:
    return wire[:at] + bytes([value]) + wire[at + 1 :]


KEY_WIRE = KEYS[0].public_key.to_bytes()


@pytest.mark.parametrize(
    ("wire", "flaw"),
    [
        (KEY_WIRE[:-1], Flaw.LENGTH),
        (KEY_WIRE + b"\0", Flaw.LENGTH),
        (b"", Flaw.LENGTH),
        (bytes(256), Flaw.INFINITY),
        (changed(KEY_WIRE, 0, 1), Flaw.ENCODING),  # padding is zero
        (bytes(16) + bls.FIELD_MODULUS.to_bytes(48, "big") + KEY_WIRE[64:], Flaw.ENCODING),
        (changed(KEY_WIRE, 16, KEY_WIRE[16] | 0x80), Flaw.ENCODING),  # no flag bits of other formats
        (changed(KEY_WIRE, 255, KEY_WIRE[255] ^ 1), Flaw.CURVE),
        (g2_point_outside_the_subgroup(), Flaw.SUBGROUP),
    ],
)
def test_a_bad_public_key_is_refused_by_its_flaw(wire: bytes, flaw: Flaw) -> None:
    with pytest.raises(BadPoint) as refused:
        PublicKey.from_bytes(wire)
    assert refused.value.flaw is flaw


SIGNATURE = bls.sign(KEYS[0], DIGEST)


@pytest.mark.parametrize(
    ("signature", "flaw"),
    [
        (SIGNATURE[:-1], Flaw.LENGTH),
        (b"", Flaw.LENGTH),
        (bytes(96), Flaw.INFINITY),
        (bls.FIELD_MODULUS.to_bytes(48, "big") + SIGNATURE[48:], Flaw.ENCODING),
        (changed(SIGNATURE, 0, SIGNATURE[0] | 0x80), Flaw.ENCODING),
        (changed(SIGNATURE, 95, SIGNATURE[95] ^ 1), Flaw.CURVE),
        (first_point_outside_the_subgroup(), Flaw.SUBGROUP),
    ],
)
def test_a_bad_signature_is_refused_by_its_flaw(signature: bytes, flaw: Flaw) -> None:
    with pytest.raises(BadPoint) as refused:
        bls.check_signature(signature)
    assert refused.value.flaw is flaw
    assert not bls.verify(KEYS[0].public_key, DIGEST, signature)
    key, others = KEYS[0].public_key, [(KEYS[0].public_key, DIGEST, SIGNATURE)]
    assert not bls.verify_all([*others, (key, DIGEST, signature)])
    if flaw is not Flaw.SUBGROUP:
        with pytest.raises(BadPoint):
            bls.aggregate_signatures([SIGNATURE, signature])


def test_a_sum_with_a_part_outside_the_subgroup_never_stands() -> None:
    total = bls.aggregate_signatures([SIGNATURE, first_point_outside_the_subgroup()])
    claim = (KEYS[0].public_key, DIGEST, total)
    assert not bls.verify(*claim)
    assert not bls.verify_all([claim])
    # Not by luck either: a part of low order is often gone after one random multiplication.
    assert not any(bls.verify_all([(KEYS[0].public_key, DIGEST, SIGNATURE), claim]) for _ in range(20))


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=96, max_size=96))
def test_chance_bytes_are_never_a_signature(signature: bytes) -> None:
    assert not bls.verify(KEYS[0].public_key, DIGEST, signature)


def test_what_cancels_out_is_no_aggregate() -> None:
    secret = int.from_bytes(KEYS[0].expose(), "big")
    opposite = SecretKey.from_bytes((GROUP_ORDER - secret).to_bytes(32, "big"))
    with pytest.raises(BadPoint) as refused:
        bls.aggregate_signatures([bls.sign(KEYS[0], DIGEST), bls.sign(opposite, DIGEST)])
    assert refused.value.flaw is Flaw.INFINITY
    with pytest.raises(BadPoint):
        bls.aggregate_keys([KEYS[0].public_key, opposite.public_key])
    with pytest.raises(BadPoint):
        bls.subtract_keys(KEYS[0].public_key, [KEYS[0].public_key])
    with pytest.raises(BadPoint):
        bls.aggregate_signatures([])


@pytest.mark.parametrize(
    "secret", [b"", bytes(31), bytes(33), bytes(32), GROUP_ORDER.to_bytes(32, "big"), b"\xff" * 32]
)
def test_a_bad_secret_key_is_refused_and_not_repeated(secret: bytes) -> None:
    with pytest.raises(BadSecretKey) as refused:
        SecretKey.from_bytes(secret)
    assert not secret or secret.hex() not in str(refused.value)


def test_a_secret_key_shows_nothing_of_itself() -> None:
    key = SecretKey.generate()
    secret = key.expose()
    number = int.from_bytes(secret, "big")
    for shown in (repr(key), str(key), f"{key}"):
        assert secret.hex() not in shown
        assert str(number) not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


def test_generated_keys_differ_and_survive_their_bytes() -> None:
    keys = [SecretKey.generate() for _ in range(8)]
    assert len({key.expose() for key in keys}) == 8
    assert SecretKey.from_bytes(keys[0].expose()).public_key == keys[0].public_key

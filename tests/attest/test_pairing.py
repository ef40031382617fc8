"""What goes between the two libraries, and the pairing equation at its edges."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from headrace.attest.pairing import OutsideSubgroup, balances, from_blst, g2_to_blst, hash_to_g1, to_blst

INFINITY = to_blst(G1Point.identity())
HASHED = hash_to_g1(b"a message", b"DST")
KEY = G2Point() * Scalar(7)
secrets = st.integers(3, 2**250).map(lambda number: Scalar.from_be_bytes_mod_order(number.to_bytes(32, "big")))


@settings(max_examples=30, deadline=None)
@given(secrets)
def test_a_point_is_the_same_point_on_the_other_side_and_back(secret: Scalar) -> None:
    point = G1Point() * secret
    assert from_blst(to_blst(point)) == point
    assert bytes(g2_to_blst(KEY * secret).compress()) == bytes((KEY * secret).to_compressed_bytes())


@settings(max_examples=30, deadline=None)
@given(secrets, secrets, st.booleans())
def test_both_libraries_agree_on_which_equations_hold(a: Scalar, b: Scalar, right: bool) -> None:
    left = G1Point() * (a * b) if right else G1Point() * (a + b)
    pairs = [(G1Point() * a, G2Point() * b)]
    expected = GT.pairing_check([left, pairs[0][0]], [-G2Point(), pairs[0][1]])
    assert balances(to_blst(left), [(to_blst(p), g2_to_blst(q)) for p, q in pairs]) == expected == right


def test_an_equation_may_have_several_pairs() -> None:
    a, b, c, d = (Scalar(n) for n in (3, 5, 11, 13))
    pairs = [
        (to_blst(G1Point() * a), g2_to_blst(G2Point() * b)),
        (to_blst(G1Point() * c), g2_to_blst(G2Point() * d)),
    ]
    assert balances(to_blst(G1Point() * Scalar(3 * 5 + 11 * 13)), pairs)
    assert not balances(to_blst(G1Point() * Scalar(3 * 5 + 11 * 13 + 1)), pairs)


def test_no_equation_holds_with_infinity_in_it() -> None:
    key = g2_to_blst(KEY)
    assert not balances(INFINITY, [(INFINITY, key)])
    assert not balances(INFINITY, [(HASHED, key)])
    assert not balances(HASHED, [(INFINITY, key)])
    assert not balances(HASHED, [])


def test_a_point_outside_the_subgroup_does_not_come_over() -> None:
    outside = (2).to_bytes(48, "big")
    for x in range(1, 100):
        outside = bytes([0x80]) + x.to_bytes(47, "big")
        try:
            point = G1Point.from_compressed_bytes_unchecked(outside)
        except ValueError:
            continue  # no point of the curve has this x
        if not point.is_in_subgroup():
            with pytest.raises(OutsideSubgroup):
                to_blst(point)
            return
    raise AssertionError("no point found")

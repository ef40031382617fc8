from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.attest import bls
from headrace.operators.keyring import Checked, KeyRing, Quorum, check_all
from operators.builders import KEYS

DIGEST, OTHER_DIGEST = b"\x01" * 32, b"\x02" * 32
RING = KeyRing(bls, {index: key.public_key.to_bytes() for index, key in enumerate(KEYS)})


class Counting:
    """The BLS scheme, and how often it was asked to verify."""

    def __init__(self) -> None:
        self.verified = 0

    parse_public_key = staticmethod(bls.parse_public_key)
    aggregate_keys = staticmethod(bls.aggregate_keys)
    subtract_keys = staticmethod(bls.subtract_keys)
    check_signature = staticmethod(bls.check_signature)
    aggregate_signatures = staticmethod(bls.aggregate_signatures)
    verify_all = staticmethod(bls.verify_all)

    def verify(self, public_key: bls.PublicKey, digest: bytes, signature: bytes, /) -> bool:
        self.verified += 1
        return bls.verify(public_key, digest, signature)


def signatures(*, count: int = len(KEYS), bad: frozenset[int] = frozenset()) -> dict[int, bytes]:
    return {i: bls.sign(KEYS[i], OTHER_DIGEST if i in bad else DIGEST) for i in range(count)}


def test_where_all_is_well_one_verification_is_enough() -> None:
    scheme = Counting()
    ring = KeyRing(scheme, {i: key.public_key.to_bytes() for i, key in enumerate(KEYS)})
    checked = ring.check(DIGEST, signatures())
    assert scheme.verified == 1
    assert checked.bad == frozenset()
    assert checked.signature == bls.aggregate_signatures(signatures().values())


def test_one_bad_among_sixteen_is_found_by_bisection() -> None:
    scheme = Counting()
    ring = KeyRing(scheme, {i: key.public_key.to_bytes() for i, key in enumerate(KEYS)})
    for culprit in (0, 7, 15):
        scheme.verified = 0
        assert ring.check(DIGEST, signatures(bad=frozenset({culprit}))).bad == {culprit}
        assert scheme.verified <= 1 + 2 * 4


@settings(max_examples=20, deadline=None)
@given(bad=st.frozensets(st.integers(0, 7)))
def test_exactly_the_bad_ones_are_blamed(bad: frozenset[int]) -> None:
    checked = RING.check(DIGEST, signatures(count=8, bad=bad))
    assert checked.bad == bad
    assert (checked.signature is None) == bool(bad)


def test_malformed_and_forged_signatures_are_blamed_together() -> None:
    given_ = signatures(count=5, bad=frozenset({3}))
    given_[1] = b"\xff" * 96
    given_[4] = b""
    assert RING.check(DIGEST, given_).bad == {1, 3, 4}
    assert RING.check(DIGEST, {0: bytes(96)}).bad == {0}


def test_two_forgeries_that_cancel_out_do_not_hide_each_other_among_others() -> None:
    # s0 + x and s1 - x: their sum is what the two honest signatures would give, so the aggregate stands, and it
    # stands for both keys. A quorum signed; there is nobody to blame and nothing to refuse.
    x = bls.sign(KEYS[9], OTHER_DIGEST)
    minus_x = x[:48] + (bls.FIELD_MODULUS - int.from_bytes(x[48:], "big")).to_bytes(48, "big")
    s = signatures(count=3)
    moved = {0: bls.aggregate_signatures([s[0], x]), 1: bls.aggregate_signatures([s[1], minus_x]), 2: s[2]}
    assert RING.check(DIGEST, moved).signature == bls.aggregate_signatures(s.values())
    # Only when another one is bad do they show, and then it is they who are blamed, not the honest.
    assert RING.check(DIGEST, {**moved, 3: x}).bad <= {0, 1, 3}


def test_many_quorums_are_checked_together() -> None:
    scheme = Counting()
    ring = KeyRing(scheme, {i: key.public_key.to_bytes() for i, key in enumerate(KEYS)})
    quorums = [Quorum(ring, DIGEST, signatures(count=count)) for count in (3, 4, 3)]
    assert check_all(quorums) == [ring.check(quorum.digest, quorum.signatures) for quorum in quorums]
    assert scheme.verified == 3  # all of them by the second way


def test_one_bad_quorum_does_not_spoil_the_others() -> None:
    good = Quorum(RING, DIGEST, signatures(count=4))
    bad = Quorum(RING, DIGEST, signatures(count=4, bad=frozenset({2})))
    malformed = Quorum(RING, DIGEST, {**signatures(count=4), 1: b"?"})
    checked = check_all([good, bad, malformed, good])
    assert checked[0] == checked[3] == RING.check(DIGEST, good.signatures)
    assert checked[1:3] == [Checked(None, frozenset({2})), Checked(None, frozenset({1}))]


def test_quorums_of_different_schemes_are_checked_one_by_one() -> None:
    other = KeyRing(Counting(), {i: key.public_key.to_bytes() for i, key in enumerate(KEYS)})
    assert all(
        c.signature for c in check_all([Quorum(ring, DIGEST, signatures(count=2)) for ring in (RING, other)])
    )

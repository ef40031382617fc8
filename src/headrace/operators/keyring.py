"""The operators' public keys, and the check of many signatures as one.

Owns      aggregation, and finding the bad ones when an aggregate fails.
Promises  one verification where all is well; with b bad ones among n about 2 * b * log2(n) more; an operator is
          blamed only if its own signature fails alone.
Leaves    whose stake counts to `operators.tally`, threads to `operators.checker`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from headrace.attest.scheme import Scheme

Key = TypeVar("Key")

# Sets of signers whose aggregate key is kept. Nearly always the same few sign.
SIGNER_SETS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Checked:
    """`signature`: the aggregate, or None where somebody is `bad`."""

    signature: bytes | None
    bad: frozenset[int] = frozenset()


class KeyRing(Generic[Key]):
    """Immutable. Keys by operator index; all with proven possession."""

    def __init__(self, scheme: Scheme[Key], keys: Mapping[int, bytes]) -> None:
        """Raises ValueError for bytes that are no public key of this scheme."""
        self.scheme = scheme
        self._keys = {index: scheme.parse_public_key(wire) for index, wire in keys.items()}
        # The sum is asked for in the checker's thread, under the cache's own lock.
        self._sum_of = lru_cache(SIGNER_SETS_MAX)(self._add_up)

    def check(self, digest: bytes, signatures: Mapping[int, bytes]) -> Checked:
        """All signatures on one digest. Blocking CPU work: about 1 ms where all is well."""
        assert signatures, "nothing to check"
        claim = self.claim(digest, signatures)
        if claim is not None and self.scheme.verify(*claim):
            return Checked(claim[2])
        malformed = frozenset(index for index, signature in signatures.items() if not self._well_formed(signature))
        rest = [index for index in signatures if index not in malformed]
        if not malformed:
            return Checked(None, self._bisect(digest, signatures, rest))
        return Checked(None, malformed | (self._find_bad(digest, signatures, rest) if rest else frozenset()))

    def claim(self, digest: bytes, signatures: Mapping[int, bytes]) -> tuple[Key, bytes, bytes] | None:
        """Aggregate key, digest, aggregate signature. None if a signature is malformed, or if they cancel out."""
        try:
            aggregate = self.scheme.aggregate_signatures(signatures.values())
        except ValueError:
            return None
        return self._sum_of(frozenset(signatures)), digest, aggregate

    def _add_up(self, indexes: frozenset[int]) -> Key:
        return self.scheme.aggregate_keys(self._keys[index] for index in indexes)

    def _well_formed(self, signature: bytes) -> bool:
        try:
            self.scheme.check_signature(signature)
        except ValueError:
            return False
        return True

    def _find_bad(self, digest: bytes, signatures: Mapping[int, bytes], indexes: Sequence[int]) -> frozenset[int]:
        claim = self.claim(digest, {index: signatures[index] for index in indexes})
        if claim is not None and self.scheme.verify(*claim):
            return frozenset()
        return self._bisect(digest, signatures, indexes)

    def _bisect(self, digest: bytes, signatures: Mapping[int, bytes], indexes: Sequence[int]) -> frozenset[int]:
        """Of indexes whose sum is known to fail."""
        if len(indexes) == 1:
            return frozenset(indexes)
        left, right = indexes[: len(indexes) // 2], indexes[len(indexes) // 2 :]
        bad_left = self._find_bad(digest, signatures, left)
        if not bad_left:
            # The whole fails and the left stands: the right fails, there is no need to ask.
            return self._bisect(digest, signatures, right)
        return bad_left | self._find_bad(digest, signatures, right)


@dataclass(frozen=True, slots=True)
class Quorum:
    """What several operators signed, to be checked."""

    keys: KeyRing[Any]
    digest: bytes
    signatures: Mapping[int, bytes]


def check_all(quorums: Sequence[Quorum]) -> list[Checked]:
    """Many at once, if they are of one scheme, which costs a third of one by one; one by one where that fails."""
    if len(quorums) > 1:
        scheme = quorums[0].keys.scheme
        claims = [quorum.keys.claim(quorum.digest, quorum.signatures) for quorum in quorums]
        sound = [claim for claim in claims if claim is not None]
        one_scheme = all(quorum.keys.scheme is scheme for quorum in quorums)
        if one_scheme and len(sound) == len(claims) and scheme.verify_all(sound):
            return [Checked(signature) for _, _, signature in sound]
    return [quorum.keys.check(quorum.digest, quorum.signatures) for quorum in quorums]

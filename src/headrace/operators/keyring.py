"""The operators' public keys, and the check of many signatures as one.

Owns      aggregation, and finding the bad ones when the aggregate fails.
Promises  one verification where all is well; with b bad ones among n about b * log2(n) more; an operator is blamed
          only if its own signature fails alone.
Leaves    whose stake counts to `operators.tally`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from headrace.attest.scheme import Scheme

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Checked:
    """`signature`: the aggregate, or None where somebody is `bad`."""

    signature: bytes | None
    bad: frozenset[int]


class KeyRing(Generic[Key]):
    """Immutable. Keys by operator index; all with proven possession."""

    def __init__(self, scheme: Scheme[Key], keys: Mapping[int, bytes]) -> None:
        """Raises ValueError for bytes that are no public key of this scheme."""
        self._scheme = scheme
        self._keys = {index: scheme.parse_public_key(wire) for index, wire in keys.items()}

    def check(self, digest: bytes, signatures: Mapping[int, bytes]) -> Checked:
        """All signatures on one digest. Blocking CPU work: about 2 ms where all is well."""
        assert signatures, "nothing to check"
        try:
            aggregate = self._scheme.aggregate_signatures(signatures.values())
        except ValueError:  # somebody's is malformed, or together they are nothing
            pass
        else:
            if self._scheme.verify(self._key_of(signatures), digest, aggregate):
                return Checked(aggregate, frozenset())
        malformed = frozenset(index for index, signature in signatures.items() if not self._well_formed(signature))
        rest = [index for index in signatures if index not in malformed]
        if not malformed:
            return Checked(None, self._bisect(digest, signatures, rest))
        return Checked(None, malformed | (self._find_bad(digest, signatures, rest) if rest else frozenset()))

    def _key_of(self, indexes: Iterable[int]) -> Key:
        return self._scheme.aggregate_keys(self._keys[index] for index in indexes)

    def _well_formed(self, signature: bytes) -> bool:
        try:
            self._scheme.check_signature(signature)
        except ValueError:
            return False
        return True

    def _find_bad(self, digest: bytes, signatures: Mapping[int, bytes], indexes: Sequence[int]) -> frozenset[int]:
        if self._stands(digest, signatures, indexes):
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

    def _stands(self, digest: bytes, signatures: Mapping[int, bytes], indexes: Sequence[int]) -> bool:
        try:
            aggregate = self._scheme.aggregate_signatures(signatures[index] for index in indexes)
        except ValueError:  # they cancel each other out: honest ones do not
            return False
        return self._scheme.verify(self._key_of(indexes), digest, aggregate)

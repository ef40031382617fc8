"""What any aggregate signature scheme must offer to those who collect signatures.

Owns      the shape only. `attest.bls` (BLS12-381) fits it; a BN254 module can, without a change to its users.
Promises  nothing else is asked of a scheme: keys are opaque, signatures are bytes.
Leaves    digests to those who sign, secret keys to the scheme's own module.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

Key = TypeVar("Key")


class Scheme(Protocol[Key]):
    """A module can be a Scheme: `Scheme[bls.PublicKey]` is satisfied by `bls` itself.

    Keys given to `aggregate_keys` must have proven possession (`attest.possession`); otherwise an operator could
    choose a key that cancels the others'.
    """

    def parse_public_key(self, wire: bytes, /) -> Key:
        """Raises ValueError for bytes that are no valid key."""
        ...

    def aggregate_keys(self, keys: Iterable[Key], /) -> Key: ...

    def subtract_keys(self, aggregate: Key, keys: Iterable[Key], /) -> Key: ...

    def check_signature(self, signature: bytes, /) -> None:
        """Raises ValueError for bytes that cannot be anybody's signature."""
        ...

    def aggregate_signatures(self, signatures: Iterable[bytes], /) -> bytes:
        """Raises ValueError if one of them is malformed, or if nothing is left of their sum."""
        ...

    def verify(self, public_key: Key, digest: bytes, signature: bytes, /) -> bool:
        """Whether the signature is this (aggregate) key's on that attestation digest. A malformed one is not."""
        ...

    def verify_all(self, claims: Sequence[tuple[Key, bytes, bytes]], /) -> bool:
        """Whether all claims (key, digest, signature) stand; many at once cost less than one by one."""
        ...

"""The operators whose signatures count, as the registry has them.

Owns      the members, their stakes and keys, the bitmap of those who did not sign.
Promises  what the contract counts: only members with stake are asked, only their keys are in an aggregate.
Leaves    reading the registry to whoever composes the gateway.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_utils.crypto import keccak

from headrace.attest.scheme import Scheme
from headrace.core.words import Address, BlockNumber
from headrace.operators.clients import OperatorClient
from headrace.operators.keyring import KeyRing

OPERATORS_MAX: Final = 256
BITMAP_LENGTH: Final = 32
MEMBERSHIPS_KEPT: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One operator as the registry has it, and how to ask it. `public_key`: 256 bytes, possession proven."""

    index: int
    address: Address
    public_key: bytes
    stake: int
    client: OperatorClient


class Membership:
    """Immutable. Members without stake are left out: the registry's aggregate key is without them too."""

    def __init__(self, members: Sequence[Member], scheme: Scheme[Any]) -> None:
        """Raises ValueError if they make no quorum: nobody with stake, a doubled index or address, a bad key."""
        for what, values in (
            ("index", [member.index for member in members]),
            ("address", [member.address for member in members]),
            ("public key", [member.public_key for member in members]),
        ):
            if len(set(values)) != len(values):
                raise ValueError(f"two operators have the same {what}")
        for member in members:
            if not 0 <= member.index < OPERATORS_MAX:
                raise ValueError(f"operator index {member.index} is not 0 to {OPERATORS_MAX - 1}")
        self.members: Mapping[int, Member] = {m.index: m for m in members if m.stake > 0}
        if not self.members:
            raise ValueError("no operator has stake")
        self.stakes: Mapping[int, int] = {index: member.stake for index, member in self.members.items()}
        self.operator_ids: Mapping[int, bytes] = {
            index: keccak(member.public_key) for index, member in self.members.items()
        }
        self.keys: KeyRing[Any] = KeyRing(scheme, {i: member.public_key for i, member in self.members.items()})

    def non_signers(self, signers: Collection[int]) -> tuple[int, ...]:
        return tuple(index for index in sorted(self.members) if index not in signers)

    def bitmap(self, non_signers: Collection[int]) -> bytes:
        """32 bytes: bit i of the big-endian number is set if the operator with index i did not sign."""
        return sum(1 << index for index in non_signers).to_bytes(BITMAP_LENGTH, "big")


class Memberships:
    """Those that counted before, too: the contract asks for the operators at a task's reference block, and a task
    may have been begun before they changed. The oldest serves for whatever was before it."""

    def __init__(self, first: Membership) -> None:
        self._known: deque[tuple[BlockNumber, Membership]] = deque([(BlockNumber(0), first)], MEMBERSHIPS_KEPT)

    @property
    def newest(self) -> Membership:
        return self._known[-1][1]

    def replace(self, membership: Membership, since: BlockNumber) -> None:
        self._known.append((since, membership))

    def at(self, block: BlockNumber) -> Membership:
        for since, membership in reversed(self._known):
            if since <= block:
                return membership
        return self._known[0][1]

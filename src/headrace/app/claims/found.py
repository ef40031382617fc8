"""What the chain shows of a mass of claims: how many transactions, at what gas, and none of them too late.

Promises  a plain function of what was read and watched; the gateway's word is not asked for.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.app.chain_watch.escrow_record import CallSeen, EscrowRecord, LockSeen
from headrace.app.claims.pool_watch import Offered
from headrace.workloads.escrow.calldata import SELECTOR
from headrace.workloads.escrow.payload import CLAIM, LOCK

_WORD: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsFound:
    """Of one payee. `claimed` locks, by `claims` transactions; `twice`: numbers of jobs with more than one end;
    `too_late`: claims that were offered, or mined, after a lock's expiry less the margin. Gas as in receipts."""

    locks: int
    claimed: int
    canceled: int
    twice: int
    claims: Sequence[CallSeen]
    locking: Sequence[CallSeen]
    reverted: int
    too_late: int
    imbalances: Sequence[str]

    @property
    def gas_max(self) -> int:
        return max((call.gas_used for call in self.claims), default=0)

    @property
    def gas_limit_max(self) -> int:
        return max((call.gas_limit for call in self.claims), default=0)

    @property
    def gas_per_claim(self) -> int:
        """Reverted ones were paid for too."""
        return sum(call.gas_used for call in self.claims) // max(self.claimed, 1)

    @property
    def gas_per_lock(self) -> int:
        return sum(call.gas_used for call in self.locking) // max(self.locks, 1)


def found(record: EscrowRecord, *, payee: bytes, margin_s: float, offered: Mapping[bytes, Offered]) -> ClaimsFound:
    locks = [lock for lock in record.locks if lock.payee == payee]
    calls = record.calls_of(payee)
    claims = [call for call in calls if call.selector == SELECTOR[CLAIM]]
    hashes = {call.place.transaction for call in claims}
    return ClaimsFound(
        locks=len(locks),
        claimed=sum(lock.end is not None and lock.end.claimed for lock in locks),
        canceled=sum(lock.end is not None and not lock.end.claimed for lock in locks),
        twice=len(locks) - len({(lock.payer, lock.job) for lock in locks}) + record.loose_ends,
        claims=claims,
        locking=[call for call in calls if call.selector == SELECTOR[LOCK]],
        reverted=sum(not call.ok for call in calls),
        too_late=_mined_too_late(locks, hashes, margin_s) + _offered_too_late(locks, offered, margin_s),
        imbalances=list(record.imbalances()),
    )


def _mined_too_late(locks: Sequence[LockSeen], claims: Collection[bytes], margin_s: float) -> int:
    """By the blocks' own times. A claim that turned into a cancel was a claim."""
    return sum(
        lock.end is not None
        and lock.end.place.transaction in claims
        and lock.end.place.timestamp_s > lock.expiry - margin_s
        for lock in locks
    )


def _offered_too_late(locks: Sequence[LockSeen], offered: Mapping[bytes, Offered], margin_s: float) -> int:
    """By the clock of whoever watched the pool: also those that were never mined."""
    expiries = {lock.job: lock.expiry for lock in locks}
    late = 0
    for one in offered.values():
        if one.data[:4] == SELECTOR[CLAIM]:
            late += sum(one.at > expiries[job] - margin_s for job in _jobs(one.data) if job in expiries)
    return late


def _jobs(data: bytes) -> list[int]:
    """The first argument of claimLocks: an array of numbers, behind the offset that comes first."""
    arguments = data[4:]
    at = int.from_bytes(arguments[:_WORD])
    count = int.from_bytes(arguments[at : at + _WORD])
    words = arguments[at + _WORD : at + _WORD + count * _WORD]
    return [int.from_bytes(words[i : i + _WORD]) for i in range(0, len(words), _WORD)]

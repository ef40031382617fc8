"""Expired locks of ours that no job waits for: they are cancelled, so that the payers have their money back.

Owns      which locks these are, and their operations.
Promises  a lock of a job whose payment is open is never swept: the job's own claim run sees to it. The same lock
          is one operation, however often it is found.
Leaves    sending to the engine. What became of a sweep is its operation's account.
"""

from collections.abc import Collection, Sequence

from headrace.core.operation import Operation
from headrace.core.words import ChainId, OperationId
from headrace.jobs.schedule import ClaimPolicy
from headrace.workloads.escrow.lock_state import LiveLock
from headrace.workloads.escrow.operations import operation_of
from headrace.workloads.escrow.payload import CANCEL, LockKey, Payload


def expired(locks: Sequence[LiveLock], *, now: float, policy: ClaimPolicy) -> list[LiveLock]:
    return [lock for lock in locks if policy.is_expired(lock.expiry, now=now)]


def sweeps(
    locks: Sequence[LiveLock], known: Collection[LockKey], *, chain: ChainId, now: float
) -> list[Operation]:
    """`locks` have expired; `known` are those of jobs whose payment is open."""
    return [
        operation_of(
            id=OperationId(f"sweep/{lock.key.digest().hex()}/{lock.expiry}"),
            chain=chain,
            kind=CANCEL,
            payload=Payload(key=lock.key),
            received_at=now,
        )
        for lock in locks
        if lock.key not in known
    ]

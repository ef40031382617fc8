"""Looks in the logs for how locks ended, whoever ended them.

Owns      the search: by payee, from the oldest of the locks that are looked for.
Promises  an event counts for a lock only from the lock's own block on (numbers of jobs are used again), and only
          in a block that is final; a range that was not read to its end says nothing: NodeTrouble.
Leaves    what follows for the job to `jobs.looking`.
"""

from collections.abc import Mapping, Sequence

from headrace.core.job import Job, JobId
from headrace.core.ports.logs import FoundLog, TopicFilter
from headrace.core.settlement import Canceled, Claimed, Lock, Proof, Released, as_seen
from headrace.core.terms import number_on_chain
from headrace.core.words import Address, BlockNumber
from headrace.jobs.escrow_reader import EscrowReader
from headrace.workloads.escrow.events import CANCELED_TOPIC, CLAIMED_TOPIC, LOCK_TOPIC, read_events
from headrace.workloads.escrow.payload import LockKey

End = Claimed | Released | Canceled


def key_of(job: Job) -> LockKey:
    """Of a paid job."""
    assert job.terms is not None, job.id
    terms = job.terms
    return LockKey(payee=terms.payee, payer=terms.payer, token=terms.token, job=number_on_chain(job.id))


class LockEnds:
    def __init__(self, reader: EscrowReader) -> None:
        self._reader = reader

    async def of(self, jobs: Sequence[Job], *, up_to: BlockNumber) -> Mapping[JobId, End]:
        """Of paid jobs with a lock; those that are not in the answer have no end up to that block. Raises
        NodeTrouble."""
        found: dict[JobId, End] = {}
        by_payee: dict[Address, list[tuple[Job, Lock]]] = {}
        for job in jobs:
            assert job.terms is not None and job.lock is not None, job.id
            by_payee.setdefault(job.terms.payee, []).append((job, job.lock))
        for payee, of_payee in by_payee.items():
            first = min(lock.block for _, lock in of_payee)
            if first > up_to:
                continue
            logs = await self._logs([(CLAIMED_TOPIC, CANCELED_TOPIC), (bytes(12) + payee,)], first, up_to)
            found |= await self._ends(of_payee, logs)
        return found

    async def _ends(self, jobs: Sequence[tuple[Job, Lock]], logs: Sequence[FoundLog]) -> dict[JobId, End]:
        waiting = {key_of(job): (job.id, lock) for job, lock in jobs}
        found: dict[JobId, End] = {}
        for one in logs:
            events = read_events([one.log], escrow=self._reader.escrow)
            proof = Proof(one.transaction, one.block)
            for key in (*events.claimed, *events.canceled):
                # The first end after the lock is its own: a later one is of another lock of the same number.
                job, lock = waiting.get(key, (None, None))
                if job is None or lock is None or job in found or not await self._is_after(one, lock, key):
                    continue
                claimed = events.claimed.get(key)
                found[job] = as_seen(claimed.amount, proof) if claimed is not None else Canceled(proof)
        return found

    async def _is_after(self, end: FoundLog, lock: Lock, key: LockKey) -> bool:
        if end.block != lock.block:
            return end.block > lock.block
        # An earlier lock of this number may have ended in the very block that this one was made in.
        made = [
            one.index
            for one in await self._logs([(LOCK_TOPIC,)], lock.block, lock.block)
            if one.transaction == lock.transaction
            and key in read_events([one.log], escrow=self._reader.escrow).locked
        ]
        return not made or end.index > max(made)

    async def _logs(self, topics: TopicFilter, first: BlockNumber, last: BlockNumber) -> Sequence[FoundLog]:
        return await self._reader.node.logs(address=self._reader.escrow, topics=topics, first=first, last=last)

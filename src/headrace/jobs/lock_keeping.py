"""Locks of jobs from their operation to the chain, and what a reorg does to them.

Owns      when a lock counts: so deep, by its own event; its expiry, from the time of its block.
Promises  a job may begin only when its lock is recorded. A lock that was mined again elsewhere is recorded anew;
          one that was lost after its job began is told, and the job is asked to stop.
Leaves    asking for locks to `jobs.admitting`, when to look to `jobs.following`.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from headrace.core.job import Job, JobId
from headrace.core.operation import Account, Stage
from headrace.core.ports import Clock, NodeTrouble
from headrace.core.ports.jobs import JobStore
from headrace.core.settlement import Lock, SettlementState
from headrace.core.words import BlockHash, BlockNumber, Outcome, TxHash
from headrace.jobs.escrow_reader import EscrowReader
from headrace.jobs.lock_checks import OnTheirWay
from headrace.jobs.lock_ends import key_of
from headrace.jobs.planning import Unread
from headrace.workloads.escrow.events import LOCK_TOPIC, EscrowEvents, read_events

log = logging.getLogger(__name__)

LOOK_BACK_BLOCKS: Final = 10_000  # longer than a lock's operation may be on its way
BLOCKS_KEPT: Final = 8  # many locks are made in one block
THERE: Final = (Outcome.LANDED, Outcome.ALREADY_DONE)

_BlockRead = tuple[Mapping[TxHash, EscrowEvents], int]  # events by transaction, and the block's time


class LockKeeping:
    """`confirmations`: how deep the lock must be for its job to begin, its own block counted; fewer than make a
    block final mean that a reorg may take it away again. `tell` a compute engine that a job may begin, or should
    stop."""

    def __init__(
        self,
        *,
        store: JobStore,
        reader: EscrowReader,
        on_their_way: OnTheirWay,
        clock: Clock,
        confirmations: int,
        tell: Callable[[JobId], None],
    ) -> None:
        self._store, self._reader, self._on_their_way = store, reader, on_their_way
        self._clock, self._confirmations, self._tell = clock, confirmations, tell
        self._read: dict[BlockHash, _BlockRead] = {}

    async def look(self, job: Job, account: Account) -> bool:
        """Whether nothing more is to be seen of this operation. Raises NodeTrouble."""
        if account.stage is Stage.DONE and account.outcome not in THERE:
            assert account.outcome is not None
            await self._never(job, f"its lock was not made: {account.outcome.value}: {account.reason}")
            return True
        lock = await self._mined(job, account)
        if lock is not None and lock != job.lock:
            await self._record(job, lock)
        return account.stage is Stage.DONE

    async def _mined(self, job: Job, account: Account) -> Lock | None:
        ride = account.ride
        if ride is not None and ride.block is not None and ride.block_hash is not None:
            if job.lock is not None and (job.lock.transaction, job.lock.block) == (ride.hash, ride.block):
                return job.lock
            if account.stage is not Stage.DONE and not await self._is_deep(ride.block):
                return None
            lock = await self._in_block(job, ride.hash, ride.block, ride.block_hash)
            if lock is not None:
                return lock
        return await self._somewhere(job) if account.stage is Stage.DONE else None

    async def _is_deep(self, block: BlockNumber) -> bool:
        if self._confirmations == 1:
            return True
        head = await self._reader.node.head()
        return head.number - block + 1 >= self._confirmations

    async def _in_block(self, job: Job, hash: TxHash, number: BlockNumber, block: BlockHash) -> Lock | None:
        if block not in self._read:
            self._read[block] = await self._read_block(number, block)
            while len(self._read) > BLOCKS_KEPT:
                del self._read[next(iter(self._read))]
        events, timestamp = self._read[block]
        made = events[hash].locked.get(key_of(job)) if hash in events else None
        if made is None:
            return None
        return Lock(amount=made.amount, expiry=timestamp + made.duration_s, transaction=hash, block=number)

    async def _read_block(self, number: BlockNumber, block: BlockHash) -> _BlockRead:
        receipts = await self._reader.node.receipts(block)
        header = await self._reader.node.block(number)
        if receipts is None or header is None or header.hash != block:
            raise NodeTrouble(f"block {number} 0x{block.hex()} is not known by its hash (any more)")
        events = {r.transaction: read_events(r.logs, escrow=self._reader.escrow) for r in receipts}
        return events, header.timestamp

    async def _somewhere(self, job: Job) -> Lock:
        """The operation says that the lock is there, and not in which transaction."""
        assert job.terms is not None
        up_to = await self._reader.final_block()
        locks = await self._reader.locks(job.terms.payee, as_of=up_to)
        if isinstance(locks, Unread):
            raise NodeTrouble(locks.reason)
        alive = next((lock for lock in locks.locks if lock.key == key_of(job)), None)
        logs = await self._reader.node.logs(
            address=self._reader.escrow,
            topics=[(LOCK_TOPIC,)],
            first=BlockNumber(max(up_to - LOOK_BACK_BLOCKS, 0)),
            last=up_to,
        )
        made = [one for one in logs if key_of(job) in read_events([one.log], escrow=self._reader.escrow).locked]
        if alive is None or not made:
            raise NodeTrouble(f"the lock of job {job.id} is on chain, and up to block {up_to} the node has none")
        return Lock(
            amount=alive.amount, expiry=alive.expiry, transaction=made[-1].transaction, block=made[-1].block
        )

    async def _record(self, job: Job, lock: Lock) -> None:
        if not await self._store.record_lock(job.id, lock, now=self._clock.now()):
            return
        assert job.terms is not None
        self._on_their_way.remove(job.id, job.terms)
        log.info("job %s: its lock is in block %d, until %d", job.id, lock.block, lock.expiry)
        self._tell(job.id)

    async def _never(self, job: Job, reason: str) -> None:
        assert job.terms is not None
        now = self._clock.now()
        self._on_their_way.remove(job.id, job.terms)
        if await self._store.record_no_lock(job.id, reason, now=now):
            log.warning("job %s: %s", job.id, reason)
            self._tell(job.id)
        elif job.lock is not None and job.settlement.state is not SettlementState.CLAIMING:
            # A reorg took it away, and it cannot be made again. Claim runs will not find it, and ask a person.
            log.error("job %s: the lock of block %d is gone: %s", job.id, job.lock.block, reason)
            if await self._store.request_stop(job.id, now=now):
                self._tell(job.id)

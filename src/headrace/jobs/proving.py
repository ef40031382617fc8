"""What became of payments whose operation has ended, by what the chain shows.

Owns      the reading of the final receipt, and of the logs where the receipt does not tell.
Promises  a payment is settled only by its own event in a final block; what was earned is asked for before the
          payment counts as settled, so that neither is lost between the two. Doing it twice is doing it once.
          That a lock is gone is believed only of one that was final: a reorg may have taken it elsewhere.
Leaves    when to look to `jobs.following`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from headrace.core.job import Job, JobId
from headrace.core.operation import Account, Ride, Stage
from headrace.core.ports import Clock, NodeTrouble
from headrace.core.ports.jobs import JobStore, SettlementChange
from headrace.core.settlement import Canceled, Claimed, Due, Lock, Proof, as_seen
from headrace.core.words import BlockNumber, OperationId, Outcome, Receipt, TxHash
from headrace.jobs.escrow_reader import EscrowReader
from headrace.jobs.lock_ends import End, LockEnds, key_of
from headrace.jobs.looking import after_looking
from headrace.jobs.orders import lock_id
from headrace.jobs.planning import Unread
from headrace.jobs.withdrawing import Withdrawing
from headrace.workloads.escrow.events import EscrowEvents, read_events
from headrace.workloads.escrow.lock_state import LiveLock
from headrace.workloads.escrow.payload import LockKey

# Operations that ended so have left the lock as it was.
WITHOUT_EFFECT = frozenset({Outcome.REJECTED, Outcome.EXPIRED, Outcome.CANCELLED})

Ended = tuple[Job, Account]


class ProvingStore(JobStore, Protocol):
    async def account(self, operation: OperationId) -> Account | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """`moving`: their locks are not final as of the block that was looked up to, so absence proves nothing."""

    changes: Sequence[SettlementChange]
    moving: Sequence[Job]


class Proving:
    def __init__(
        self, *, store: ProvingStore, reader: EscrowReader, ends: LockEnds, withdrawing: Withdrawing, clock: Clock
    ) -> None:
        self._store, self._reader, self._ends = store, reader, ends
        self._withdrawing, self._clock = withdrawing, clock

    async def settle(self, ended: Sequence[Ended]) -> Mapping[JobId, SettlementChange]:
        """Of jobs that are Claiming, each with the account of its operation, which is done. Answers with the
        changes that were written. Raises NodeTrouble, TryLater: then none was."""
        shown = await self._shown(ended)
        changes: list[SettlementChange] = []
        gone: list[Job] = []
        for job, account in ended:
            end = shown.get(job.id)
            if end is not None:
                changes.append(SettlementChange(job=job.id, before=job.settlement, after=end))
            elif account.outcome in WITHOUT_EFFECT:
                assert account.outcome is not None
                changes.append(_due_again(job, f"{account.outcome.value}: {account.reason}"))
            else:
                gone.append(job)
        changes += await self._where_they_are(gone)
        return await self.save(changes, {job.id: job for job, _ in ended})

    async def look(self, jobs: Sequence[Job], *, up_to: BlockNumber) -> Looked:
        """By the logs, of jobs whose lock is not there as of that final block. Raises NodeTrouble."""
        placed: list[Job] = []
        moving: list[Job] = []
        for job in jobs:
            now = await self._where_it_ended(job)
            if now is None or now.lock is None or now.lock.block > up_to:
                moving.append(job)
            else:
                placed.append(now)
        ends = await self._ends.of(placed, up_to=up_to)
        changes = [after_looking(job, ends.get(job.id), up_to=up_to) for job in placed]
        return Looked(changes=changes, moving=moving)

    async def renew(self, jobs: Iterable[Job], alive: Mapping[LockKey, LiveLock]) -> Mapping[JobId, Job]:
        """Of jobs that are due: what a reorg moved, and is final elsewhere, is recorded there, since that of a
        payment that is under way is closed. Answers with the jobs that have changed."""
        renewed: dict[JobId, Job] = {}
        for job in jobs:
            live = alive.get(key_of(job)) if job.terms is not None else None
            # Another block, another time: and that is all that can be seen without asking for each of them.
            if live is None or job.lock is None or live.expiry == job.lock.expiry:
                continue
            account = await self._store.account(lock_id(job.id))
            ride = None if account is None else account.ride
            if ride is None or ride.block is None:
                continue
            lock = Lock(amount=live.amount, expiry=live.expiry, transaction=ride.hash, block=ride.block)
            if await self._store.record_lock(job.id, lock, now=self._clock.now()):
                renewed[job.id] = replace(job, lock=lock)
        return renewed

    async def _where_it_ended(self, job: Job) -> Job | None:
        """The job with its lock where the lock's operation ended, which may not be recorded yet; None while that
        is under way (again): the block it was recorded in was uncled."""
        account = await self._store.account(lock_id(job.id))
        if account is None:
            return job
        if account.stage is not Stage.DONE:
            return None
        ride = account.ride
        if account.outcome is not Outcome.LANDED or ride is None or ride.block is None or job.lock is None:
            return job
        return replace(job, lock=replace(job.lock, transaction=ride.hash, block=ride.block))

    async def save(
        self, changes: Sequence[SettlementChange], jobs: Mapping[JobId, Job]
    ) -> Mapping[JobId, SettlementChange]:
        """Asks for the withdrawal of what was earned, then writes. Raises NodeTrouble, TryLater."""
        earned = {
            (change.after.proof.transaction, terms.payee)
            for change in changes
            if isinstance(change.after, Claimed) and (terms := jobs[change.job].terms) is not None
        }
        now = self._clock.now()
        for transaction, payee in sorted(earned):
            await self._withdrawing.of(await self._receipt(transaction), payee, now=now)
        written = set(await self._store.change_settlements(changes, now=now))
        return {change.job: change for change in changes if change.job in written}

    async def _where_they_are(self, jobs: Sequence[Job]) -> list[SettlementChange]:
        """Of jobs whose operation says that the lock is gone, or that somebody was faster."""
        if not jobs:
            return []
        up_to = await self._reader.final_block()
        changes: list[SettlementChange] = []
        gone: list[Job] = []
        for payee in {job.terms.payee for job in jobs if job.terms is not None}:
            locks = await self._reader.locks(payee, as_of=up_to)
            if isinstance(locks, Unread):
                raise NodeTrouble(locks.reason)
            alive = {lock.key for lock in locks.locks}
            for job in (j for j in jobs if j.terms is not None and j.terms.payee == payee):
                if key_of(job) in alive:
                    changes.append(_due_again(job, "its lock is still there"))
                elif job.lock is None or job.lock.block > up_to:
                    changes.append(_due_again(job, f"its lock is not final: the final block is {up_to}"))
                else:
                    gone.append(job)
        looked = await self.look(gone, up_to=up_to)
        changes += [_due_again(job, "a reorg moved its lock, which is not final yet") for job in looked.moving]
        return [*changes, *looked.changes]

    async def _shown(self, ended: Sequence[Ended]) -> Mapping[JobId, End]:
        """What the operations' own transactions show, read by the hash of their final block."""
        riding = [
            (job, account.ride, account.ride.block_hash)
            for job, account in ended
            if account.ride is not None and account.ride.block_hash is not None
        ]
        events: dict[TxHash, EscrowEvents] = {}
        for block in {block for _, _, block in riding}:
            receipts = await self._reader.node.receipts(block)
            if receipts is None:
                raise NodeTrouble(f"block 0x{block.hex()} is final, and the node does not know it (yet)")
            wanted = {ride.hash for _, ride, of in riding if of == block}
            for receipt in receipts:
                if receipt.transaction in wanted:
                    events[receipt.transaction] = read_events(receipt.logs, escrow=self._reader.escrow)
        found: dict[JobId, End] = {}
        for job, ride, _ in riding:
            end = _end(job, ride, events.get(ride.hash))
            if end is not None:
                found[job.id] = end
        return found

    async def _receipt(self, transaction: TxHash) -> Receipt:
        receipt = await self._reader.node.receipt(transaction)
        if receipt is None:
            raise NodeTrouble(f"transaction 0x{transaction.hex()} is final, and the node has no receipt of it")
        return receipt


def _end(job: Job, ride: Ride, events: EscrowEvents | None) -> End | None:
    key = key_of(job)
    if events is None or ride.block is None:
        return None
    proof = Proof(ride.hash, ride.block)
    if (claimed := events.claimed.get(key)) is not None:
        return as_seen(claimed.amount, proof)
    return Canceled(proof) if key in events.canceled else None


def _due_again(job: Job, reason: str) -> SettlementChange:
    return SettlementChange(job=job.id, before=job.settlement, after=Due(reason))

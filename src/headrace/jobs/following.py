"""Follows operations of jobs to their ends, and takes what they show to the jobs.

Owns      which operations are to be looked at: those that news name, and at start and now and then those of all
          jobs that wait for one. News may get lost with the process; the second way finds what the first missed.
Promises  nothing is done twice by looking twice; trouble with a node puts off, and is told while it lasts.
Leaves    what an operation shows to `jobs.lock_keeping` and `jobs.proving`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Final, Protocol

from headrace.core.errors import TryLater
from headrace.core.job import Job, JobId
from headrace.core.operation import Account, Stage
from headrace.core.ports import BatchNews, Clock, EvaluationNews, News, NodeTrouble, OperationNews
from headrace.core.ports.jobs import JobStore
from headrace.core.settlement import Claiming, SettlementState
from headrace.core.words import OperationId
from headrace.jobs.lock_keeping import LockKeeping
from headrace.jobs.orders import job_of, lock_id
from headrace.jobs.proving import Proving
from headrace.workloads.escrow.payload import LOCK
from headrace.workloads.escrow.workload import NAME as ESCROW

log = logging.getLogger(__name__)

PASS_EVERY_S: Final = 60.0
RETRY_S: Final = 2.0
NAMED_MAX: Final = 20_000  # by news; beyond it the next pass finds them
PAGE: Final = 500


class Accounts(Protocol):
    async def account(self, operation: OperationId) -> Account | None: ...


class Following:
    """`ask_for_lock` adds the operation of a job's lock, where there is none yet."""

    def __init__(
        self,
        *,
        store: JobStore,
        accounts: Accounts,
        locks: LockKeeping,
        proving: Proving,
        ask_for_lock: Callable[[Job], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._store, self._accounts, self._clock = store, accounts, clock
        self._locks, self._proving, self._ask_for_lock = locks, proving, ask_for_lock
        self._named: set[OperationId] = set()
        self._young: set[OperationId] = set()  # locks that may still be uncled
        self._woken = asyncio.Event()
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why what happened on chain is not taken to the jobs now, for people."""
        return self._trouble

    def hear(self, news: News) -> None:
        """`core.ports.Announce`."""
        match news:
            case OperationNews(operation=operation, what="done"):
                self._name(operation)
            case BatchNews(what="mined" | "retracted", operations=operations):
                for one in operations:
                    if one.workload == ESCROW and one.kind == LOCK:
                        self._name(one.id)
            case OperationNews() | BatchNews() | EvaluationNews():
                pass

    def _name(self, operation: OperationId) -> None:
        if job_of(operation) is not None and len(self._named) < NAMED_MAX:
            self._named.add(operation)
            self._woken.set()

    # ---- The loop

    async def run(self) -> None:
        last_pass_at: float | None = None
        while True:
            self._woken.clear()
            try:
                if last_pass_at is None or self._clock.now() - last_pass_at >= PASS_EVERY_S:
                    await self.look_at_all()
                    last_pass_at = self._clock.now()
                await self.look_at_named()
                self._trouble = None
            except (NodeTrouble, TryLater) as trouble:
                self._trouble = f"what became of payments is not known: {trouble}"
                log.warning("%s", self._trouble)
            await self._woken_or(RETRY_S if self._named or self._young or self._trouble else PASS_EVERY_S)

    async def _woken_or(self, seconds: float) -> None:
        if self._trouble is not None:
            await self._clock.sleep(seconds)
            return
        waits: set[asyncio.Task[object]] = {
            asyncio.create_task(self._woken.wait()),
            asyncio.create_task(self._clock.sleep(seconds)),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def look_at_all(self) -> None:
        """Every job that waits for an operation, whatever news were lost. Raises NodeTrouble, TryLater."""
        async for job in self._jobs((SettlementState.AWAITING_LOCK,)):
            account = await self._accounts.account(lock_id(job.id))
            if account is None:
                await self._ask_for_lock(job)
            else:
                await self._look_at_lock(job, account)
        async for job in self._jobs((SettlementState.CLAIMING,)):
            assert isinstance(job.settlement, Claiming)
            self._named.add(job.settlement.operation)

    async def find_young(self) -> None:
        """At start: locks that were recorded and may not be final. Raises nothing of a node."""
        async for job in self._jobs((SettlementState.UNSETTLED, SettlementState.DUE)):
            account = await self._accounts.account(lock_id(job.id))
            if account is not None and account.stage is not Stage.DONE:
                self._young.add(account.operation.id)

    async def look_at_named(self) -> None:
        """Raises NodeTrouble, TryLater; what was not looked at then is looked at again."""
        settling: list[tuple[Job, Account]] = []
        for id in sorted(self._named | self._young):
            account = await self._accounts.account(id)
            job = await self._job(id)
            if account is None or job is None:
                self._named.discard(id)
            elif id == lock_id(job.id):
                await self._look_at_lock(job, account)
            elif isinstance(job.settlement, Claiming) and job.settlement.operation == id:
                if account.stage is Stage.DONE:
                    settling.append((job, account))
                else:
                    self._named.discard(id)  # news will come
            else:
                self._named.discard(id)
        for at in range(0, len(settling), PAGE):
            part = settling[at : at + PAGE]
            await self._proving.settle(part)
            self._named.difference_update(account.operation.id for _, account in part)

    async def _look_at_lock(self, job: Job, account: Account) -> None:
        id = account.operation.id
        ended = await self._locks.look(job, account)
        self._named.discard(id)
        mined = account.ride is not None and account.ride.block is not None
        if not ended and (mined or id in self._young):
            self._young.add(id)
        else:
            self._young.discard(id)

    async def _job(self, operation: OperationId) -> Job | None:
        id = job_of(operation)
        return None if id is None else await self._store.job(id)

    async def _jobs(self, states: Collection[SettlementState]) -> AsyncIterator[Job]:
        after: JobId | None = None
        while page := await self._store.jobs_to_settle(states, limit=PAGE, after=after):
            for job in page:
                yield job
            after = page[-1].id

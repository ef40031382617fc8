"""The settlement service as its doors see it, and the loops that make it work.

Owns      nothing of its own: it puts together what the other modules of this package do.
Leaves    wiring to `app.settlement_part`.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from headrace.core.job import Job, JobId
from headrace.core.operation import Account
from headrace.core.ports import News
from headrace.core.ports.claim_runs import ClaimRun, ClaimRunStore
from headrace.core.ports.settling import Environment, JobWish, RunAsked, SettlementStory
from headrace.core.words import Address, ChainId
from headrace.jobs.admitting import Admitting
from headrace.jobs.billing import Bill, bill
from headrace.jobs.claim_timer import ClaimTimer
from headrace.jobs.escrow_reader import EscrowReader
from headrace.jobs.following import Following
from headrace.jobs.life import JobLife
from headrace.jobs.lock_ends import key_of
from headrace.jobs.offers import Offers


class AccountsAbout(Protocol):
    async def accounts_about(self, subject: bytes) -> Sequence[Account]: ...


class SettlementService:
    """Implements core.ports.settling.Settlement."""

    def __init__(
        self,
        *,
        life: JobLife,
        admitting: Admitting,
        offers: Offers,
        following: Following,
        timer: ClaimTimer,
        runs: ClaimRunStore,
        accounts: AccountsAbout,
        reader: EscrowReader,
    ) -> None:
        self._life, self._admitting, self._offers = life, admitting, offers
        self._following, self._timer, self._runs = following, timer, runs
        self._accounts, self._reader = accounts, reader

    @property
    def chain(self) -> ChainId:
        return self._reader.chain

    @property
    def escrow(self) -> Address:
        return self._reader.escrow

    @property
    def payee(self) -> Address:
        return self._offers.payee

    def environments(self) -> Sequence[Environment]:
        return self._offers.all()

    async def start(self, wish: JobWish) -> Job:
        return await self._admitting.start(wish)

    async def settle_now(self) -> RunAsked:
        return await self._timer.settle_now()

    async def runs(self, *, limit: int, before: int | None = None) -> Sequence[ClaimRun]:
        return await self._runs.claim_runs(limit=limit, before=before)

    async def story(self, job: JobId) -> SettlementStory:
        found = await self._life.job(job)
        owed = bill(found) if found.terms is not None and found.result is not None else None
        clear = owed if isinstance(owed, Bill) else None
        about = await self._accounts.accounts_about(key_of(found).digest()) if found.terms is not None else ()
        return SettlementStory(
            job=found,
            history=await self._life.history(job),
            operations=sorted(about, key=lambda account: account.operation.received_at),
            owed=None if clear is None else clear.amount,
            used_ms=None if clear is None else clear.used_ms,
        )

    # ---- For whoever runs it

    def hear(self, news: News) -> None:
        """`core.ports.Announce`: never blocks, never fails."""
        self._following.hear(news)

    def hindrances(self) -> Sequence[str]:
        return [trouble for trouble in (self._following.trouble, self._timer.trouble) if trouble is not None]

    async def take_up(self) -> None:
        """At start, before anybody asks for anything: what a crash left half done."""
        await self._timer.take_up()
        await self._admitting.take_up()
        await self._following.find_young()

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._following.run(), name="payments")
            loops.create_task(self._timer.run(), name="claim runs")

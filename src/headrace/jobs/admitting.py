"""Takes a wish for a job: priced, checked against the payer's funds, stored, and its lock asked for.

Owns      the order: everything that can be refused is refused before anything is stored.
Promises  a wish that is repeated is the same job, whatever prices and funds are by then; a job that is stored gets
          its lock's operation, if not now then by `jobs.following`.
Leaves    what is offered to `jobs.offers`, bounds to `jobs.starting`, the lock's way to the engine.
"""

import logging
import os
from collections.abc import Sequence
from typing import Final, Protocol

from headrace.core.errors import FixTheRequest, TryLater
from headrace.core.job import Job, JobId
from headrace.core.operation import Operation
from headrace.core.ports import Added, Clock, NodeTrouble
from headrace.core.ports.compute import ComputeEngine
from headrace.core.ports.jobs import JobReader
from headrace.core.ports.settling import JobWish
from headrace.core.settlement import SettlementState
from headrace.core.terms import Terms
from headrace.core.words import Address
from headrace.jobs.decimals import TokenDecimals
from headrace.jobs.escrow_reader import EscrowReader
from headrace.jobs.life import JobLife
from headrace.jobs.lock_checks import OnTheirWay, check_lock
from headrace.jobs.offers import Offers, as_before
from headrace.jobs.orders import lock_order
from headrace.jobs.starting import make_job, new_id

PAGE: Final = 500

log = logging.getLogger(__name__)


class Admit(Protocol):
    async def __call__(self, operation: Operation) -> Added:
        """FRESH or SAME once it is durable. Raises OtherContent, TryLater, FixTheRequest."""
        ...


class Admitting:
    """`lock_patience_s`: so long after its job was taken a lock may be sent; later the job is over."""

    def __init__(
        self,
        *,
        life: JobLife,
        store: JobReader,
        offers: Offers,
        reader: EscrowReader,
        decimals: TokenDecimals,
        on_their_way: OnTheirWay,
        admit: Admit,
        engines: Sequence[ComputeEngine],
        clock: Clock,
        lock_patience_s: float,
        claim_duration_timeout_s: int,
    ) -> None:
        self._life, self._store, self._offers = life, store, offers
        self._reader, self._decimals, self._on_their_way = reader, decimals, on_their_way
        self._admit, self._clock = admit, clock
        self._engines = {engine.environment: engine for engine in engines}
        self._lock_patience_s, self._timeout_s = lock_patience_s, claim_duration_timeout_s

    async def start(self, wish: JobWish) -> Job:
        """As `core.ports.settling.Settlement.start`."""
        now = self._clock.now()
        if wish.id is not None and (already := await self._store.job(wish.id)) is not None:
            return await self._life.start(as_before(wish, already), now=now)
        id = wish.id or new_id(owner=wish.owner, now=now, noise=os.urandom(16))
        price = self._offers.price(wish)
        token_decimals = await self._decimals_of(price.token) if price is not None else 0
        request = self._offers.request(wish, id, price=price, token_decimals=token_decimals)
        terms = make_job(request, claim_duration_timeout_s=self._timeout_s, now=now).terms
        engine = self._engines.get(wish.environment)
        if engine is not None:
            engine.check(wish.algorithm, max_duration_s=request.max_duration_s)
        if terms is None:
            job = await self._life.start(request, now=now)
            if engine is not None:
                engine.tell(job.id)
            return job
        await self._check_lock(id, terms)
        try:
            job = await self._life.start(request, now=now)
        except BaseException:
            self._on_their_way.remove(id, terms)
            raise
        await self.ask_for_lock(job)
        return job

    async def take_up(self) -> None:
        """At start: the locks that are on their way count before the first wish is taken."""
        after: JobId | None = None
        awaiting = (SettlementState.AWAITING_LOCK,)
        while page := await self._store.jobs_to_settle(awaiting, limit=PAGE, after=after):
            for job in page:
                assert job.terms is not None
                self._on_their_way.add(job.id, job.terms)
            after = page[-1].id

    async def ask_for_lock(self, job: Job) -> None:
        """Of a job that awaits one. What does not succeed now is tried again by `jobs.following`."""
        try:
            order = lock_order(job, now=job.created_at, deadline=job.created_at + self._lock_patience_s)
            await self._admit(order)
        except TryLater as later:
            log.warning("job %s: its lock is asked for later: %s", job.id, later)

    async def _check_lock(self, id: JobId, terms: Terms) -> None:
        """Takes its place among the locks on their way. Raises FixTheRequest, TryLater."""
        try:
            state = await self._reader.payer(terms.payer, token=terms.token, payee=terms.payee)
        except NodeTrouble as trouble:
            raise _no_chain(trouble) from trouble
        # No waiting between the check and the place: two requests at once are two locks.
        check_lock(terms, state, self._on_their_way.beside(terms), escrow=self._reader.escrow)
        self._on_their_way.add(id, terms)

    async def _decimals_of(self, token: Address) -> int:
        try:
            return await self._decimals.of(token)
        except FixTheRequest as error:
            raise FixTheRequest(f"payment.{error.message}", field="payment.token") from None
        except NodeTrouble as trouble:
            raise _no_chain(trouble) from trouble


def _no_chain(trouble: NodeTrouble) -> TryLater:
    return TryLater(f"the chain does not answer, the payment cannot be checked: {trouble}", retry_after_s=5.0)

"""A gateway with jobs for tests of `/v1`: the real application, store and life of jobs; no chain, and no tasks.

`Cashier` is the settlement service at its simplest: fixed prices, no locks are asked for, runs are noted in the
store and end when a test says so.
"""

import itertools
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.types import ASGIApp

from api.gateway import WINDOWS, post
from headrace.api import JobServices, Limits, Services, TasksAcceptor, Topics, gateway_app
from headrace.core.errors import FixTheRequest
from headrace.core.job import Job, JobStatus
from headrace.core.ports.claim_runs import ClaimRun
from headrace.core.ports.compute import ComputeEngine
from headrace.core.ports.settling import Environment, JobWish, Price, RunAsked, SettlementStory
from headrace.core.settlement import Lock
from headrace.core.terms import JobId
from headrace.core.words import Address, BlockNumber, ChainId, OperationId, TxHash
from headrace.engine.intake import Intake
from headrace.jobs.billing import Bill, bill
from headrace.jobs.life import JobLife
from headrace.jobs.orders import lock_order
from headrace.jobs.schedule import NextRun
from headrace.jobs.starting import Payment, ResourceWish, StartRequest, new_id
from headrace.store import SqliteStore, open_store
from headrace.testing.clock import HandClock

CHAIN = ChainId(31337)
NOW = 1_700_000_000.0
TOKEN, OWNER, PAYER = Address(b"\x0c" * 20), Address(b"\x0a" * 20), Address(b"\x0e" * 20)
PAYEE, ESCROW = Address(b"\x0d" * 20), Address(b"\x0f" * 20)
DECIMALS = 6
TIMEOUT_S = 3600
PRICES = {"cpu": Fraction(1), "ram": Fraction(1, 2)}
SMALL = Environment(
    id="small",
    description="two cores",
    min_duration_s=60,
    max_duration_s=7200,
    queue_max_wait_s=600,
    free_max_duration_s=600,
    most={"cpu": Fraction(8), "ram": Fraction(31, 2)},
    prices=[Price(token=TOKEN, of=PRICES)],
)


class Cashier:
    """The Protocol `core.ports.settling.Settlement` as it is meant, without a chain."""

    def __init__(self, store: SqliteStore, life: JobLife, clock: HandClock) -> None:
        self._store, self._life, self._clock = store, life, clock
        self.chain, self.escrow, self.payee = CHAIN, ESCROW, PAYEE
        self._noise = itertools.count(1)
        self.trouble: Exception | None = None

    def environments(self) -> Sequence[Environment]:
        return [SMALL]

    async def start(self, wish: JobWish) -> Job:
        if self.trouble is not None:
            raise self.trouble
        now = self._clock.now()
        if wish.environment != SMALL.id:
            raise FixTheRequest(f"environment: {wish.environment!r} is not offered", field="environment")
        id = wish.id
        if id is None:
            id = new_id(owner=wish.owner, now=now, noise=next(self._noise).to_bytes(16, "big"))
        request = StartRequest(
            id=id,
            owner=wish.owner,
            environment=wish.environment,
            algorithm=wish.algorithm,
            max_duration_s=wish.max_duration_s or SMALL.max_duration_s,
            queue_max_wait_s=wish.queue_max_wait_s,
            metadata=wish.metadata,
            payment=self._payment(wish),
        )
        job = await self._life.start(request, now=now)
        if not job.is_free and job.lock is None:
            await self._store.add_operations([lock_order(job, now=now)])
        return job

    def _payment(self, wish: JobWish) -> Payment | None:
        if wish.payment is None:
            return None
        if wish.payment.chain != CHAIN:
            raise FixTheRequest(f"payment: chain {wish.payment.chain} is unknown", field="payment.chain_id")
        if wish.payment.token != TOKEN:
            raise FixTheRequest("payment: this token is not taken", field="payment.token")
        return Payment(
            chain=CHAIN,
            token=TOKEN,
            token_decimals=DECIMALS,
            payer=wish.payment.payer or wish.owner,
            payee=PAYEE,
            resources=tuple(
                ResourceWish(resource=name, amount=amount, price="1" if name == "cpu" else "0.5")
                for name, amount in wish.payment.resources.items()
            ),
            minimum_duration_s=SMALL.min_duration_s,
        )

    async def settle_now(self) -> RunAsked:
        begun = await self._store.begin_claim_run("asked for", now=self._clock.now())
        if begun is not None:
            return RunAsked(begun, True)
        (going_on,) = await self._store.claim_runs(limit=1)
        return RunAsked(going_on, False)

    async def runs(self, *, limit: int, before: int | None = None) -> Sequence[ClaimRun]:
        return await self._store.claim_runs(limit=limit, before=before)

    async def story(self, job: JobId) -> SettlementStory:
        found = await self._life.job(job)
        account = await self._store.account(OperationId(f"job/{job}/lock"))
        owed = bill(found) if found.terms is not None and found.result is not None else None
        return SettlementStory(
            job=found,
            history=await self._life.history(job),
            operations=[] if account is None else [account],
            owed=owed.amount if isinstance(owed, Bill) else None,
            used_ms=owed.used_ms if isinstance(owed, Bill) else None,
        )


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


@dataclass
class House:
    app: ASGIApp
    store: SqliteStore
    life: JobLife
    cashier: Cashier
    clock: HandClock
    file: Path
    next_run: list[NextRun | None] = field(default_factory=lambda: [None])

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        query: Sequence[tuple[str, object]] | Mapping[str, object] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        content = raw if raw is not None else (b"" if body is None else json.dumps(body).encode())
        given = {"content-type": "application/json"} if content and headers is None else headers
        text = urlencode(list(query.items()) if isinstance(query, Mapping) else list(query))
        return Reply(*await post(self.app, content, path=path, method=method, headers=given, query=text.encode()))

    async def get(self, path: str, **query: object) -> Any:
        reply = await self.ask("GET", path, query=query)
        assert reply.status == 200, reply
        return reply.json

    async def start(self, id: str, **changes: object) -> Any:
        reply = await self.ask("POST", "/v1/jobs", wish(id, **changes))
        assert reply.status == 201, reply
        return reply.json

    async def started_and_locked(self, id: str, *, expires_in_s: int = 7200, **changes: object) -> Any:
        await self.start(id, **changes)
        job = await self.life.job(JobId(id))
        assert job.terms is not None
        lock = Lock(
            amount=job.terms.lock_amount,
            expiry=int(self.clock.now()) + expires_in_s,
            transaction=TxHash(b"\x11" * 32),
            block=BlockNumber(9),
        )
        assert await self.store.record_lock(job.id, lock, now=self.clock.now())
        return await self.get(f"/v1/jobs/{id}")

    async def report(self, id: str, *statuses: int, each_s: float = 60.0) -> Any:
        reply = None
        for status in statuses:
            body = {"status": status, "at": self.clock.now()}
            if status in (70, 71, 41):
                body["exit_code"] = 0
            reply = await self.ask("POST", f"/v1/jobs/{id}/events", body)
            assert reply.status == 200, reply
            self.clock.advance(each_s)
        assert reply is not None
        return reply.json

    def stored(self) -> tuple[int, ...]:
        """Rows of what requests could leave behind."""
        with sqlite3.connect(f"file:{self.file}?mode=ro", uri=True) as db:
            tables = ("jobs", "job_events", "operations", "claim_runs")
            counts = tuple(db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables)
        db.close()
        return counts


@asynccontextmanager
async def open_house(
    folder: Path,
    *,
    limits: Limits | None = None,
    engine: ComputeEngine | None = None,
    without_jobs: bool = False,
) -> AsyncIterator[House]:
    clock, file = HandClock(NOW), folder / "headrace.db"
    async with open_store(file, clock=clock) as store:
        life = JobLife(store, claim_duration_timeout_s=TIMEOUT_S)
        cashier = Cashier(store, life, clock)
        next_run: list[NextRun | None] = [None]
        jobs = JobServices(book=life, settlement=cashier, engine=engine, next_run=lambda: next_run[0])

        async def lanes() -> list[Any]:
            return []

        services = Services(
            desk=None,
            intake=Intake(
                store=store, noticed=lambda count: None, backlog=lambda: 0, waiting_max=10, backlog_max=10
            ),
            acceptors={
                "tasks": TasksAcceptor(chain=CHAIN, windows=WINDOWS, respond_wait_s=60.0, threshold_percent=67)
            },
            cancel=lambda operation: store.cancel(operation, now=clock.now()),
            reader=store,
            evaluations=store,
            topics=Topics(),
            readiness=lambda: (),
            lanes=lanes,
            clock=clock,
            chain=CHAIN,
            threshold_percent=67,
            jobs=None if without_jobs else jobs,
            limits=limits or Limits(),
        )
        yield House(gateway_app(services), store, life, cashier, clock, file, next_run)


# ---- Requests that are right


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


def payment(**changes: object) -> dict[str, object]:
    fields: dict[str, object] = {
        "chain_id": CHAIN,
        "token": hexed(TOKEN),
        "payer": hexed(PAYER),
        "resources": {"cpu": "2", "ram": "0.5"},
    }
    return {key: value for key, value in (fields | changes).items() if value is not ...}


def wish(id: object = None, /, **changes: object) -> dict[str, object]:
    """A paid job of an hour: 2.25 tokens a minute, 135 tokens to lock. `...` takes a field out."""
    fields: dict[str, object] = {
        "id": id,
        "owner": hexed(OWNER),
        "environment": "small",
        "algorithm": {"command": ["true"]},
        "metadata": {"of": "me"},
        "max_duration_s": 3600,
        "payment": payment(),
    }
    return {key: value for key, value in (fields | changes).items() if value is not ...}


GOOD = (10, 20, 30, 40, 60, 71)
FREE = (10, 20, 30, 40, 60, 70)
ALL_STATUSES = sorted(int(status) for status in JobStatus)

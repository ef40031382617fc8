"""A wish for a job is refused before anything is stored, or it is stored with its lock asked for."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import pytest

from headrace.core.errors import FixTheRequest, TryLater
from headrace.core.job import JobId
from headrace.core.operation import Operation
from headrace.core.ports import Added
from headrace.core.ports.compute import ResultFile
from headrace.core.ports.settling import Environment, JobWish, PaymentWish, Price
from headrace.jobs.admitting import Admitting
from headrace.jobs.decimals import TokenDecimals
from headrace.jobs.escrow_reader import EscrowReader
from headrace.jobs.life import JobLife
from headrace.jobs.lock_checks import OnTheirWay
from headrace.jobs.offers import Offers
from headrace.store import SqliteStore, open_store
from headrace.testing.clock import HandClock
from headrace.testing.fake_node import FakeNode
from headrace.testing.node_faults import ReadFault, ScriptedFaults
from jobs.chain_told import ESCROW, Told, ToldEscrow
from jobs.making import CHAIN, NOW, PAYEE, PAYER, TIMEOUT_S, TOKEN

OFFER = Environment(
    id="small",
    description="",
    min_duration_s=60,
    max_duration_s=600,
    queue_max_wait_s=60,
    free_max_duration_s=60,
    most={"cpu": Fraction(4)},
    prices=[Price(token=TOKEN, of={"cpu": Fraction(1)})],
)
WISH = JobWish(
    owner=PAYER,
    environment="small",
    algorithm=b"good",
    id=JobId("a"),
    max_duration_s=120,
    payment=PaymentWish(chain=CHAIN, token=TOKEN, resources={"cpu": "1"}),
)
LOCK_AMOUNT = 2 * 10**6


class PickyEngine:
    """Runs what is good."""

    environment = "small"

    def __init__(self) -> None:
        self.told: list[JobId] = []

    def check(self, algorithm: bytes, *, max_duration_s: int) -> None:
        if algorithm != b"good":
            raise FixTheRequest("algorithm: is not good", field="algorithm")

    def tell(self, job: JobId) -> None:
        self.told.append(job)

    async def results(self, job: JobId) -> Sequence[ResultFile]:
        return ()

    async def result(self, job: JobId, index: int) -> tuple[ResultFile, Path]:
        raise FixTheRequest("there is none")


@dataclass
class Desk:
    store: SqliteStore
    asked: list[Operation] = field(default_factory=list)

    async def admit(self, operation: Operation) -> Added:
        self.asked.append(operation)
        return (await self.store.add_operations([operation]))[0]

    def admitting(self, node: FakeNode) -> Admitting:
        return Admitting(
            life=JobLife(self.store, claim_duration_timeout_s=TIMEOUT_S),
            store=self.store,
            offers=Offers([OFFER], chain=CHAIN, payee=PAYEE),
            reader=EscrowReader(node, escrow=ESCROW, chain=CHAIN, confirmations=1),
            decimals=TokenDecimals(node, chain=CHAIN),
            on_their_way=OnTheirWay(),
            admit=self.admit,
            engines=[PickyEngine()],
            clock=HandClock(NOW),
            lock_patience_s=300,
            claim_duration_timeout_s=TIMEOUT_S,
        )


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_store(tmp_path / "headrace.db", clock=HandClock(NOW)) as store:
        yield Desk(store)


def rich(faults: ScriptedFaults | None = None) -> FakeNode:
    return Told(ToldEscrow(available=100 * LOCK_AMOUNT)).node(faults)


async def test_a_job_is_stored_and_its_lock_asked_for(desk: Desk) -> None:
    job = await desk.admitting(rich()).start(WISH)
    assert await desk.store.job(job.id) == job
    assert [(order.id, order.kind, order.deadline) for order in desk.asked] == [("job/a/lock", "lock", NOW + 300)]


@pytest.mark.parametrize(
    ("wish", "node", "refusal"),
    [
        (replace(WISH, algorithm=b"bad"), rich, FixTheRequest),
        (replace(WISH, metadata="{" * 1025), rich, FixTheRequest),
        (replace(WISH, max_duration_s=601), rich, FixTheRequest),
        (WISH, Told(ToldEscrow(available=LOCK_AMOUNT - 1)).node, FixTheRequest),
        (WISH, lambda: rich(ScriptedFaults(read={"call": [ReadFault.TROUBLE]})), TryLater),
    ],
    ids=["algorithm", "metadata", "duration", "funds", "no node"],
)
async def test_what_is_refused_has_stored_nothing_and_asked_for_no_lock(
    desk: Desk, wish: JobWish, node: Callable[[], FakeNode], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await desk.admitting(node()).start(wish)
    assert (desk.asked, await desk.store.job(JobId("a"))) == ([], None)


async def test_a_lock_on_its_way_counts_against_what_the_payer_has(desk: Desk) -> None:
    admitting = desk.admitting(Told(ToldEscrow(available=2 * LOCK_AMOUNT - 1)).node())
    await admitting.start(WISH)
    with pytest.raises(TryLater, match="1 locks of this payer are on their way"):
        await admitting.start(replace(WISH, id=JobId("b")))
    assert len(desk.asked) == 1


async def test_a_wish_that_is_repeated_is_the_same_job_whatever_the_payer_has_by_then(desk: Desk) -> None:
    first = await desk.admitting(rich()).start(WISH)
    assert await desk.admitting(Told().node()).start(WISH) == first
    assert len(desk.asked) == 1

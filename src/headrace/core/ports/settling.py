"""What doors (REST, the command line) may ask of the settlement service, in bytes and integers.

Owns      the words of a wish for a job, of what is offered, and of a job's payment as people see it.
Leaves    hex and JSON to `api`, what is legal to `headrace.jobs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from headrace.core.job import Job, JobEvent
from headrace.core.operation import Account
from headrace.core.ports.claim_runs import ClaimRun
from headrace.core.terms import JobId
from headrace.core.words import Address, ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentWish:
    """`resources`: so much of each, as decimal texts. `payer` None: the job's owner pays. Prices, decimals, payee
    and the minimum duration are the service's to say, never a client's."""

    chain: ChainId
    token: Address
    resources: Mapping[str, str]
    payer: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWish:
    """`id` None: a new one is made. `metadata` is JSON text; `algorithm` is in the compute engine's own form.
    `max_duration_s` None: as long as the environment allows. `payment` None: a free job."""

    owner: Address
    environment: str
    algorithm: bytes
    id: JobId | None = None
    max_duration_s: int | None = None
    queue_max_wait_s: int = 0
    metadata: str | None = None
    payment: PaymentWish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """In whole tokens for one unit of a resource and one minute. A resource that is not named is free."""

    token: Address
    of: Mapping[str, Fraction]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What is offered. `most`: how much of each resource one job may have. `free_max_duration_s` None: no free
    jobs."""

    id: str
    description: str
    min_duration_s: int
    max_duration_s: int
    queue_max_wait_s: int
    free_max_duration_s: int | None
    most: Mapping[str, Fraction] = field(default_factory=dict)
    prices: Sequence[Price] = ()


@dataclass(frozen=True, slots=True)
class RunAsked:
    """`begun` False: it is the run that was going on already, and no other was begun."""

    run: ClaimRun
    begun: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementStory:
    """`operations`: all that were ever made about the job's lock (its making, every claim, release and cancel),
    oldest first. `owed` in the token's smallest unit, `used_ms` what it stands on: None before the run is over,
    or where nothing is to pay."""

    job: Job
    history: Sequence[JobEvent]
    operations: Sequence[Account]
    owed: int | None
    used_ms: int | None


class Settlement(Protocol):
    """`jobs.service.SettlementService`."""

    @property
    def chain(self) -> ChainId: ...

    @property
    def escrow(self) -> Address: ...

    @property
    def payee(self) -> Address:
        """Whom new jobs pay; older ones keep theirs."""
        ...

    def environments(self) -> Sequence[Environment]: ...

    async def start(self, wish: JobWish) -> Job:
        """The new job, or the one that this very wish made before. A paid one waits for its lock, whose operation
        is saved when this returns. Raises FixTheRequest (with `field` where one is wrong), OtherContent, TryLater
        (the chain does not answer, the intake is full), NeedsOperator."""
        ...

    async def settle_now(self) -> RunAsked:
        """Begins a claim run, and does not wait for it."""
        ...

    async def runs(self, *, limit: int, before: int | None = None) -> Sequence[ClaimRun]:
        """Newest first, those with a number below `before`."""
        ...

    async def story(self, job: JobId) -> SettlementStory:
        """Raises FixTheRequest if there is no such job."""
        ...

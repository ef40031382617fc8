"""How a job is paid for, and what claim runs did, as `/v1` shows it.

Promises  every amount twice, in the token's smallest unit and in whole tokens; what moved money names its proof.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from headrace.api.operation_form import account_form
from headrace.api.rest.job_forms import (
    AddressOut,
    AmountForm,
    HashOut,
    Seconds,
    TermsForm,
    amount_form,
    terms_form,
)
from headrace.api.rest.next_step import NextStep
from headrace.api.wire import hexed
from headrace.core.job import Job, JobEvent, JobStatus
from headrace.core.ports.claim_runs import ClaimRun
from headrace.core.ports.settling import Environment, SettlementStory
from headrace.core.settlement import (
    Canceled,
    Claimed,
    Claiming,
    Due,
    Lock,
    NeedsHelp,
    NoLock,
    Proof,
    Released,
    SettlementState,
)
from headrace.core.terms import Terms, decimal_text, minutes


class LockForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """As it was mined."""

    amount: AmountForm
    expiry: Annotated[int, Meta(description="Unix seconds; a block of that time may still claim it.")]
    transaction: HashOut
    block: int


class BillForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What the run costs, by what is known of it. `minutes` are begun ones, of no less than the minimum."""

    used_ms: int
    minutes: int
    amount: AmountForm


class ProofForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The final transaction whose own event shows it."""

    transaction: HashOut
    block: int


class MoneyForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where the lock's money went. `claimed` is before the escrow's fee."""

    claimed: AmountForm
    returned: AmountForm


class NextForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What happens next. `at` and `before` in unix seconds, null where nobody can know or nothing is due."""

    what: str
    at: float | None
    before: Annotated[float | None, Meta(description="The last moment to send a claim.")]


class HistoryForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A status that the job took, or a state of its payment. `at` is when it was so, `received_at` when we learned
    of it."""

    at: Seconds
    received_at: Seconds
    status: JobStatus | None
    status_text: str | None
    settlement: SettlementState | None
    detail: str


class SettlementForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A job's payment."""

    job: str
    status: JobStatus
    state: SettlementState
    reason: Annotated[str, Meta(description="Why it is there, where that is not plain.")]
    chain_id: int | None
    escrow: AddressOut | None
    terms: TermsForm | None
    lock: LockForm | None
    bill: Annotated[BillForm | None, Meta(description="null before the run is over, and of a free job.")]
    money: Annotated[MoneyForm | None, Meta(description="null before the payment is settled by proof.")]
    proof: ProofForm | None
    claims: Annotated[int, Meta(description="Operations made to settle it, so far.")]
    operations: Annotated[
        list[dict[str, Any]],
        Meta(description="All ever made about its lock, as headrace_getOperation reads them."),
    ]
    history: list[HistoryForm]
    next: NextForm


class ClaimRunForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`ended_at` null: it goes on. `counts` are jobs by what became of them, `troubles` what stood in the way."""

    id: int
    because: str
    began_at: Seconds
    ended_at: float | None
    counts: dict[str, int]
    troubles: list[str]


class RunAskedForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`begun` false: it is the run that was going on already, and no other was begun."""

    run: ClaimRunForm
    begun: bool


class ClaimRunsForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Newest first. `cursor` is null on the last page."""

    runs: list[ClaimRunForm]
    cursor: int | None


class PriceForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    token: AddressOut
    prices: Annotated[
        dict[str, str],
        Meta(description="In whole tokens, for one unit of a resource and one minute. What is absent is free."),
    ]


class EnvironmentForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`free_max_duration_s` null: no free jobs. `most`: how much of each resource one job may have."""

    id: str
    description: str
    min_duration_s: int
    max_duration_s: int
    queue_max_wait_s: int
    free_max_duration_s: int | None
    most: dict[str, str]
    payments: list[PriceForm]


class EnvironmentsForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is offered, and whom a payer authorises: `payee`, at `escrow`."""

    chain_id: int
    escrow: AddressOut
    payee: AddressOut
    environments: list[EnvironmentForm]


def settlement_form(story: SettlementStory, *, escrow: bytes, step: NextStep) -> SettlementForm:
    job, terms = story.job, story.job.terms
    return SettlementForm(
        job=job.id,
        status=job.status,
        state=job.settlement.state,
        reason=_reason(job),
        chain_id=None if terms is None else terms.chain,
        escrow=None if terms is None else hexed(escrow),
        terms=None if terms is None else terms_form(job, terms),
        lock=None if terms is None or job.lock is None else _lock_form(job.lock, terms),
        bill=_bill_form(story),
        money=_money_form(job),
        proof=_proof_form(job),
        claims=job.claims,
        operations=[dict(account_form(account)) for account in story.operations],
        history=[_event_form(event) for event in story.history],
        next=NextForm(what=step.what, at=step.at, before=step.before),
    )


def run_form(run: ClaimRun) -> ClaimRunForm:
    return ClaimRunForm(
        id=run.number,
        because=run.because,
        began_at=run.began_at,
        ended_at=run.ended_at,
        counts=dict(run.counts),
        troubles=list(run.troubles),
    )


def environment_form(offered: Environment) -> EnvironmentForm:
    return EnvironmentForm(
        id=offered.id,
        description=offered.description,
        min_duration_s=offered.min_duration_s,
        max_duration_s=offered.max_duration_s,
        queue_max_wait_s=offered.queue_max_wait_s,
        free_max_duration_s=offered.free_max_duration_s,
        most={resource: decimal_text(amount) for resource, amount in offered.most.items()},
        payments=[
            PriceForm(
                token=hexed(price.token),
                prices={resource: decimal_text(each) for resource, each in price.of.items()},
            )
            for price in offered.prices
        ],
    )


def _reason(job: Job) -> str:
    match job.settlement:
        case Due(reason) | NeedsHelp(reason) | NoLock(reason):
            return reason
        case Claiming(operation=operation):
            return f"operation {operation} is under way"
        case _:
            return ""


def _lock_form(lock: Lock, terms: Terms) -> LockForm:
    return LockForm(
        amount=amount_form(lock.amount, terms),
        expiry=lock.expiry,
        transaction=hexed(lock.transaction),
        block=lock.block,
    )


def _bill_form(story: SettlementStory) -> BillForm | None:
    terms = story.job.terms
    if terms is None or story.owed is None or story.used_ms is None:
        return None
    return BillForm(
        used_ms=story.used_ms,
        minutes=minutes(story.used_ms, terms.minimum_duration_s) if story.owed else 0,
        amount=amount_form(story.owed, terms),
    )


def _money_form(job: Job) -> MoneyForm | None:
    terms, lock = job.terms, job.lock
    if terms is None:
        return None
    match job.settlement:
        case Claimed(amount=amount):
            claimed = amount
        case Released() | Canceled():
            claimed = 0
        case _:
            return None
    locked = terms.lock_amount if lock is None else lock.amount
    return MoneyForm(claimed=amount_form(claimed, terms), returned=amount_form(locked - claimed, terms))


def _proof_form(job: Job) -> ProofForm | None:
    match job.settlement:
        case Claimed(proof=Proof() as proof) | Released(proof) | Canceled(proof):
            return ProofForm(transaction=hexed(proof.transaction), block=proof.block)
        case _:
            return None


def _event_form(event: JobEvent) -> HistoryForm:
    return HistoryForm(
        at=event.at,
        received_at=event.received_at,
        status=event.status,
        status_text=None if event.status is None else event.status.text,
        settlement=event.settlement,
        detail=event.detail,
    )

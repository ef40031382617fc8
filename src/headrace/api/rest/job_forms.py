"""A job as `/v1` shows it.

Promises  every key is always there; what is not known yet is null. Amounts of a token are decimal text.
"""

from fractions import Fraction
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from headrace.api.wire import hexed
from headrace.core.job import Job, JobStatus, Result, RunTimes
from headrace.core.ports.compute import ResultFile
from headrace.core.settlement import SettlementState
from headrace.core.terms import Terms, decimal_text, number_on_chain

AddressOut = Annotated[str, Meta(pattern="^0x[0-9a-f]{40}$")]
HashOut = Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$")]
UnitsText = Annotated[str, Meta(pattern="^[0-9]+$", description="Of the token's smallest unit.")]
Seconds = Annotated[float, Meta(description="Unix seconds.")]


class AmountForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An amount of a token, exactly, twice: for programs and for people."""

    units: UnitsText
    tokens: Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$", description="The same in whole tokens.")]


class RateForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    resource: str
    amount: str
    price: Annotated[str, Meta(description="In whole tokens, for one unit of it and one minute.")]


class TermsForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What holds for this job, whatever prices are later."""

    chain_id: int
    token: AddressOut
    token_decimals: int
    payer: AddressOut
    payee: AddressOut
    number_on_chain: Annotated[HashOut, Meta(description="The job's uint256 in the escrow, as 32 bytes.")]
    resources: list[RateForm]
    minimum_duration_s: int
    lock_amount: AmountForm
    lock_duration_s: int


class RunTimesForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """By the compute engine's clock, in unix seconds."""

    build_started_at: float | None
    build_ended_at: float | None
    started_at: float | None
    seen_running_at: float | None
    stopped_at: float | None


class ResultForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the run ended, whatever becomes of the payment."""

    status: JobStatus
    status_text: str
    finished: bool
    at: Seconds
    detail: str
    exit_code: int | None
    out_of_memory: bool


class JobLineForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A job, without its algorithm."""

    id: str
    owner: AddressOut
    environment: str
    status: JobStatus
    status_text: str
    status_at: Seconds
    created_at: Seconds
    max_duration_s: int
    queue_max_wait_s: int
    stop_requested_at: float | None
    free: bool
    settlement: Annotated[SettlementState, Meta(description="Where its payment is.")]
    run: RunTimesForm
    result: ResultForm | None
    metadata: Any
    terms: Annotated[TermsForm | None, Meta(description="null: it is free.")]


class JobForm(JobLineForm, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A job."""

    algorithm: Annotated[Any, Meta(description="As it was sent; 0x hex where it is no JSON.")]


class JobsForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Newest first. `cursor` is null on the last page."""

    jobs: list[JobLineForm]
    cursor: str | None


class StoppedForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    stop: Annotated[str, Meta(description="asked_now, asked_before, or over: there is nothing to stop.")]
    detail: str
    job: JobForm


class ResultFileForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    index: int
    filename: str
    type: str
    size_bytes: int
    href: str


class ResultsForm(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a run left. Empty before its results are published."""

    job: str
    results: list[ResultFileForm]


def amount_form(units: int, terms: Terms) -> AmountForm:
    return AmountForm(units=str(units), tokens=decimal_text(Fraction(units, 10**terms.token_decimals)))


def line_form(job: Job) -> JobLineForm:
    return JobLineForm(**_line(job))


def job_form(job: Job) -> JobForm:
    return JobForm(**_line(job), algorithm=_json(job.algorithm, hexed(job.algorithm)))


def results_form(job: Job, files: list[ResultFile]) -> ResultsForm:
    shown = [
        ResultFileForm(
            index=file.index,
            filename=file.filename,
            type=file.type,
            size_bytes=file.bytes_,
            href=f"/v1/jobs/{job.id}/results/{file.index}",
        )
        for file in files
    ]
    return ResultsForm(job=job.id, results=shown)


def _line(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "owner": hexed(job.owner),
        "environment": job.environment,
        "status": job.status,
        "status_text": job.status.text,
        "status_at": job.status_at,
        "created_at": job.created_at,
        "max_duration_s": job.max_duration_s,
        "queue_max_wait_s": job.queue_max_wait_s,
        "stop_requested_at": job.stop_requested_at,
        "free": job.is_free,
        "settlement": job.settlement.state,
        "run": _run_form(job.run),
        "result": None if job.result is None else _result_form(job.result),
        "metadata": None if job.metadata is None else _json(job.metadata.encode(), job.metadata),
        "terms": None if job.terms is None else terms_form(job, job.terms),
    }


def _run_form(run: RunTimes) -> RunTimesForm:
    return RunTimesForm(
        build_started_at=run.build_started_at,
        build_ended_at=run.build_ended_at,
        started_at=run.started_at,
        seen_running_at=run.seen_running_at,
        stopped_at=run.stopped_at,
    )


def _result_form(result: Result) -> ResultForm:
    return ResultForm(
        status=result.status,
        status_text=result.status.text,
        finished=result.finished,
        at=result.at,
        detail=result.detail,
        exit_code=result.exit_code,
        out_of_memory=result.out_of_memory,
    )


def terms_form(job: Job, terms: Terms) -> TermsForm:
    return TermsForm(
        chain_id=terms.chain,
        token=hexed(terms.token),
        token_decimals=terms.token_decimals,
        payer=hexed(terms.payer),
        payee=hexed(terms.payee),
        number_on_chain=f"0x{number_on_chain(job.id):064x}",
        resources=[
            RateForm(resource=r.resource, amount=decimal_text(r.amount), price=decimal_text(r.price))
            for r in terms.rates
        ],
        minimum_duration_s=terms.minimum_duration_s,
        lock_amount=amount_form(terms.lock_amount, terms),
        lock_duration_s=terms.lock_duration_s,
    )


def _json(content: bytes, otherwise: str) -> object:
    """Jobs that did not come through this door may carry what is no JSON."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return otherwise

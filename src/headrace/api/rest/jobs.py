"""Jobs over REST: start, show, list, report, stop, results.

Promises  what is answered with 201 is durable; what is refused has left nothing.
Leaves    what is legal to `jobs`, what is offered at what price to the settlement service.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from headrace.api.rest.endpoint import Answered, Asked, Download
from headrace.api.rest.job_forms import JobsForm, StoppedForm, job_form, line_form, results_form
from headrace.api.rest.problems import Malformed, Unknown
from headrace.api.rest.reading import compact
from headrace.api.rest.request_forms import (
    CURSOR,
    EmptyForm,
    EventForm,
    JobsQuery,
    NoQuery,
    PaymentWishForm,
    StartForm,
)
from headrace.api.rest.services import JobServices
from headrace.api.wire import read_address, shown
from headrace.core.errors import FixTheRequest, OtherContent
from headrace.core.job import Job
from headrace.core.ports import Clock
from headrace.core.ports.compute import ComputeEngine, Report
from headrace.core.ports.jobs import JobCursor, JobFilter
from headrace.core.ports.settling import JobWish, PaymentWish
from headrace.core.terms import JobId
from headrace.core.words import ChainId
from headrace.jobs.starting import NAME_CHARACTERS_MAX

_INDEX_DIGITS_MAX: Final = 9
_CURSOR: Final = re.compile(CURSOR)


class Jobs:
    def __init__(self, services: JobServices, clock: Clock) -> None:
        self._services, self._clock = services, clock
        self._book, self._engine = services.book, services.engine

    async def start(self, asked: Asked[NoQuery, StartForm]) -> Answered:
        """201 also where the same request made it before: it is the same answer."""
        job = await self._services.settlement.start(_wish(asked.body))
        return Answered(form=job_form(job), status=201, location=f"/v1/jobs/{job.id}")

    async def show(self, asked: Asked[NoQuery, None]) -> Answered:
        return Answered(form=job_form(await self.named(asked.path)))

    async def list(self, asked: Asked[JobsQuery, None]) -> Answered:
        query = asked.query
        _check_names(query.environment)
        filter = JobFilter(
            statuses=frozenset(query.status),
            environments=frozenset(query.environment),
            owners=frozenset(read_address(owner, "owner") for owner in query.owner),
            created_from=query.created_from,
        )
        cursor = None if query.cursor is None else JobCursor(_cursor(query.cursor))
        page, following = await self._book.jobs(filter, limit=query.limit, cursor=cursor)
        return Answered(form=JobsForm(jobs=[line_form(job) for job in page], cursor=following))

    async def report(self, asked: Asked[NoQuery, EventForm]) -> Answered:
        job, event = await self.named(asked.path), asked.body
        if self._own_engine_of(job) is not None:
            raise OtherContent(
                f"job {job.id} is run by this gateway's own compute engine, environment {job.environment}: nobody "
                "else reports about it",
                job=job.id,
            )
        report = Report(
            job=job.id,
            status=event.status,
            at=event.at,
            detail=event.detail or "",
            exit_code=event.exit_code,
            out_of_memory=bool(event.out_of_memory),
        )
        return Answered(form=job_form(await self._book.report(report, now=self._clock.now())))

    async def stop(self, asked: Asked[NoQuery, EmptyForm]) -> Answered:
        job = await self.named(asked.path)
        stop = await self._book.request_stop(job.id, now=self._clock.now())
        if (engine := self._own_engine_of(job)) is not None:
            engine.tell(job.id)
        now = await self._book.job(job.id)
        return Answered(form=StoppedForm(stop=stop.name.lower(), detail=stop.value, job=job_form(now)), status=202)

    async def results(self, asked: Asked[NoQuery, None]) -> Answered:
        job = await self.named(asked.path)
        engine = self._archive_of(job)
        return Answered(form=results_form(job, list(await engine.results(job.id))))

    async def result(self, asked: Asked[NoQuery, None]) -> Download:
        job = await self.named(asked.path)
        engine, text = self._archive_of(job), asked.path["index"]
        if not (text.isascii() and text.isdecimal() and len(text) <= _INDEX_DIGITS_MAX):
            raise Unknown(f"job {job.id} has no result {shown(text)}: an index is a number", field="index")
        try:
            result, file = await engine.result(job.id, int(text))
        except FixTheRequest as none:
            raise Unknown(none.message, field="index") from None
        return Download(file, result.filename)

    async def named(self, path: Mapping[str, str]) -> Job:
        """The job of the path. Raises Unknown."""
        try:
            return await self._book.job(JobId(path["id"]))
        except FixTheRequest as none:
            raise Unknown(none.message) from None

    def _own_engine_of(self, job: Job) -> ComputeEngine | None:
        engine = self._engine
        return engine if engine is not None and engine.environment == job.environment else None

    def _archive_of(self, job: Job) -> ComputeEngine:
        engine = self._own_engine_of(job)
        if engine is None:
            raise Unknown(
                f"the results of job {job.id} are not here: environment {job.environment} is of a compute engine "
                "elsewhere, which keeps them"
            )
        return engine


def _wish(form: StartForm) -> JobWish:
    return JobWish(
        owner=read_address(form.owner, "owner"),
        environment=form.environment,
        algorithm=compact(form.algorithm).encode(),
        id=None if form.id is None else JobId(form.id),
        max_duration_s=form.max_duration_s,
        queue_max_wait_s=form.queue_max_wait_s or 0,
        metadata=None if form.metadata is None else compact(form.metadata),
        payment=None if form.payment is None else _payment(form.payment),
    )


def _payment(form: PaymentWishForm) -> PaymentWish:
    return PaymentWish(
        chain=ChainId(form.chain_id),
        token=read_address(form.token, "payment.token"),
        # In one order: which one a client wrote them in is no other content.
        resources=dict(sorted(form.resources.items())),
        payer=None if form.payer is None else read_address(form.payer, "payment.payer"),
    )


def _cursor(text: str) -> str:
    if not _CURSOR.fullmatch(text):
        raise Malformed(f"cursor: {shown(text)} is none that an earlier page ended with", field="cursor")
    return text


def _check_names(environments: Sequence[str]) -> None:
    for name in environments:
        if not 1 <= len(name) <= NAME_CHARACTERS_MAX:
            raise Malformed(
                f"environment: {shown(name)} is no name: 1 to {NAME_CHARACTERS_MAX} characters",
                field="environment",
            )

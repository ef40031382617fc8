"""Settlement over REST: a job's payment, claim runs, what is offered."""

from headrace.api.rest.endpoint import Answered, Asked
from headrace.api.rest.jobs import Jobs
from headrace.api.rest.next_step import next_step
from headrace.api.rest.request_forms import EmptyForm, NoQuery, RunsQuery
from headrace.api.rest.services import JobServices
from headrace.api.rest.settlement_forms import (
    ClaimRunsForm,
    EnvironmentsForm,
    RunAskedForm,
    environment_form,
    run_form,
    settlement_form,
)
from headrace.api.wire import hexed
from headrace.core.ports import Clock


class SettlementDoor:
    def __init__(self, services: JobServices, jobs: Jobs, clock: Clock) -> None:
        self._services, self._settlement, self._jobs, self._clock = services, services.settlement, jobs, clock

    async def story(self, asked: Asked[NoQuery, None]) -> Answered:
        job = await self._jobs.named(asked.path)
        story = await self._settlement.story(job.id)
        step = next_step(
            story.job, run=self._services.next_run(), policy=self._services.policy, now=self._clock.now()
        )
        return Answered(form=settlement_form(story, escrow=self._settlement.escrow, step=step))

    async def settle_now(self, asked: Asked[NoQuery, EmptyForm]) -> Answered:
        """Does not wait for the run."""
        ran = await self._settlement.settle_now()
        return Answered(form=RunAskedForm(run=run_form(ran.run), begun=ran.begun), status=202)

    async def runs(self, asked: Asked[RunsQuery, None]) -> Answered:
        limit, before = asked.query.limit, asked.query.cursor
        # One more tells whether there is another page.
        found = await self._settlement.runs(limit=limit + 1, before=before)
        page = found[:limit]
        cursor = page[-1].number if len(found) > limit else None
        return Answered(form=ClaimRunsForm(runs=[run_form(run) for run in page], cursor=cursor))

    async def environments(self, asked: Asked[NoQuery, None]) -> Answered:
        offered = [environment_form(each) for each in self._settlement.environments()]
        form = EnvironmentsForm(
            chain_id=self._settlement.chain,
            escrow=hexed(self._settlement.escrow),
            payee=hexed(self._settlement.payee),
            environments=offered,
        )
        return Answered(form=form)

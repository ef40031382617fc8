"""What a person decides about a job's payment (`api.rest.services.JobsByHand`): in a running gateway, and at rest.

Leaves    which payments a person may decide to `jobs.life`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from headrace.app.lanes_at_rest import lanes_at_rest
from headrace.app.settings import Settings
from headrace.core.job import Job, JobId
from headrace.core.ports import Clock
from headrace.jobs.life import JobLife


class JobOffice:
    def __init__(self, life: JobLife, clock: Clock) -> None:
        self._life, self._clock = life, clock

    async def retry(self, job: JobId) -> Job:
        return await self._life.try_again(job, now=self._clock.now())

    async def give_up(self, job: JobId, reason: str) -> Job:
        return await self._life.give_up(job, reason, now=self._clock.now())


@asynccontextmanager
async def jobs_at_rest(settings: Settings) -> AsyncIterator[JobOffice]:
    """While no gateway runs, on the store itself. Raises NeedsOperator where there is no store, or somebody has it
    open."""
    async with lanes_at_rest(settings) as at_rest:
        life = JobLife(at_rest.store, claim_duration_timeout_s=settings.settlement.claim_duration_timeout_s)
        yield JobOffice(life, at_rest.clock)

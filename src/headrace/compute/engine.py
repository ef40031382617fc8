"""Which job runs when, on this machine: an engine of ours behind `core.ports.compute`.

Owns      the places, the queue in front of them, and finding again what was under way when the gateway ended.
Promises  a job is begun when it is free or its lock is mined, oldest first; so many at once and no more; who waits
          too long or is stopped before is told so; nothing is only in memory.
Leaves    a run to `run`. Jobs of other environments are nobody's business here.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.compute.algorithm import read_algorithm
from headrace.compute.run import Means, Run
from headrace.compute.sandbox import PLACES_MAX
from headrace.core.errors import FixTheRequest, NeedsOperator, TryLater
from headrace.core.job import Job, JobStatus
from headrace.core.ports.compute import Report, ResultFile
from headrace.core.ports.jobs import JobFilter
from headrace.core.terms import JobId

log = logging.getLogger(__name__)

UNDER_WAY: Final = (
    JobStatus.CONFIGURING_VOLUMES,
    JobStatus.PROVISIONING,
    JobStatus.RUNNING_ALGORITHM,
    JobStatus.PUBLISHING_RESULTS,
)
NOT_BEGUN: Final = (JobStatus.JOB_STARTED, JobStatus.JOB_QUEUED)
_PAGE: Final = 100  # each may carry an algorithm of 256 KiB
_TOLD_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Waiting:
    """`until`: it is queued up to this moment; None: its status does not say that it is queued yet."""

    created_at: float
    until: float | None


class LocalEngine:
    """Implements core.ports.compute.ComputeEngine. `trouble`: why nothing can be run here; None: all is well."""

    def __init__(
        self,
        means: Means,
        *,
        environment: str,
        trouble: str | None = None,
        jobs_at_once: int = 2,
        waiting_max: int = 1000,
        sweep_every_s: float = 30.0,
    ) -> None:
        assert 1 <= jobs_at_once <= PLACES_MAX, jobs_at_once
        self._means = means
        self._environment = environment
        self._trouble = trouble
        self._free_places = list(reversed(range(jobs_at_once)))
        self._places = jobs_at_once
        self._waiting_max = waiting_max
        self._sweep_every_s = sweep_every_s
        self._waiting: dict[JobId, _Waiting] = {}
        self._running: dict[JobId, Run] = {}
        self._told: set[JobId] = set()
        self._woken = asyncio.Event()
        self._sweep_at = float("-inf")

    @property
    def environment(self) -> str:
        return self._environment

    def check(self, algorithm: bytes, *, max_duration_s: int) -> None:
        if self._trouble is not None:
            raise NeedsOperator(f"no job can be started here: {self._trouble}")
        read_algorithm(algorithm, max_duration_s=max_duration_s, ceiling=self._means.ceiling)
        if len(self._waiting) >= self._waiting_max:
            raise TryLater(f"{len(self._waiting)} jobs wait for a place already", retry_after_s=5.0)

    def tell(self, job: JobId) -> None:
        if len(self._told) < _TOLD_MAX:
            self._told.add(job)
        else:
            self._sweep_at = float("-inf")
        self._woken.set()

    async def results(self, job: JobId) -> Sequence[ResultFile]:
        return await asyncio.to_thread(self._means.shelf.results, job)

    async def result(self, job: JobId, index: int) -> tuple[ResultFile, Path]:
        return await asyncio.to_thread(self._means.shelf.result, job, index)

    async def run(self) -> None:
        """Until it is cancelled. What runs then is ended, and begun again at the next start."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._woken.clear()
                await self._look_around()
                await self._serve_queue(tasks)
                await self._rest()

    async def _look_around(self) -> None:
        now = self._means.clock.now()
        if now >= self._sweep_at:
            self._told.clear()
            self._sweep_at = now + self._sweep_every_s
            wanted = JobFilter(statuses=(*NOT_BEGUN, *UNDER_WAY), environments=(self._environment,))
            cursor = None
            while True:
                jobs, cursor = await self._means.desk.jobs(wanted, limit=_PAGE, cursor=cursor)
                for job in jobs:
                    await self._see(job)
                if cursor is None:
                    break
        while self._told:
            if (told := await self._read(self._told.pop())) is not None:
                await self._see(told)

    async def _see(self, job: Job) -> None:
        """Where this job belongs now."""
        if job.environment != self._environment:
            return
        running = self._running.get(job.id)
        if running is not None:
            if job.stop_requested_at is not None:
                running.stop.set()
            return
        self._waiting.pop(job.id, None)
        if job.status in UNDER_WAY:
            self._waiting[job.id] = _Waiting(job.created_at, None)
        elif job.status in NOT_BEGUN:
            if job.stop_requested_at is not None:
                await self._report(job.id, JobStatus.JOB_QUEUED_EXPIRED, "stopped before it began")
            elif job.is_free or job.lock is not None:
                queued = job.status is JobStatus.JOB_QUEUED
                until = job.status_at + job.queue_max_wait_s if queued else None
                self._waiting[job.id] = _Waiting(job.created_at, until)

    async def _serve_queue(self, tasks: asyncio.TaskGroup) -> None:
        for id in sorted(self._waiting, key=lambda job: (self._waiting[job].created_at, job)):
            waiting = self._waiting[id]
            now = self._means.clock.now()
            if waiting.until is not None and now >= waiting.until:
                await self._expire(id)
            elif self._free_places and self._trouble is None:
                await self._begin(id, tasks)
            elif waiting.until is None:
                await self._queue(id)

    async def _begin(self, id: JobId, tasks: asyncio.TaskGroup) -> None:
        self._waiting.pop(id)
        job = await self._read(id)
        if job is None or job.status not in (*NOT_BEGUN, *UNDER_WAY):
            return
        if job.status in NOT_BEGUN and job.stop_requested_at is not None:
            await self._see(job)
            return
        place = self._free_places.pop()
        run = self._running[id] = Run(self._means, job, place)
        if job.stop_requested_at is not None:
            run.stop.set()
        tasks.create_task(self._carry_out(id, run, place), name=f"job {id}")

    async def _carry_out(self, id: JobId, run: Run, place: int) -> None:
        try:
            await run.carry_out()
        finally:
            del self._running[id]
            self._free_places.append(place)
            self._woken.set()

    async def _queue(self, id: JobId) -> None:
        """There is no place for it now."""
        job = await self._read(id)
        if job is None or job.status is not JobStatus.JOB_STARTED:
            return  # one that was under way keeps its status, however long it waits
        if job.queue_max_wait_s == 0:
            await self._expire(id)
            return
        queued = await self._report(id, JobStatus.JOB_QUEUED)
        if queued is not None:
            self._waiting[id] = _Waiting(job.created_at, queued.status_at + job.queue_max_wait_s)

    async def _expire(self, id: JobId) -> None:
        del self._waiting[id]
        why = self._trouble or f"all {self._places} places were taken for as long as it may wait"
        await self._report(id, JobStatus.JOB_QUEUED_EXPIRED, why)

    async def _read(self, id: JobId) -> Job | None:
        with contextlib.suppress(FixTheRequest):
            return await self._means.desk.job(id)
        return None

    async def _report(self, id: JobId, status: JobStatus, detail: str = "") -> Job | None:
        """None: it was not taken; the next sweep sees why."""
        now = self._means.clock.now()
        try:
            return await self._means.desk.report(Report(job=id, status=status, at=now, detail=detail), now=now)
        except (FixTheRequest, TryLater, NeedsOperator) as error:
            log.warning("job %s: %s is not taken: %s", id, status, error)
            return None

    async def _rest(self) -> None:
        clock = self._means.clock
        ends = [waiting.until for waiting in self._waiting.values() if waiting.until is not None]
        pause = asyncio.create_task(clock.sleep(max(0.0, min([self._sweep_at, *ends]) - clock.now())))
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait({pause, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            woken.cancel()

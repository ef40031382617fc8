"""An engine with all that is real: a store, jobs, bubblewrap, subprocesses."""

import asyncio
import contextlib
import json
import tarfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.app.clock import SystemClock
from headrace.compute.engine import LocalEngine
from headrace.compute.run import Means
from headrace.compute.sandbox import Bubblewrap, Confinement, Python, find_bubblewrap
from headrace.compute.shelf import Shelf
from headrace.core.job import RUN_OVER, Job, JobId, JobStatus
from headrace.core.ports.compute import Report
from headrace.core.ports.jobs import JobCursor, JobFilter
from headrace.core.ports.time import Clock
from headrace.jobs.life import JobLife
from headrace.jobs.starting import StartRequest
from headrace.store import SqliteStore, open_store
from jobs.making import PAYER, TIMEOUT_S, lock_of, payment

ENVIRONMENT = "here"
PATIENCE_S = 120.0  # for a machine that is shared with others; a test that has to wait so long has failed


def real_bubblewrap() -> Bubblewrap:
    program = find_bubblewrap(None)
    assert program is not None, "there is no bubblewrap: `make .tools/.bubblewrap` fetches it"
    return Bubblewrap(program)


def commands() -> dict[str, str]:
    """Of all processes of this machine, by their numbers."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found[file.parent.name] = file.read_text(errors="replace")
    return found


class Desk:
    """JobLife, and everybody can wait for what is reported there."""

    def __init__(self, life: JobLife) -> None:
        self._life = life
        self.reports: list[Report] = []
        self._news = asyncio.Condition()

    async def job(self, job: JobId) -> Job:
        return await self._life.job(job)

    async def jobs(
        self, filter: JobFilter, *, limit: int, cursor: JobCursor | None = None
    ) -> tuple[Sequence[Job], JobCursor | None]:
        return await self._life.jobs(filter, limit=limit, cursor=cursor)

    async def report(self, report: Report, *, now: float) -> Job:
        job = await self._life.report(report, now=now)
        async with self._news:
            self.reports.append(report)
            self._news.notify_all()
        return job

    async def reported(self, job: str, *statuses: JobStatus, times: int = 1) -> Report:
        """The last of so many."""

        def found() -> list[Report]:
            return [r for r in self.reports if r.job == job and r.status in statuses]

        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: len(found()) >= times)
        return found()[-1]

    def statuses(self, job: str) -> list[int]:
        """As reported, without saying one twice in a row."""
        numbers = [int(r.status) for r in self.reports if r.job == job]
        return [n for i, n in enumerate(numbers) if i == 0 or numbers[i - 1] != n]


class House:
    def __init__(self, store: SqliteStore, folder: Path, clock: Clock, confinement: Confinement | None) -> None:
        self.store, self.clock = store, clock
        self.life = JobLife(store, claim_duration_timeout_s=TIMEOUT_S)
        self.desk = Desk(self.life)
        self.shelf = Shelf(folder / "results")
        self.means = Means(
            desk=self.desk,
            clock=clock,
            shelf=self.shelf,
            confinement=confinement or real_bubblewrap(),
            python=Python.own(),
            look_every_s=0.05,
            seen_every_s=0.1,
        )
        self.engine = self.new_engine()

    def new_engine(self, **more: Any) -> LocalEngine:
        self.engine = LocalEngine(self.means, environment=ENVIRONMENT, **more)
        return self.engine

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[LocalEngine]:
        """Ends as a gateway that is stopped."""
        task = asyncio.create_task(self.engine.run())
        try:
            yield self.engine
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def start(
        self, id: str, algorithm: dict[str, Any], *, paid: bool = False, locked: bool = True, **more: Any
    ) -> JobId:
        request = StartRequest(
            id=JobId(id),
            owner=PAYER,
            algorithm=json.dumps(algorithm).encode(),
            payment=payment() if paid else None,
            **({"environment": ENVIRONMENT, "max_duration_s": 300, "queue_max_wait_s": 3600} | more),
        )
        job = await self.life.start(request, now=self.clock.now())
        if paid and locked:
            await self.lock(job.id)
        self.engine.tell(job.id)
        return job.id

    async def lock(self, id: JobId) -> None:
        job = await self.life.job(id)
        await self.store.record_lock(id, lock_of(job, expiry=int(self.clock.now()) + 9_000), now=self.clock.now())
        self.engine.tell(id)

    async def over(self, id: JobId) -> Job:
        await self.desk.reported(id, *RUN_OVER)
        return await self.life.job(id)

    async def run_one(self, algorithm: dict[str, Any], id: str = "a", **more: Any) -> Job:
        async with self.running():
            return await self.over(await self.start(id, algorithm, **more))

    def log(self, id: str = "a") -> str:
        return self._file(id, "algorithm.log").read_text(errors="replace")

    def printed(self, id: str = "a") -> Any:
        """The last line of the log, which is JSON."""
        return json.loads(self.log(id).strip().splitlines()[-1])

    def outputs(self, id: str = "a") -> dict[str, bytes | None]:
        """Name and content of everything in the archive; None: a folder."""
        with tarfile.open(self._file(id, "outputs.tar")) as tar:
            contents: dict[str, bytes | None] = {}
            for entry in tar:
                assert entry.isdir() or entry.isreg(), entry.name
                file = tar.extractfile(entry)
                contents[entry.name] = None if file is None else file.read()
            return contents

    def _file(self, id: str, name: str) -> Path:
        found = next(r for r in self.shelf.results(JobId(id)) if r.filename == name)
        return self.shelf.result(JobId(id), found.index)[1]

    def with_means(self, **more: Any) -> None:
        self.means = replace(self.means, **more)
        self.new_engine()


@contextlib.asynccontextmanager
async def open_house(
    folder: Path, *, clock: Clock | None = None, confinement: Confinement | None = None
) -> AsyncIterator[House]:
    clock = clock or SystemClock()
    async with open_store(folder / "headrace.db", clock=clock) as store:
        yield House(store, folder, clock, confinement)

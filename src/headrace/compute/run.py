"""One job's way through this engine: set up, let go, watched, stopped, published; each step reported first.

Owns      the order of steps, and what is too much.
Promises  the report of a step is saved before the step is taken; what ended is on disk before it is told; a run
          that we lose sight of is not billed beyond the last moment at which it was seen.
Leaves    when a job may begin to `engine`, what a report means to jobs.
"""

import asyncio
import contextlib
import logging
import os
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, assert_never

from headrace.compute.algorithm import Algorithm, Ceiling, Limits, read_algorithm
from headrace.compute.archive import ENTRIES_MAX, TooLarge, write_archive
from headrace.compute.cell import CannotSetUp, Cell, NoProgram
from headrace.compute.gauge import Use
from headrace.compute.joblog import JobLog
from headrace.compute.opening import open_cell
from headrace.compute.sandbox import Confinement, Python
from headrace.compute.shelf import LOG, OUTPUTS, PUBLISH_LOG, Outcome, Shelf
from headrace.core.errors import FixTheRequest, NeedsOperator, TryLater
from headrace.core.job import NEXT, Job, JobStatus
from headrace.core.ports.compute import JobDesk, Report
from headrace.core.ports.time import Clock

log = logging.getLogger(__name__)

RUNS_MAX: Final = 3  # of one job: each but the last was cut off by an end of the gateway itself
_MB: Final = 1 << 20
_DETAIL_CHARACTERS_MAX: Final = 900
_SAY_AGAIN_S: Final = 2.0
_SIGKILL_CODE: Final = 137


class Dropped(Exception):
    """Somebody else ended this job, or it is not where we thought: nothing more is done about it."""


class Cut(Enum):
    """Why a run was ended from outside."""

    TIME_UP = "time_up"
    STOPPED = "stopped"
    DISK_FULL = "disk_full"
    OUT_OF_MEMORY = "out_of_memory"
    TOO_MANY_PROCESSES = "too_many_processes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every run needs. `look_every_s`: at what a job uses; `seen_every_s`: it is reported to be running."""

    desk: JobDesk
    clock: Clock
    shelf: Shelf
    confinement: Confinement
    python: Python
    ceiling: Ceiling = field(default_factory=Ceiling)
    look_every_s: float = 0.25
    seen_every_s: float = 5.0


class Run:
    """`place` is its own while it runs."""

    def __init__(self, means: Means, job: Job, place: int) -> None:
        self._means = means
        self._job = job
        self._place = place
        self.stop = asyncio.Event()

    async def carry_out(self) -> None:
        """From where the job is to the end of its run."""
        try:
            await self._carry_out()
        except Dropped as dropped:
            log.warning("job %s is dropped: %s", self._job.id, dropped)

    async def _carry_out(self) -> None:
        # Only of a run that was begun: under the same id there may be results of a store that is no more.
        begun = self._job.status in (JobStatus.RUNNING_ALGORITHM, JobStatus.PUBLISHING_RESULTS)
        outcome = self._means.shelf.outcome(self._job.id) if begun else None
        if outcome is None and self._job.status is JobStatus.PUBLISHING_RESULTS:
            await self._say(JobStatus.RESULTS_UPLOAD_FAILED, "what it left was lost")
            return
        if outcome is None:
            outcome = await self._run_it()
        if outcome is not None:
            await self._publish(outcome)

    async def _run_it(self) -> Outcome | None:
        means, job = self._means, self._job
        if job.status is JobStatus.RUNNING_ALGORITHM:
            await self._say(JobStatus.CONFIGURING_VOLUMES, "the gateway ended while it ran: from the start again")
        elif job.status is not JobStatus.PROVISIONING:
            await self._say(JobStatus.CONFIGURING_VOLUMES)
        if await asyncio.to_thread(means.shelf.begin, job.id) > RUNS_MAX:
            await self._fail(JobStatus.CONTAINER_CREATION_FAILED, f"the gateway ended in {RUNS_MAX} runs of it")
            return None
        try:
            algorithm = read_algorithm(job.algorithm, max_duration_s=job.max_duration_s, ceiling=means.ceiling)
        except FixTheRequest as error:
            await self._fail(JobStatus.ALGORITHM_PROVISIONING_FAILED, error.message)
            return None
        try:
            printed = JobLog(means.shelf.work_folder(job.id) / LOG, bytes_max=algorithm.limits.output_mb * _MB)
        except OSError as error:
            await self._fail(JobStatus.VOLUME_CREATION_FAILED, f"its log cannot be written: {error}")
            return None
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(printed.close)
            opening = open_cell(algorithm, means.confinement, place=self._place, python=means.python, log=printed)
            try:
                cell = await stack.enter_async_context(opening)
            except NoProgram as error:
                await self._fail(JobStatus.ALGORITHM_PROVISIONING_FAILED, str(error))
                return None
            except (CannotSetUp, OSError) as error:
                await self._fail(JobStatus.CONTAINER_CREATION_FAILED, f"no sandbox: {error}")
                return None
            return await self._in(cell, algorithm, printed)

    async def _in(self, cell: Cell, algorithm: Algorithm, printed: JobLog) -> Outcome:
        clock = self._means.clock
        if self._job.status is JobStatus.CONFIGURING_VOLUMES:
            await self._say(JobStatus.PROVISIONING)
        await self._say(JobStatus.RUNNING_ALGORITHM)
        cut, trouble = None, ""
        try:
            await cell.go()
            cut = await self._watch(cell, algorithm.limits, started_at=clock.now())
        except NoProgram as error:
            trouble = str(error)
        code = await cell.ended()
        # Full at its end, though nobody looked while it filled up.
        if cut is None and _over_disk(cell.use(), algorithm.limits):
            cut = Cut.DISK_FULL
        printed.close()
        outcome = _outcome(cut, code, clock.now(), self._job, algorithm.limits)
        if trouble:
            outcome = replace(outcome, status=JobStatus.ALGORITHM_FAILED, detail=trouble)
        return await asyncio.to_thread(self._stage, outcome, os.dup(cell.outputs), algorithm.limits)

    async def _watch(self, cell: Cell, limits: Limits, *, started_at: float) -> Cut | None:
        """Until it ends (None), or is ended."""
        clock = self._means.clock
        deadline = started_at + self._job.max_duration_s
        seen_at = started_at
        ended = asyncio.create_task(cell.ended())
        stop = asyncio.create_task(self.stop.wait(), name="stop of a job")
        try:
            while True:
                pause = max(0.0, min(self._means.look_every_s, deadline - clock.now()))
                tick = asyncio.create_task(clock.sleep(pause), name="look at a job")
                await asyncio.wait({ended, stop, tick}, return_when=asyncio.FIRST_COMPLETED)
                tick.cancel()
                if ended.done():
                    return None
                cut = Cut.STOPPED if stop.done() else None
                if cut is None and clock.now() >= deadline:
                    cut = Cut.TIME_UP
                if cut is None:
                    cut = await asyncio.to_thread(_too_much, cell, limits)
                if cut is not None:
                    cell.kill()
                    return cut
                if clock.now() >= seen_at + self._means.seen_every_s:
                    seen_at = clock.now()
                    await self._say_once(JobStatus.RUNNING_ALGORITHM, at=seen_at)
        finally:
            ended.cancel()
            stop.cancel()

    def _stage(self, outcome: Outcome, outputs: int, limits: Limits) -> Outcome:
        """In a thread: an archive takes its time. The descriptor is closed."""
        shelf, job = self._means.shelf, self._job.id
        folder = shelf.work_folder(job)
        try:
            # Outputs of a job that wrote too much are what is too much.
            if outcome.status is not JobStatus.DISK_QUOTA_EXCEEDED:
                archived = write_archive(outputs, folder / OUTPUTS, bytes_max=limits.disk_mb * _MB)
                if archived.left_out_count:
                    lines = [f"{archived.left_out_count} left out of {OUTPUTS}:", *archived.left_out]
                    (folder / PUBLISH_LOG).write_text("\n".join(lines) + "\n")
        except (TooLarge, OSError) as error:
            (folder / OUTPUTS).unlink(missing_ok=True)
            outcome = replace(outcome, trouble=f"its outputs cannot be kept: {error}")
        finally:
            os.close(outputs)
        try:
            shelf.stage(job, outcome)
        except OSError as error:
            outcome = replace(outcome, trouble=f"its results cannot be kept: {error}")
        return outcome

    async def _publish(self, outcome: Outcome) -> None:
        if outcome.status is JobStatus.PUBLISHING_RESULTS and self._job.status is JobStatus.RUNNING_ALGORITHM:
            await self._say(JobStatus.PUBLISHING_RESULTS, at=outcome.stopped_at)
        trouble = outcome.trouble
        try:
            await asyncio.to_thread(self._means.shelf.publish, self._job.id)
        except OSError as error:
            trouble = trouble or f"its results cannot be kept: {error}"
        end, at = outcome.status, outcome.stopped_at
        if end is JobStatus.PUBLISHING_RESULTS:
            at = self._means.clock.now()
            end = JobStatus.JOB_FINISHED if self._job.is_free else JobStatus.JOB_SETTLE
            if trouble:
                end = JobStatus.RESULTS_UPLOAD_FAILED
        detail = "; ".join(part for part in (outcome.detail, trouble) if part)
        await self._say(end, detail, at=at, exit_code=outcome.exit_code, out_of_memory=outcome.out_of_memory)

    async def _fail(self, status: JobStatus, detail: str) -> None:
        """Before the algorithm ran: nothing is billed. From where the job is, by the map."""
        if status is JobStatus.ALGORITHM_PROVISIONING_FAILED and self._job.status is JobStatus.CONFIGURING_VOLUMES:
            await self._say(JobStatus.PROVISIONING)
        if status not in NEXT[self._job.status]:
            status = JobStatus.DATA_PROVISIONING_FAILED
        await self._say(status, detail)
        self._means.shelf.forget_run(self._job.id)

    async def _say(self, status: JobStatus, detail: str = "", *, at: float | None = None, **more: Any) -> None:
        """Until it is saved: nothing goes on before. Raises Dropped."""
        at = self._means.clock.now() if at is None else at
        while not await self._say_once(status, detail, at=at, **more):
            await self._means.clock.sleep(_SAY_AGAIN_S)

    async def _say_once(self, status: JobStatus, detail: str = "", *, at: float, **more: Any) -> bool:
        """False: the store does not take it now. Raises Dropped."""
        report = Report(job=self._job.id, status=status, at=at, detail=detail[:_DETAIL_CHARACTERS_MAX], **more)
        try:
            job = await self._means.desk.report(report, now=self._means.clock.now())
        except (TryLater, NeedsOperator) as error:
            log.warning("job %s: %s is not saved yet: %s", self._job.id, status, error)
            return False
        except FixTheRequest as error:
            raise Dropped(error.message) from None
        self._job = job
        if job.stop_requested_at is not None:
            self.stop.set()
        if job.status is not status:
            raise Dropped(f"{status} was reported, and it is in {job.status}")
        return True


def _too_much(cell: Cell, limits: Limits) -> Cut | None:
    use, memory_bytes = cell.use(), limits.memory_mb * _MB
    if use.memory_bytes > memory_bytes and cell.fair_bytes() > memory_bytes:
        return Cut.OUT_OF_MEMORY
    if _over_disk(use, limits):
        return Cut.DISK_FULL
    # The launcher's limit holds before; this is for where there is none.
    return Cut.TOO_MANY_PROCESSES if use.processes > limits.processes else None


def _over_disk(use: Use, limits: Limits) -> bool:
    return use.disk_bytes > limits.disk_mb * _MB or use.entries > ENTRIES_MAX


def _outcome(cut: Cut | None, code: int, stopped_at: float, job: Job, limits: Limits) -> Outcome:
    status, detail = JobStatus.PUBLISHING_RESULTS, f"exit code {code}" if code else ""
    match cut:
        case None:
            pass
        case Cut.TIME_UP:
            detail = f"stopped at its limit of {job.max_duration_s} s"
        case Cut.STOPPED:
            detail = "stopped on request"
        case Cut.DISK_FULL:
            status = JobStatus.DISK_QUOTA_EXCEEDED
            detail = f"it wrote more than {limits.disk_mb} MB, or {ENTRIES_MAX} files"
        case Cut.OUT_OF_MEMORY:
            detail = f"stopped: it used more than {limits.memory_mb} MB of memory"
        case Cut.TOO_MANY_PROCESSES:
            detail = f"stopped: it had more than {limits.processes} processes"
        case _:
            assert_never(cut)
    return Outcome(
        status=status,
        stopped_at=stopped_at,
        exit_code=code if cut is None or cut is Cut.DISK_FULL else _SIGKILL_CODE,
        out_of_memory=cut is Cut.OUT_OF_MEMORY,
        detail=detail,
    )

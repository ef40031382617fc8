"""A gateway that is killed: nothing of a job outlives it, and at the next start each job goes on by its status."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compute.house import PATIENCE_S, House, commands, open_house
from headrace.compute.cell import readable
from headrace.compute.sandbox import NoWalls
from headrace.compute.shelf import LOG, Outcome
from headrace.core.job import JobId, JobStatus
from headrace.core.ports.compute import Report
from headrace.jobs.billing import Bill, bill

A = JobId("a")

# What is killed: a gateway's part with an engine over the store of the test, and one job that never ends.
DOOMED = """
import asyncio, sys
from pathlib import Path
from compute.house import open_house
from headrace.compute.sandbox import NoWalls
from headrace.core.job import JobStatus
async def main():
    confinement = NoWalls() if sys.argv[2] == "none" else None
    async with open_house(Path(sys.argv[1]), confinement=confinement) as house, house.running():
        command = ["python3", "-c", "import time; time.sleep(3600)", sys.argv[3]]
        await house.start("a", {"command": command}, paid=True)
        await house.desk.reported("a", JobStatus.RUNNING_ALGORITHM, times=3)
        print("runs", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@contextlib.contextmanager
def gateway(folder: Path, mark: str, walls: str) -> Iterator[subprocess.Popen[bytes]]:
    """One whose job runs."""
    arguments = [sys.executable, "-c", DOOMED, str(folder), walls, mark]
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=os.environ | path) as doomed:
        try:
            assert doomed.stdout is not None
            assert doomed.stdout.readline() == b"runs\n"
            yield doomed
        finally:
            doomed.kill()


def all_with(mark: str) -> list[int]:
    """Descriptors of the gateway, its job, and what stands between them."""
    pids = [int(pid) for pid, command in commands().items() if mark in command]
    return [os.pidfd_open(pid) for pid in pids]


@pytest.mark.parametrize("walls", ["bubblewrap", "none"])
async def test_a_killed_gateway_takes_its_jobs_along_and_they_run_again(tmp_path: Path, walls: str) -> None:
    mark = f"mark-{os.getpid()}-{walls}"
    with gateway(tmp_path, mark, walls) as doomed:
        alive = all_with(mark)
        assert len(alive) == (4 if walls == "bubblewrap" else 2)
        doomed.kill()
        async with asyncio.timeout(PATIENCE_S):
            for process in alive:
                await readable(process)
                os.close(process)
    async with open_house(tmp_path, confinement=NoWalls() if walls == "none" else None) as house:
        before = await house.life.job(A)
        assert before.status is JobStatus.RUNNING_ALGORITHM
        async with house.running() as engine:
            await house.desk.reported("a", JobStatus.RUNNING_ALGORITHM)
            await house.life.request_stop(A, now=house.clock.now())
            engine.tell(A)
            job = await house.over(A)
    assert house.desk.statuses("a") == [20, 30, 40, 60, 71]
    assert before.run.started_at is not None and job.run.started_at is not None
    assert job.run.started_at > before.run.started_at  # only the run that counts is billed


async def told(house: House, *statuses: int, id: JobId = A) -> None:
    for status in statuses:
        report = Report(job=id, status=JobStatus(status), at=house.clock.now())
        await house.life.report(report, now=house.clock.now())


async def test_a_job_that_never_survives_the_gateway_is_given_up_and_pays_nothing(house: House) -> None:
    await house.start("a", {"command": ["true"]}, paid=True)
    await told(house, 20, 30, 40)
    for _ in range(3):
        house.shelf.begin(A)
    async with house.running():
        job = await house.over(A)
    assert house.desk.statuses("a") == [20, 22]
    assert job.result is not None and job.result.detail == "the gateway ended in 3 runs of it"
    assert bill(job) == Bill(amount=0, used_ms=0)
    assert not house.shelf.work_folder(A).exists()


@pytest.mark.parametrize(("reached", "says"), [((20,), [20, 30, 40, 60, 71]), ((20, 30), [40, 60, 71])])
async def test_what_was_being_set_up_is_set_up_again(
    house: House, reached: tuple[int, ...], says: list[int]
) -> None:
    await house.start("a", {"command": ["true"]}, paid=True)
    await told(house, *reached)
    async with house.running():
        assert (await house.over(A)).status is JobStatus.JOB_SETTLE
    assert house.desk.statuses("a") == says


@pytest.mark.parametrize("reached", [(20, 30, 40), (20, 30, 40, 60)])
@pytest.mark.parametrize("published", [False, True])
async def test_a_run_whose_end_is_on_disk_is_not_run_again(
    house: House, reached: tuple[int, ...], published: bool
) -> None:
    await house.start("a", {"command": ["false"]}, paid=True)
    await told(house, *reached)
    house.shelf.begin(A)
    (house.shelf.work_folder(A) / LOG).write_bytes(b"once")
    stopped_at = house.clock.now()
    house.shelf.stage(A, Outcome(status=JobStatus.PUBLISHING_RESULTS, stopped_at=stopped_at, exit_code=5))
    if published:
        house.shelf.publish(A)
    async with house.running():
        job = await house.over(A)
    assert job.status is JobStatus.JOB_SETTLE
    assert job.result is not None and job.result.exit_code == 5
    assert house.log() == "once"
    if reached[-1] == 40:
        assert job.run.stopped_at == stopped_at


async def test_results_that_were_lost_while_they_were_published_are_said_to_be_lost(house: House) -> None:
    await house.start("a", {"command": ["true"]}, paid=True)
    await told(house, 20, 30, 40, 60)
    async with house.running():
        job = await house.over(A)
    assert job.status is JobStatus.RESULTS_UPLOAD_FAILED
    assert job.result is not None and job.result.detail == "what it left was lost"


async def test_results_of_an_older_store_are_not_taken_for_those_of_a_new_job(house: House) -> None:
    house.shelf.begin(A)
    house.shelf.stage(A, Outcome(status=JobStatus.PUBLISHING_RESULTS, stopped_at=1.0, exit_code=9))
    house.shelf.publish(A)
    job = await house.run_one({"python": "print('new')"})
    assert job.result is not None and job.result.exit_code == 0
    assert house.log() == "new\n"


async def test_a_gateway_that_is_stopped_leaves_its_job_for_the_next_start(house: House) -> None:
    async with house.running():
        await house.start("a", {"python": "import time\ntime.sleep(3600)"})
        await house.desk.reported("a", JobStatus.RUNNING_ALGORITHM)
    assert (await house.life.job(A)).status is JobStatus.RUNNING_ALGORITHM
    house.new_engine()
    async with house.running() as engine:
        await house.desk.reported("a", JobStatus.RUNNING_ALGORITHM, times=2)
        await house.life.request_stop(A, now=house.clock.now())
        engine.tell(A)
        assert (await house.over(A)).status is JobStatus.JOB_FINISHED

"""Jobs from request to results, run for real: the order of reports, the ends, the queue."""

from dataclasses import replace

import pytest

from compute.house import House
from headrace.core.errors import FixTheRequest
from headrace.core.job import JobId, JobStatus


async def test_a_free_python_job_leaves_outputs_and_a_log_and_is_finished(house: House) -> None:
    job = await house.run_one(
        {"python": "import os\nprint('hello')\nos.mkdir('d')\nopen('d/x.txt', 'w').write('42')"}
    )
    assert job.status is JobStatus.JOB_FINISHED
    assert house.desk.statuses("a") == [20, 30, 40, 60, 70]
    assert house.log() == "hello\n"
    assert house.outputs() == {"d": None, "d/x.txt": b"42"}
    assert job.result is not None and job.result.exit_code == 0 and not job.result.detail


async def test_a_paid_job_ends_in_settlement_with_the_times_of_its_run(house: House) -> None:
    job = await house.run_one({"command": ["sh", "-c", "cat $INPUTS/words"], "files": {"words": "w"}}, paid=True)
    assert job.status is JobStatus.JOB_SETTLE
    assert house.desk.statuses("a") == [20, 30, 40, 60, 71]
    assert job.run.started_at is not None and job.run.stopped_at is not None
    assert job.run.started_at <= job.run.stopped_at
    assert house.log() == "w"


async def test_a_paid_job_does_not_begin_before_its_lock(house: House) -> None:
    async with house.running():
        paid = await house.start("paid", {"command": ["true"]}, paid=True, locked=False)
        await house.over(await house.start("free", {"command": ["true"]}))
        assert house.desk.statuses("paid") == []
        await house.lock(paid)
        assert (await house.over(paid)).status is JobStatus.JOB_SETTLE


async def test_another_exit_code_than_0_is_a_finished_job(house: House) -> None:
    job = await house.run_one({"command": ["sh", "-c", "echo so; exit 7"]}, paid=True)
    assert job.status is JobStatus.JOB_SETTLE
    assert job.result is not None and (job.result.exit_code, job.result.detail) == (7, "exit code 7")


async def test_a_program_that_is_not_there_fails_before_it_is_billed(house: House) -> None:
    job = await house.run_one({"command": ["no-such-program"]}, paid=True)
    assert job.status is JobStatus.ALGORITHM_PROVISIONING_FAILED
    assert house.desk.statuses("a") == [20, 30, 32]
    assert job.result is not None and "there is no program 'no-such-program'" in job.result.detail


async def test_a_program_that_the_machine_cannot_run_is_a_failed_algorithm(house: House) -> None:
    job = await house.run_one({"command": ["/data/inputs/program"], "files": {"program": "\x7fno program"}})
    assert job.status is JobStatus.ALGORITHM_FAILED
    assert house.desk.statuses("a") == [20, 30, 40, 41]
    assert job.result is not None and job.result.detail == "[Errno 8] Exec format error: '/data/inputs/program'"


async def test_a_script_among_the_inputs_can_be_the_program(house: House) -> None:
    await house.run_one({"command": ["/data/inputs/run"], "files": {"run": "#!/bin/sh\necho $0"}})
    assert house.log() == "/data/inputs/run\n"


async def test_a_job_over_its_time_is_stopped_and_what_it_left_is_published(house: House) -> None:
    python = "import time\nopen('half', 'w').write('half')\nprint('begun')\ntime.sleep(3600)"
    job = await house.run_one({"python": python}, max_duration_s=2, paid=True)
    assert job.status is JobStatus.JOB_SETTLE
    assert job.result is not None and job.result.detail == "stopped at its limit of 2 s"
    assert job.result.exit_code == 137
    assert house.outputs() == {"half": b"half"}


async def test_a_running_job_is_seen_running_and_stops_on_request(house: House) -> None:
    async with house.running() as engine:
        id = await house.start("a", {"python": "import time\ntime.sleep(3600)"})
        await house.desk.reported("a", JobStatus.RUNNING_ALGORITHM, times=3)
        await house.life.request_stop(id, now=house.clock.now())
        engine.tell(id)
        job = await house.over(id)
    assert job.status is JobStatus.JOB_FINISHED
    assert job.result is not None and job.result.detail == "stopped on request"
    assert job.run.started_at is not None and job.run.seen_running_at is not None
    assert job.run.seen_running_at > job.run.started_at


async def test_a_stop_that_nobody_told_us_of_is_found_with_the_next_report(house: House) -> None:
    async with house.running():
        id = await house.start("a", {"python": "import time\ntime.sleep(3600)"})
        await house.desk.reported("a", JobStatus.RUNNING_ALGORITHM)
        await house.life.request_stop(id, now=house.clock.now())
        assert (await house.over(id)).status is JobStatus.JOB_FINISHED


async def test_a_job_that_is_stopped_before_it_begins_ends_in_the_queue(house: House) -> None:
    id = await house.start("a", {"command": ["true"]}, paid=True, locked=False)
    await house.life.request_stop(id, now=house.clock.now())
    async with house.running():
        job = await house.over(id)
    assert job.status is JobStatus.JOB_QUEUED_EXPIRED
    assert job.result is not None and job.result.detail == "stopped before it began"


async def test_so_many_run_at_once_and_the_others_queue_oldest_first(house: House) -> None:
    house.new_engine(jobs_at_once=1)
    async with house.running() as engine:
        first = await house.start("first", {"python": "import time\ntime.sleep(3600)"})
        await house.desk.reported("first", JobStatus.RUNNING_ALGORITHM)
        second = await house.start("second", {"command": ["true"]})
        third = await house.start("third", {"command": ["true"]})
        await house.desk.reported("third", JobStatus.JOB_QUEUED)
        assert house.desk.statuses("second") == [1]
        await house.life.request_stop(first, now=house.clock.now())
        engine.tell(first)
        await house.over(second)
        await house.over(third)
    ends = [r.job for r in house.desk.reports if r.status is JobStatus.JOB_FINISHED]
    assert ends == ["first", "second", "third"]
    assert house.desk.statuses("third") == [1, 20, 30, 40, 60, 70]


@pytest.mark.parametrize("wait_s", [0, 1])
async def test_a_job_that_may_wait_no_longer_is_told_so(house: House, wait_s: int) -> None:
    house.new_engine(jobs_at_once=1)
    async with house.running():
        await house.start("first", {"python": "import time\ntime.sleep(3600)"})
        await house.desk.reported("first", JobStatus.RUNNING_ALGORITHM)
        job = await house.over(await house.start("second", {"command": ["true"]}, queue_max_wait_s=wait_s))
    assert job.status is JobStatus.JOB_QUEUED_EXPIRED
    assert job.result is not None and job.result.detail.startswith("all 1 places were taken")


async def test_a_job_that_somebody_else_ended_is_dropped_and_its_place_is_free(house: House) -> None:
    house.new_engine(jobs_at_once=1)
    async with house.running():
        id = await house.start("a", {"python": "import time\ntime.sleep(3600)"})
        report = await house.desk.reported("a", JobStatus.RUNNING_ALGORITHM)
        await house.life.report(replace(report, status=JobStatus.ALGORITHM_FAILED), now=house.clock.now())
        assert (await house.over(await house.start("b", {"command": ["true"]}))).status is JobStatus.JOB_FINISHED
    assert (await house.life.job(id)).status is JobStatus.ALGORITHM_FAILED


async def test_jobs_of_other_environments_are_left_alone(house: House) -> None:
    theirs = house.new_engine()
    assert theirs.environment == "here"
    async with house.running():
        id = await house.start("theirs", {"command": ["true"]}, environment="elsewhere")
        await house.over(await house.start("ours", {"command": ["true"]}))
    assert (await house.life.job(id)).status is JobStatus.JOB_STARTED


async def test_results_are_listed_and_had_by_index(house: House) -> None:
    await house.run_one({"python": "import os\nprint('x')\nos.symlink('/etc/passwd', 'link')"})
    results = await house.engine.results(JobId("a"))
    assert [(r.index, r.filename, r.type) for r in results] == [
        (0, "algorithm.log", "algorithmLog"),
        (1, "outputs.tar", "output"),
        (2, "publish.log", "publishLog"),
    ]
    file, path = await house.engine.result(JobId("a"), 0)
    assert file.bytes_ == path.stat().st_size == 2
    with pytest.raises(FixTheRequest, match="job a has no result 3; 0 to 2 are there"):
        await house.engine.result(JobId("a"), 3)
    with pytest.raises(FixTheRequest, match=r"job \.\. has no result 0; nothing is published of it"):
        await house.engine.result(JobId(".."), 0)

"""The map of a job's life."""

from headrace.core.job import BEFORE_THE_LOCK, BILLED, FAILED, FINISHED, NEXT, RUN_OVER, TEXT, JobStatus

# Numbers and texts as existing compute engines and their clients have them.
PUBLIC = """\
0 Job started|1 Job queued|2 Job expired in queue|10 Pulling algorithm image|11 Pulling algorithm image failed|\
12 Building algorithm image|13 Building algorithm image failed|14 Image has vulnerabilities|\
20 Configuring volumes|21 Volume creation failed|22 Container creation failed|30 Provisioning data|\
31 Data provisioning failed|32 Algorithm provisioning failed|33 Data upload to container failed|\
40 Running algorithm |41 Failed to run algorithm|42 Error: disk quota exceeded|50 Filtering results|\
60 Publishing results|61 Failed to get outputs folder from container|62 Failed to upload results to storage|\
70 Job finished|71 Job settling"""


def test_numbers_and_texts_are_those_of_the_public_list_to_the_letter() -> None:
    assert "|".join(f"{status.value} {status.text}" for status in JobStatus) == PUBLIC


def test_the_tables_name_every_status() -> None:
    assert set(NEXT) == set(JobStatus) == set(TEXT)
    assert {status for following in NEXT.values() for status in following} <= set(JobStatus)


def test_every_status_can_be_reached_and_every_run_can_end() -> None:
    reached = {JobStatus.JOB_STARTED}
    while more := {following for status in reached for following in NEXT[status]} - reached:
        reached |= more
    assert reached == set(JobStatus)
    for status in set(JobStatus) - RUN_OVER:
        ends, seen = {status}, set()
        while ends and not ends & RUN_OVER:
            seen |= ends
            ends = {following for one in ends for following in NEXT[one]} - seen
        assert ends, status


def test_nothing_leaves_the_end_of_a_run_but_a_payment_that_is_settled() -> None:
    leaving = {(status, following) for status in RUN_OVER for following in NEXT[status]}
    assert leaving == {(JobStatus.JOB_SETTLE, JobStatus.JOB_FINISHED)}


def test_results_are_published_before_a_job_is_finished() -> None:
    before = {status for status, following in NEXT.items() if following & FINISHED}
    assert before == {JobStatus.PUBLISHING_RESULTS, JobStatus.JOB_SETTLE}


def test_every_end_of_a_run_is_billed_or_pays_nothing() -> None:
    assert {int(status) for status in BILLED} == {41, 42, 61, 62, 71}
    assert {int(status) for status in FAILED - BILLED} == {2, 11, 13, 14, 21, 22, 31, 32, 33}
    assert BILLED | FAILED | {JobStatus.JOB_FINISHED} == RUN_OVER
    assert not FINISHED & FAILED


def test_before_its_lock_is_mined_a_job_only_queues() -> None:
    assert NEXT[JobStatus.JOB_STARTED] >= BEFORE_THE_LOCK
    assert not BEFORE_THE_LOCK & BILLED

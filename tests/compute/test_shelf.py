"""What is kept: whole before it is told, at once when it is published."""

from pathlib import Path

import pytest

from headrace.compute.shelf import LOG, OUTPUTS, Outcome, Shelf
from headrace.core.errors import FixTheRequest
from headrace.core.job import JobId, JobStatus

A = JobId("a")
OUTCOME = Outcome(status=JobStatus.PUBLISHING_RESULTS, stopped_at=1.5, exit_code=3, detail="so")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def ran(shelf: Shelf, job: JobId = A) -> None:
    shelf.begin(job)
    (shelf.work_folder(job) / LOG).write_text("log")
    (shelf.work_folder(job) / OUTPUTS).write_text("tar")
    shelf.stage(job, OUTCOME)


def test_an_outcome_is_known_from_when_it_is_staged_and_results_from_when_they_are_published(shelf: Shelf) -> None:
    shelf.begin(A)
    assert shelf.outcome(A) is None
    ran(shelf)
    assert shelf.outcome(A) == OUTCOME
    assert shelf.results(A) == []
    shelf.publish(A)
    assert shelf.outcome(A) == OUTCOME
    assert [r.filename for r in shelf.results(A)] == [LOG, OUTPUTS]
    shelf.publish(A)
    assert len(shelf.results(A)) == 2


def test_runs_are_counted_before_they_begin_over_restarts(shelf: Shelf, tmp_path: Path) -> None:
    assert shelf.begin(A) == 1
    assert Shelf(tmp_path).begin(A) == 2
    ran(shelf)
    shelf.publish(A)
    assert shelf.begin(A) == 1


def test_a_new_run_forgets_what_an_older_one_left(shelf: Shelf) -> None:
    ran(shelf)
    shelf.publish(A)
    shelf.begin(A)
    assert shelf.outcome(A) is None
    assert shelf.results(A) == []
    assert not (shelf.work_folder(A) / LOG).exists()


@pytest.mark.parametrize("id", [".", "..", ".a", "a:b"])
def test_any_id_is_a_folder_of_its_own(tmp_path: Path, id: str) -> None:
    shelf = Shelf(tmp_path / "shelf")
    ran(shelf, JobId(id))
    shelf.publish(JobId(id))
    assert len(shelf.results(JobId(id))) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["shelf"]
    assert [p.name for p in (tmp_path / "shelf" / "published").iterdir()] == [f"job-{id}"]


def test_a_result_that_is_not_there_is_refused_in_words(shelf: Shelf) -> None:
    with pytest.raises(FixTheRequest, match="index: job a has no result 0; nothing is published of it"):
        shelf.result(A, 0)
    ran(shelf)
    shelf.publish(A)
    with pytest.raises(FixTheRequest, match="index: job a has no result -1; 0 to 1 are there"):
        shelf.result(A, -1)


def test_results_are_for_nobody_else_on_the_machine(tmp_path: Path) -> None:
    Shelf(tmp_path)
    assert [oct(p.stat().st_mode & 0o777) for p in tmp_path.iterdir()] == ["0o700"] * 3

"""What is kept on disk of each job: its log and outputs, how its run ended, how often it was begun.

Owns      the folder of results, and the order in which things appear in it.
Promises  a run's end is on disk, whole, before anybody is told of it; what is published appears at once.
Leaves    what is in an archive to `archive`, who may read it to `api`.

    at_work/job-ID/   log of the run that is under way, and `begun`: how often
    staged/job-ID/    all of a run that is over, not told yet
    published/job-ID/ the same, to be had
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from headrace.core.errors import FixTheRequest
from headrace.core.job import JobStatus
from headrace.core.ports.compute import ResultFile
from headrace.core.terms import JobId

LOG: Final = "algorithm.log"
OUTPUTS: Final = "outputs.tar"
PUBLISH_LOG: Final = "publish.log"
_OUTCOME: Final = "outcome.json"
_TYPES: Final[tuple[tuple[str, Literal["algorithmLog", "output", "publishLog"]], ...]] = (
    (LOG, "algorithmLog"),
    (OUTPUTS, "output"),
    (PUBLISH_LOG, "publishLog"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. `status` is the one that is to be reported after the algorithm: PUBLISHING_RESULTS where
    all is well. `trouble`: why its results cannot be published."""

    status: JobStatus
    stopped_at: float
    exit_code: int
    out_of_memory: bool = False
    detail: str = ""
    trouble: str = ""


class Shelf:
    """Works on a disk, and waits for it: not for the loop."""

    def __init__(self, folder: Path) -> None:
        self._at_work, self._staged, self._published = (
            folder / name for name in ("at_work", "staged", "published")
        )
        for part in (self._at_work, self._staged, self._published):
            # What jobs computed is for those who may ask for it.
            part.mkdir(parents=True, exist_ok=True, mode=0o700)

    def begin(self, job: JobId) -> int:
        """Counts this run before it is begun, and answers how many there were with it."""
        for part in (self._staged, self._published):
            shutil.rmtree(part / _name(job), ignore_errors=True)
        folder = self.work_folder(job)
        folder.mkdir(exist_ok=True)
        counter = folder / "begun"
        begun = int(counter.read_text()) + 1 if counter.exists() else 1
        _write(folder / "begun.new", str(begun).encode())
        (folder / "begun.new").replace(counter)
        for name in (*(name for name, _ in _TYPES), _OUTCOME):
            (folder / name).unlink(missing_ok=True)
        _sync(folder)
        _sync(self._at_work)
        return begun

    def work_folder(self, job: JobId) -> Path:
        return self._at_work / _name(job)

    def stage(self, job: JobId, outcome: Outcome) -> None:
        """What is in the work folder is all there is. Durable when it returns."""
        folder = self.work_folder(job)
        _write(folder / _OUTCOME, json.dumps(asdict(outcome)).encode())
        (folder / "begun").unlink(missing_ok=True)
        for file in folder.iterdir():
            _sync(file)
        _sync(folder)
        folder.rename(self._staged / _name(job))
        _sync(self._staged)

    def outcome(self, job: JobId) -> Outcome | None:
        """Of a run that is over, whether or not it is published."""
        for part in (self._published, self._staged):
            file = part / _name(job) / _OUTCOME
            if file.exists():
                known = json.loads(file.read_bytes())
                return Outcome(**(known | {"status": JobStatus(known["status"])}))
        return None

    def publish(self, job: JobId) -> None:
        """Once or again. Nothing staged: nothing happens."""
        if (self._staged / _name(job)).exists():
            (self._staged / _name(job)).rename(self._published / _name(job))
            _sync(self._published)

    def forget_run(self, job: JobId) -> None:
        """A run that ended without results."""
        shutil.rmtree(self.work_folder(job), ignore_errors=True)

    def results(self, job: JobId) -> list[ResultFile]:
        folder = self._published / _name(job)
        there = [(folder / name, type_) for name, type_ in _TYPES if (folder / name).exists()]
        return [
            ResultFile(filename=file.name, bytes_=file.stat().st_size, type=type_, index=index)
            for index, (file, type_) in enumerate(there)
        ]

    def result(self, job: JobId, index: int) -> tuple[ResultFile, Path]:
        """Raises FixTheRequest."""
        results = self.results(job)
        if not 0 <= index < len(results):
            have = f"0 to {len(results) - 1} are there" if results else "nothing is published of it"
            raise FixTheRequest(f"index: job {job} has no result {index}; {have}", field="index")
        return results[index], self._published / _name(job) / results[index].filename


def _name(job: JobId) -> str:
    # In front of it, so that a job whose id is `..` is a folder like any other.
    assert "/" not in job, job
    return f"job-{job}"


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    _sync(file)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

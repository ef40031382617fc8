"""With bubblewrap, without it, and without walls at all."""

import logging
from pathlib import Path

import pytest

from compute.house import House, open_house, real_bubblewrap
from headrace.app.compute_part import open_compute
from headrace.app.settings import Settings
from headrace.compute import sandbox
from headrace.compute.choosing import choose_walls
from headrace.compute.sandbox import Bubblewrap, NoWalls
from headrace.core.errors import FixTheRequest, NeedsOperator, TryLater
from headrace.core.job import JobStatus

GOOD = b'{"command": ["true"]}'


async def test_bubblewrap_is_chosen_when_it_made_a_sandbox() -> None:
    assert await choose_walls(bubblewrap=None, unsandboxed=False) == (real_bubblewrap(), None)


async def test_without_bubblewrap_a_start_is_refused_with_what_to_install(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sandbox, "_PROJECT_BUBBLEWRAP", tmp_path / "bwrap")
    _, trouble = await choose_walls(bubblewrap=None, unsandboxed=False)
    engine = house.new_engine(trouble=trouble)
    with pytest.raises(NeedsOperator) as refused:
        engine.check(GOOD, max_duration_s=60)
    assert refused.value.message.startswith(
        "no job can be started here: there is no bubblewrap; install the Debian package `bubblewrap`"
    )
    async with house.running():
        job = await house.over(await house.start("a", {"command": ["true"]}, queue_max_wait_s=0))
    assert job.status is JobStatus.JOB_QUEUED_EXPIRED


async def test_a_named_program_that_makes_no_sandbox_is_refused_with_its_own_words(tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho setting up uid map: Permission denied >&2\nexit 1\n")
    program.chmod(0o755)
    _, trouble = await choose_walls(bubblewrap=program, unsandboxed=False)
    assert trouble == (
        f"bubblewrap ({program}) makes no sandbox here: bubblewrap could not make the sandbox: "
        "setting up uid map: Permission denied"
    )
    _, trouble = await choose_walls(bubblewrap=tmp_path / "nothing", unsandboxed=False)
    assert trouble is not None and trouble.startswith(f"there is no bubblewrap at {tmp_path / 'nothing'}; install")


async def test_a_store_that_jobs_could_read_is_refused() -> None:
    _, trouble = await choose_walls(bubblewrap=None, unsandboxed=False, secret=(Path("/usr/src/headrace.db"),))
    assert trouble == "jobs can read all of /usr, and /usr/src/headrace.db is in it: move it elsewhere"


async def test_without_walls_it_says_so_loudly_and_limits_still_hold(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_LANE_KEY", "s3cret")
    (tmp_path / "secret").write_text("s3cret")
    with caplog.at_level(logging.WARNING):
        confinement, trouble = await choose_walls(bubblewrap=None, unsandboxed=True)
    assert (confinement, trouble) == (NoWalls(), None)
    assert "jobs run WITHOUT walls" in caplog.text
    async with open_house(tmp_path, confinement=confinement) as house:
        python = f"import os\nos.symlink({str(tmp_path / 'secret')!r}, 'link')\nprint(dict(os.environ))"
        job = await house.run_one({"python": python + "\nopen('x', 'w').write('y')"})
        assert job.status is JobStatus.JOB_FINISHED
        assert house.outputs() == {"x": b"y"}
        assert "s3cret" not in house.log()
        house.new_engine()
        hog = {"python": "import time\nhog = b'x' * (100 << 20)\ntime.sleep(3600)", "limits": {"memory_mb": 64}}
        job = await house.run_one(hog, id="hog")
        assert job.result is not None and job.result.out_of_memory
        house.new_engine()
        flood = {"python": "import time\nopen('x', 'wb').write(b'x' * (5 << 20))\ntime.sleep(3600)"}
        job = await house.run_one(flood | {"limits": {"disk_mb": 4}}, id="flood")
        assert job.status is JobStatus.DISK_QUOTA_EXCEEDED


async def test_what_it_cannot_run_is_refused_before_anything_is_stored(house: House) -> None:
    with pytest.raises(FixTheRequest, match=r"algorithm.limits.cpu_s: 61"):
        house.engine.check(b'{"command": ["true"], "limits": {"cpu_s": 61}}', max_duration_s=60)
    house.engine.check(GOOD, max_duration_s=60)


async def test_a_full_queue_says_try_later(house: House) -> None:
    house.new_engine(jobs_at_once=1, waiting_max=1)
    async with house.running() as engine:
        await house.start("a", {"python": "import time\ntime.sleep(3600)"})
        await house.desk.reported("a", JobStatus.RUNNING_ALGORITHM)
        await house.start("b", {"command": ["true"]})
        await house.desk.reported("b", JobStatus.JOB_QUEUED)
        with pytest.raises(TryLater, match="1 jobs wait for a place already"):
            engine.check(GOOD, max_duration_s=60)


async def test_the_settings_make_an_engine(house: House, tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "chains": {"local": {"chain_id": 31337, "http": ["http://127.0.0.1:1"], "deployment": "d.json"}},
            "lanes": [{"chain": "local", "key_env": "LANE"}],
            "store": {"path": tmp_path / "headrace.db"},
            "compute": {"enabled": True, "environment": "big", "results": tmp_path / "r", "memory_mb_max": 99},
            "settlement": {"environments": [{"id": "big", "free_max_duration_s": 60}]},
        }
    )
    engine = await open_compute(settings, house.store, house.clock)
    assert engine.environment == "big"
    engine.check(GOOD, max_duration_s=60)
    with pytest.raises(FixTheRequest, match="a whole number from 32 to 99"):
        engine.check(b'{"command": ["true"], "limits": {"memory_mb": 100}}', max_duration_s=60)
    assert isinstance(engine._means.confinement, Bubblewrap)

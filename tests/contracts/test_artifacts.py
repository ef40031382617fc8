"""What the package carries is what the sources say."""

import json
import shutil
from pathlib import Path

import pytest

from contracts.compiling import ARTIFACTS, build

pytestmark = pytest.mark.timeout(900)


def test_the_packaged_artifacts_are_what_the_sources_compile_to() -> None:
    done = build("--check")
    assert done.returncode == 0, done.stdout


def test_a_stale_a_missing_and_an_unwanted_artifact_are_each_named(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    shutil.copytree(ARTIFACTS, folder)
    (folder / "TaskManager.json").write_text("{}")
    (folder / "PolicyClient.json").unlink()
    (folder / "Forgotten.json").write_text("{}")

    checked = build("--check", "--folder", str(folder))

    assert checked.returncode == 1
    assert checked.stdout.splitlines()[:3] == [
        "stale: PolicyClient.json",
        "stale: TaskManager.json",
        "no such contract any more: Forgotten.json",
    ]
    assert (folder / "Forgotten.json").exists(), "a check changes nothing"

    assert build("--folder", str(folder)).returncode == 0
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in ARTIFACTS.iterdir()
    }


def test_an_artifact_tells_no_machine_path_and_no_date() -> None:
    for path in ARTIFACTS.glob("*.json"):
        artifact = json.loads(path.read_text())
        assert list(artifact) == ["contractName", "compiler", "settings", "abi", "bytecode", "deployedBytecode"]
        assert artifact["contractName"] == path.stem
        assert artifact["compiler"].startswith("0.8.37+commit.")

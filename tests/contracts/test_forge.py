"""The contracts' own tests, on the bytes that are shipped, at the prices that are written down."""

import json
import subprocess
from pathlib import Path

import pytest

from contracts.compiling import ARTIFACTS, CONTRACTS, SNAPSHOTS, forge

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run of `tested` wrote what it measured."""
    return tmp_path_factory.mktemp("snapshots")


@pytest.fixture(scope="module")
def tested(measured: Path) -> subprocess.CompletedProcess[str]:
    """One run of all contract tests, with its gas measured into a folder of its own."""
    return forge("test", FOUNDRY_SNAPSHOTS=str(measured), FORGE_SNAPSHOT_CHECK="false")


def test_every_contract_test_passes(tested: subprocess.CompletedProcess[str]) -> None:
    assert tested.returncode == 0, tested.stdout
    assert " 0 failed, 0 skipped" in tested.stdout.splitlines()[-1], tested.stdout


def test_the_gas_snapshots_are_what_the_tests_measure(
    tested: subprocess.CompletedProcess[str], measured: Path
) -> None:
    assert tested.returncode == 0, tested.stdout
    assert _read(measured) == _read(SNAPSHOTS), (
        "Gas has changed. If that is meant, run `FORGE_SNAPSHOT_CHECK=false forge test` in contracts/ "
        "and commit contracts/snapshots/."
    )


def test_what_is_tested_is_what_is_shipped(tested: subprocess.CompletedProcess[str]) -> None:
    for name in (
        "OperatorRegistry",
        "TaskManager",
        "BatchTaskManager",
        "PolicyClient",
        "Escrow",
        "LinearEscrow",
        "TestFeeRouter",
        "TestToken",
        "Aggregate3",
    ):
        shipped = json.loads((ARTIFACTS / f"{name}.json").read_text())
        compiled = json.loads((CONTRACTS / "out" / f"{name}.sol" / f"{name}.json").read_text())
        assert compiled["bytecode"]["object"] == shipped["bytecode"], name
        assert _sorted(compiled["abi"]) == _sorted(shipped["abi"]), name


def _sorted(abi: list[dict[str, object]]) -> list[str]:
    return sorted(json.dumps(entry, sort_keys=True) for entry in abi)


def _read(folder: Path) -> dict[str, dict[str, str]]:
    return {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}

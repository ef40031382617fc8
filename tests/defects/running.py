"""Runs named tests in a tree and says how each went.

Owns      the command lines of pytest and forge, and the reading of their answers.
Promises  "failed" is said only of a test that ran and whose own assertion failed; all else is "broken", with why.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from defects import notes
from defects.manifest import Guard

FORGE: Final = Path("node_modules/@foundry-rs/forge-linux-amd64/bin/forge")
TIMEOUT_S: Final = 600
# What forge says of a failed vm.assert..., and of a vm.expectRevert that was not met.
_ASSERTION_OF_FORGE: Final = re.compile(r"assert|did not revert as expected|!= expected error")


class How(Enum):
    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Run:
    how: How
    why: str = ""


Runs = Mapping[Guard, Run]


def run(guards: Sequence[Guard], tree: Path) -> Runs:
    """Each of these tests, once, against the tree's own code."""
    python = [guard for guard in guards if not guard.is_contracts]
    contracts = [guard for guard in guards if guard.is_contracts]
    runs: dict[Guard, Run] = {}
    if python:
        runs |= _pytest(python, tree)
    if contracts:
        runs |= _forge(contracts, tree)
    return runs


def _pytest(guards: Sequence[Guard], tree: Path) -> Runs:
    written = tree.parent / "notes"
    said = _said(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "defects.notes", "-p", "no:cacheprovider"),
            *("--continue-on-collection-errors", *map(str, guards)),
        ],
        tree,
        # Before everything that is installed: the editable install names the working tree.
        {"PYTHONPATH": f"{tree / 'src'}{os.pathsep}{tree / 'tests'}", notes.FILE: str(written)},
    )
    noted = [json.loads(line) for line in written.read_text().splitlines()] if written.exists() else []
    return {guard: of_cases([n for n in noted if n["test"] == str(guard)], said) for guard in guards}


def of_cases(noted: Sequence[Mapping[str, Any]], said: str) -> Run:
    """A test with parameters has several cases: it fails where one does, and is broken where one is."""
    runs = [Run(How(note["how"]), note["why"]) for note in noted]
    for how in (How.BROKEN, How.FAILED, How.PASSED):
        if found := [run for run in runs if run.how is how]:
            return found[0]
    return Run(How.BROKEN, f"it did not run: {said[-1500:]}")


def _forge(guards: Sequence[Guard], tree: Path) -> Runs:
    runs: dict[Guard, Run] = {}
    for file in dict.fromkeys(guard.file for guard in guards):
        names = [guard.name for guard in guards if guard.file == file]
        said = _said(
            [
                str(tree / FORGE),
                *("test", "--json", "--match-path", file.removeprefix("contracts/")),
                *("--match-test", f"^({'|'.join(names)})\\("),
            ],
            tree / "contracts",
            {"FORGE_SNAPSHOT_CHECK": "false", "FOUNDRY_SNAPSHOTS": str(tree.parent / "snapshots")},
        )
        for name in names:
            runs[Guard(file, name)] = of_forge(name, said)
    return runs


def of_forge(name: str, said: str) -> Run:
    """`said` is what `forge test --json` printed: one line of JSON among others, or why it could not compile."""
    for line in said.splitlines():
        if not line.startswith("{"):
            continue
        for suite in json.loads(line).values():
            for test, result in suite["test_results"].items():
                if test.partition("(")[0] == name:
                    return _of_result(result["status"], result["reason"] or "")
    return Run(How.BROKEN, f"it did not run: {said[-1500:]}")


def _of_result(status: str, reason: str) -> Run:
    if status == "Success":
        return Run(How.PASSED)
    asserted = status == "Failure" and _ASSERTION_OF_FORGE.search(reason)
    return Run(How.FAILED if asserted else How.BROKEN, reason)


def _said(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was not done after {TIMEOUT_S} s"
    return done.stdout

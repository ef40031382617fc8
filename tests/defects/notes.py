"""A pytest plugin that notes how each test went, for `running`.

Promises  a test that fails by what it asserts is told from one that breaks; what runs is the tree's own code.
"""

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

import headrace

FILE: Final = "HEADRACE_DEFECTS_NOTES"


def pytest_configure(config: pytest.Config) -> None:
    imported = Path(headrace.__file__)
    if not imported.is_relative_to(config.rootpath):
        raise pytest.UsageError(f"headrace is imported from {imported}, not from {config.rootpath}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.passed and report.when != "call":
        return report
    how, why = "passed", ""
    if call.excinfo is not None:
        tests = item.config.rootpath / "tests"
        asserted = report.failed and report.when == "call" and _by_its_own_assertion(call.excinfo, tests)
        how, why = "failed" if asserted else "broken", call.excinfo.exconly()
    note = {"test": item.nodeid.partition("[")[0], "how": how, "why": why}
    with Path(os.environ[FILE]).open("a") as notes:
        notes.write(json.dumps(note) + "\n")
    return report


def _by_its_own_assertion(error: pytest.ExceptionInfo[BaseException], tests: Path) -> bool:
    """Not one of the code under test: that would be a crash that some other test might never meet."""
    if isinstance(error.value, pytest.fail.Exception):
        return True
    return isinstance(error.value, AssertionError) and Path(error.traceback[-1].path).is_relative_to(tests)

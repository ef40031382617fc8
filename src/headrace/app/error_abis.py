"""The errors that reverts are read by: those of the task contracts, and those of the users' own ABI files.

Owns      reading `tasks.error_abis`.
Promises  every problem at once, each naming its file; nothing is read after the start.
"""

from collections.abc import Sequence
from pathlib import Path

from headrace.app.settings import BadSettings
from headrace.chain.abi import Abi
from headrace.chain.artifacts import read_abi_file
from headrace.workloads.tasks.errors import TaskReverts, task_errors

_SETTING = "tasks.error_abis"


def read_task_reverts(paths: Sequence[Path]) -> TaskReverts:
    """`paths`: JSON files, each an ABI or the artifact of any compiler (with one under "abi").

    Raises BadSettings."""
    problems: list[str] = []
    known = task_errors()
    for path in paths:
        try:
            abi = read_abi_file(path)
        except OSError as error:
            problems.append(f"{_SETTING}: {path}: cannot be read: {error.strerror}")
        except ValueError as error:
            problems.append(f"{_SETTING}: {error}")
        else:
            problems += _useless(path, abi)
            problems += [f"{_SETTING}: {path}: {clash}" for clash in known.clashes(abi)]
            known = known.with_those_of(abi)
    if problems:
        raise BadSettings(problems)
    return TaskReverts(known)


def _useless(path: Path, abi: Abi) -> list[str]:
    return [] if abi.errors else [f"{_SETTING}: {path}: has no errors: is it the contract's own ABI?"]

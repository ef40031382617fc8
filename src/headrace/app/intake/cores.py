"""A core for one process alone, with all its threads, and the other cores for everybody else.

Promises  where a machine cannot do that, it is said before anything is measured.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

import psutil


class NotEnoughCores(Exception):
    """The message says what is missing."""


def two_sides() -> tuple[int, frozenset[int]]:
    """A core, and all others that we may use. Raises NotEnoughCores."""
    if not hasattr(os, "sched_setaffinity"):
        raise NotEnoughCores("processes can be bound to cores on Linux only")
    core, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise NotEnoughCores("one core for the gateway and another one for the load are needed, and there is one")
    return core, frozenset(others)


def bind(pids: Iterable[int], cores: Iterable[int]) -> None:
    """Each process, all the threads that it has, and what these start from now on."""
    cores = set(cores)
    for pid in pids:
        for thread in _threads(pid):
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.sched_setaffinity(thread, cores)


def with_children(pid: int) -> list[int]:
    """The process and all below it."""
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


def _threads(pid: int) -> list[int]:
    try:
        return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    except FileNotFoundError:
        return []

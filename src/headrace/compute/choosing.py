"""At the start: by which walls jobs are shut in here, or why none can be started.

Promises  bubblewrap counts as there when it made a sandbox, not when a file of that name was found; without it
          nothing runs unless the settings say so, and then the log says so loudly.
"""

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

from headrace.compute.algorithm import Algorithm, Limits
from headrace.compute.cell import CannotSetUp, NoProgram
from headrace.compute.joblog import JobLog
from headrace.compute.opening import open_cell
from headrace.compute.sandbox import (
    HOW_TO_INSTALL,
    PLACES_MAX,
    Bubblewrap,
    Confinement,
    NoWalls,
    Python,
    find_bubblewrap,
    shown_folders,
)

log = logging.getLogger(__name__)

_TRIAL: Final = Algorithm(command=("python3", "-c", "pass"), files={}, limits=Limits(cpu_s=10))


async def choose_walls(
    *, bubblewrap: Path | None, unsandboxed: bool, secret: tuple[Path, ...] = ()
) -> tuple[Confinement, str | None]:
    """The walls, and why nothing can be run (None: it can). `bubblewrap`: a program named in the settings;
    `secret`: folders and files that no job may see."""
    if unsandboxed:
        log.warning(
            "compute.unsandboxed: jobs run WITHOUT walls: they read what their user may, and reach the network"
        )
        return NoWalls(), None
    program = find_bubblewrap(bubblewrap)
    if program is None:
        named = "" if bubblewrap is None else f" at {bubblewrap}"
        return NoWalls(), f"there is no bubblewrap{named}; {HOW_TO_INSTALL}"
    python = Python.own()
    for folder in shown_folders(python):
        for path in secret:
            if path.resolve().is_relative_to(folder):
                return NoWalls(), f"jobs can read all of {folder}, and {path} is in it: move it elsewhere"
    confinement = Bubblewrap(program)
    trouble = await _try_out(confinement, python)
    return confinement, trouble and f"bubblewrap ({program}) makes no sandbox here: {trouble}"


async def _try_out(confinement: Confinement, python: Python) -> str | None:
    with contextlib.closing(JobLog(Path(os.devnull), bytes_max=0)) as nowhere:
        try:
            # The last place: no job is in it yet, and none of another gateway either, most likely.
            async with open_cell(_TRIAL, confinement, place=PLACES_MAX - 1, python=python, log=nowhere) as cell:
                await cell.go()
                code = await cell.ended()
        except (CannotSetUp, NoProgram, OSError) as error:
            return str(error)
    return None if code == 0 else f"a first program in it ended with code {code}"

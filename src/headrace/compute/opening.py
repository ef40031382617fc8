"""Sets up a cell: files in, walls up, launcher ready.

Owns      what is handed to a new process and what is not, and cleaning up after a start that failed.
Promises  a descriptor, a variable or a file of ours that is not named here does not reach a job.
Leaves    the cell's life to `cell`.
"""

import asyncio
import contextlib
import json
import os
import platform
import select
import shutil
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, assert_never

from headrace.compute.algorithm import PYTHON_FILE, Algorithm, Limits
from headrace.compute.cell import START_S_MAX, CannotSetUp, Cell, NoProgram, Process, readable
from headrace.compute.joblog import JobLog
from headrace.compute.sandbox import (
    INPUTS,
    OUTPUTS,
    Bubblewrap,
    Confinement,
    NoWalls,
    Python,
    environment,
    inner_environment,
    user_of,
    walls,
)
from headrace.compute.syscalls import system_call_filter

_LAUNCHER: Final = Path(__file__).with_name("launcher.py").read_text()
_MB: Final = 1 << 20
_EXTRA_DISK_BYTES: Final = _MB  # so that a job is seen to be over its limit, and still cannot fill more
_EXTRA_ADDRESSES_BYTES: Final = 256 * _MB  # libraries and stacks: reserved, hardly used
_OPEN_FILES_MAX: Final = 256
_READ_BYTES: Final = 64 * 1024
_TAIL_BYTES: Final = 500
_POLL_MS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outfit:
    """`before`: what is run to run the launcher. `shared`: the job's folder, where there are no walls."""

    before: list[str]
    order: Mapping[str, object]
    descriptors: list[int]
    shared: Path | None


@contextlib.asynccontextmanager
async def open_cell(
    algorithm: Algorithm, confinement: Confinement, *, place: int, python: Python, log: JobLog
) -> AsyncIterator[Cell]:
    """The sandbox, with everything but the algorithm begun. Whatever is left of it ends with the block.

    Raises CannotSetUp, NoProgram; OSError where this machine is short of something."""
    async with contextlib.AsyncExitStack() as stack:
        ours, theirs = socket.socketpair()
        stack.callback(ours.close)
        ours.setblocking(False)
        with contextlib.ExitStack() as handed_over:
            handed_over.callback(theirs.close)
            info, info_theirs = os.pipe()
            stack.callback(os.close, info)
            handed_over.callback(os.close, info_theirs)
            outfit = _outfit(algorithm, confinement, place, python, info_theirs, handed_over, stack)
            launcher = [str(python.program), "-I", "-S", "-c", _LAUNCHER]
            printed, printed_theirs = os.pipe()
            stack.callback(os.close, printed)
            handed_over.callback(os.close, printed_theirs)
            # Not the loop's own way to start processes: uvloop's leaves descriptors open that are not named here.
            process = Process(
                [*outfit.before, *launcher, json.dumps(outfit.order), str(theirs.fileno())],
                printed=printed_theirs,
                descriptors=[theirs.fileno(), *outfit.descriptors],
            )
            stack.callback(process.close)
        tail, enough = bytearray(), threading.Event()
        reading = asyncio.create_task(_read(printed, log, tail, enough), name="job log")
        stack.push_async_callback(_reap, process, reading)
        first = None
        try:
            if isinstance(confinement, Bubblewrap):
                first = await _first_process(info)
                stack.callback(os.close, first)
            outputs = await _ready(ours)
        except CannotSetUp as error:
            await _reap(process, reading)
            said = bytes(tail).decode(errors="replace").strip()
            raise CannotSetUp(f"{error}: {said}" if said else str(error)) from None
        cell = Cell(process, outputs, ours, first, reading, enough, outfit.shared)
        stack.push_async_callback(cell.close)
        yield cell


def _outfit(
    algorithm: Algorithm,
    confinement: Confinement,
    place: int,
    python: Python,
    info: int,
    handed_over: contextlib.ExitStack,
    stack: contextlib.AsyncExitStack,
) -> _Outfit:
    uid = user_of(place)
    match confinement:
        case Bubblewrap():
            files = {name: _memory_file(some, handed_over) for name, some in algorithm.files.items()}
            filter = system_call_filter(platform.machine())
            calls = None if filter is None else _memory_file(filter, handed_over)
            before = walls(
                confinement,
                python,
                disk_bytes=algorithm.limits.disk_mb * _MB + _EXTRA_DISK_BYTES,
                files=files,
                info=info,
                calls=calls,
                as_root=uid is not None,
            )
            variables = inner_environment(python)
            order = _order(algorithm, variables, INPUTS, OUTPUTS, uid) | {"dies_with": None}
            descriptors = [info, *files.values(), *([] if calls is None else [calls])]
            return _Outfit(before=before, order=order, descriptors=descriptors, shared=None)
        case NoWalls():
            shared = _shared_folder(algorithm, uid, stack)
            inputs, outputs, scratch = (str(shared / name) for name in ("inputs", "outputs", "tmp"))
            variables = environment(python, inputs=inputs, outputs=outputs, scratch=scratch)
            order = _order(algorithm, variables, inputs, outputs, uid) | {"dies_with": os.getpid()}
            if uid is None:
                # It would count every process of our own user. `gauge` counts the job's.
                order["limits"] = {k: v for k, v in _rlimits(algorithm.limits).items() if k != "RLIMIT_NPROC"}
            return _Outfit(before=[], order=order, descriptors=[], shared=shared)
        case _:
            assert_never(confinement)


def _order(
    algorithm: Algorithm, variables: Mapping[str, str], inputs: str, outputs: str, uid: int | None
) -> dict[str, object]:
    """For the launcher. Python is looked for inside: there it is the first that the job may run."""
    command = algorithm.command or ("python3", "-B", "-s", f"{inputs}/{PYTHON_FILE}")
    return {
        "command": command,
        "environment": variables,
        "outputs": outputs,
        "uid": uid,
        "limits": _rlimits(algorithm.limits),
    }


def _rlimits(limits: Limits) -> dict[str, tuple[int, int]]:
    """Soft and hard, by the names of getrlimit(2). At the soft limit of processor time the job gets a signal, a
    second later it is ended. Memory is `gauge`'s: addresses are a bound for the moment between two looks."""
    addresses = 2 * limits.memory_mb * _MB + _EXTRA_ADDRESSES_BYTES
    return {
        "RLIMIT_CPU": (limits.cpu_s, limits.cpu_s + 1),
        "RLIMIT_AS": (addresses, addresses),
        "RLIMIT_NPROC": (limits.processes, limits.processes),
        "RLIMIT_FSIZE": (limits.disk_mb * _MB + _EXTRA_DISK_BYTES,) * 2,
        "RLIMIT_NOFILE": (_OPEN_FILES_MAX, _OPEN_FILES_MAX),
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_MEMLOCK": (0, 0),
        "RLIMIT_MSGQUEUE": (0, 0),
    }


def _memory_file(some: bytes, handed_over: contextlib.ExitStack) -> int:
    """Inputs are on no disk of ours: whoever runs the job need not be able to read a folder of ours."""
    descriptor = os.memfd_create("input")
    handed_over.callback(os.close, descriptor)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(some)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _shared_folder(algorithm: Algorithm, uid: int | None, stack: contextlib.AsyncExitStack) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="headrace-job-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    for name, some in algorithm.files.items():
        file = folder / "inputs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(some)
    for name in ("inputs", "outputs", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    if uid is not None:
        for name in ("", "outputs", "tmp"):
            os.chown(folder / name, uid, uid)
    return folder


async def _read(printed: int, log: JobLog, tail: bytearray, enough: threading.Event) -> None:
    """In a thread of its own: a job that prints without end keeps neither the loop nor the common threads busy."""
    poll = select.poll()
    poll.register(printed, select.POLLIN)

    def read_all() -> None:
        while not enough.is_set():
            if not poll.poll(_POLL_MS):
                continue
            some = os.read(printed, _READ_BYTES)
            if not some:
                break
            log.write(some)
            tail.extend(some)
            del tail[:-_TAIL_BYTES]

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="job-log") as thread:
        await asyncio.get_running_loop().run_in_executor(thread, read_all)


async def _first_process(info: int) -> int:
    """bubblewrap tells who it is, and closes its end."""
    said = bytearray()
    async with asyncio.timeout(START_S_MAX):
        while True:
            await readable(info)
            some = os.read(info, 4096)
            said += some
            if not some:
                break
    try:
        return os.pidfd_open(json.loads(said)["child-pid"])
    except (ValueError, KeyError, ProcessLookupError):
        raise CannotSetUp("bubblewrap could not make the sandbox") from None


async def _ready(gate: socket.socket) -> int:
    """The folder of outputs, once the launcher has handed it over."""
    try:
        async with asyncio.timeout(START_S_MAX):
            await readable(gate.fileno())
    except TimeoutError:
        raise CannotSetUp(f"the sandbox was not ready within {START_S_MAX:.0f} s") from None
    try:
        word, descriptors, _, _ = socket.recv_fds(gate, 1000, 1)
    except ConnectionResetError:
        word, descriptors = b"", []
    if word == b"ready" and descriptors:
        return descriptors[0]
    if word.startswith(b"failed: "):
        raise NoProgram(word.decode(errors="replace").removeprefix("failed: "))
    raise CannotSetUp("the sandbox ended before it was ready")


async def _reap(process: Process, reading: asyncio.Task[None]) -> None:
    process.kill()
    await process.ended()
    await reading

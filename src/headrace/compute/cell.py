"""One job's process, seen from outside: set up, let go, watched, ended.

Owns      descriptors, the talk with the launcher, the end of everything that a job started.
Promises  when a cell is closed nothing of it runs any more, and its outputs can be read at rest: by a descriptor
          of their folder, which outlives the sandbox that they were written in.
Leaves    the walls to `sandbox`, what happens when to `run`.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.compute.gauge import Use, descendants, fair_bytes, file_system_use, folder_use, processes_naming

START_S_MAX: Final = 60.0  # takes 0.03 s; a machine under load takes longer
_LAST_WORDS_S: Final = 5.0
_OWN_ENTRIES: Final = 8  # folders that are there before anything is written


class CannotSetUp(Exception):
    """The sandbox could not be made. `str` says why, in the words of whoever refused."""


class NoProgram(Exception):
    """The sandbox stands, and what it should run is not in it, or is no program."""


class Process:
    """One child of ours, with nothing of ours but what is named here."""

    def __init__(self, arguments: Sequence[str], *, printed: int, descriptors: Sequence[int]) -> None:
        self._popen = subprocess.Popen(  # noqa: S603
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            pass_fds=descriptors,
            env={},
            cwd="/",
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self._end = os.pidfd_open(self.pid)

    def kill(self) -> None:
        self._popen.kill()

    async def ended(self) -> int:
        """Its exit code; negative: the signal that ended it."""
        if self._popen.returncode is None:
            await readable(self._end)
        return self._popen.wait()

    def close(self) -> None:
        os.close(self._end)


@dataclass(slots=True)
class Cell:
    """Made by `opening.open_cell`. `outputs` is a descriptor of the folder of outputs."""

    process: Process
    outputs: int
    gate: socket.socket
    first: int | None  # pidfd of the first process inside, whose end is the end of all; None without walls
    reading: asyncio.Task[None]
    enough: threading.Event  # ends the reading, though somebody still holds the other end
    shared: Path | None  # without walls: its folder, on a file system of ours
    _ending: asyncio.Task[int] | None = None

    async def go(self) -> None:
        """Lets the algorithm begin. Raises NoProgram if the machine will not run it."""
        with contextlib.suppress(BrokenPipeError):
            self.gate.send(b"go")
        try:
            async with asyncio.timeout(START_S_MAX):
                await readable(self.gate.fileno())
        except TimeoutError:
            raise NoProgram(f"it did not begin within {START_S_MAX:.0f} s") from None
        with contextlib.suppress(ConnectionResetError):
            if trouble := self.gate.recv(1000).decode(errors="replace"):
                raise NoProgram(trouble.removeprefix("failed: "))

    async def ended(self) -> int:
        """Its exit code, as a shell has it: 128 and the signal's number where one ended it. All that it started
        has ended too, and all that was printed is in the log."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._wait(), name="end of a job")
        # One waits on each descriptor, whoever asks and however often.
        return await asyncio.shield(self._ending)

    def kill(self) -> None:
        """At once, and all of it. `ended` returns soon."""
        with contextlib.suppress(ProcessLookupError):
            if self.shared is not None:
                self._kill_shared(self.shared)
            # Its first process is tied to it and takes the others along.
            self.process.kill()

    def use(self) -> Use:
        """Reads /proc and, without walls, a folder: some ms; not for the loop."""
        processes = descendants(self.process.pid)
        if self.shared is None:
            disk_bytes, entries = file_system_use(self.outputs)
            count = len(processes) - 2  # bubblewrap stands outside and inside
        else:
            disk_bytes, entries = folder_use(self.shared)
            count = len(processes)
        return Use(
            processes=max(0, count),
            memory_bytes=sum(processes.values()),
            disk_bytes=disk_bytes,
            entries=max(0, entries - _OWN_ENTRIES),
        )

    def fair_bytes(self) -> int:
        """Memory, with what its processes share counted once. Slower than `use`."""
        return fair_bytes(descendants(self.process.pid))

    async def _wait(self) -> int:
        code = await self.process.ended()
        await self._end_rest()
        return code if code >= 0 else 128 - code

    async def _end_rest(self) -> None:
        if self.first is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.first, signal.SIGKILL)
            await readable(self.first)
        elif self.shared is not None:
            self._kill_shared(self.shared)
            await asyncio.wait({self.reading}, timeout=_LAST_WORDS_S)
            self.enough.set()
        await self.reading

    def _kill_shared(self, folder: Path) -> None:
        """Without walls a process can leave its group and its parent. Its variables still name the folder, unless
        it took care to lose them: that one gets away."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for pid in {*descendants(self.process.pid), *processes_naming(folder)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def close(self) -> None:
        self.kill()
        await self.ended()
        os.close(self.outputs)


async def readable(descriptor: int) -> None:
    """Until there is something to read, or its other end is closed."""
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(descriptor, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(descriptor)

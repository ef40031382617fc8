"""A child process that cannot outlive us, however we die.

Owns      starting it, ending it by its own pid.
Promises  on Linux the kernel kills it when the thread that started it ends (PR_SET_PDEATHSIG), SIGKILL of us
          included; everywhere it is ended when the block ends.
Leaves    what it says on stdout to the caller, who must keep reading or the child will stand still.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_GRACE_S: Final = 5.0


@contextlib.asynccontextmanager
async def start_child(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    read_max: int = 1 << 16,
    talks: bool = False,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs `command` with stdout and stderr in one pipe. Ends it with SIGTERM, and SIGKILL after 5 s.

    `talks`: with a pipe for each of stdin, stdout and stderr, and out of reach of the terminal's Ctrl-C: what that
    means to the child is for the caller to say.

    Start it from a thread that lives as long as the child should (the main thread's loop, usually).
    Raises OSError if it cannot be started."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE if talks else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE if talks else asyncio.subprocess.STDOUT,
        start_new_session=talks,
        env=env,
        limit=read_max,
        preexec_fn=_die_with(os.getpid()),
    )
    try:
        yield process
    finally:
        await asyncio.shield(_end(process))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself a moment ago
            process.terminate()
    # communicate() and not wait(): a child that fills its pipe would never get to its end.
    try:
        await asyncio.wait_for(process.communicate(), _GRACE_S)
    except TimeoutError:
        process.kill()
        await process.communicate()


def _die_with(parent: int) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork: after it little is safe

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # we died between the fork and the call above
            os._exit(1)

    return in_child

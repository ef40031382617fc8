"""Processes of ours that listen on a port: started, logged to a file, ended by their own pid."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from headrace.testing.child_process import start_child


class DidNotStart(Exception):
    """A process ended or said nothing before it listened. The message has its last words and its log."""


@dataclass(frozen=True, slots=True)
class Listening:
    name: str
    url: str
    pid: int
    process: asyncio.subprocess.Process
    log: Path

    async def ended(self) -> int:
        return await self.process.wait()


@asynccontextmanager
async def start_listening(
    name: str, arguments: Sequence[str], *, log: Path, env: Mapping[str, str], within_s: float = 30.0
) -> AsyncIterator[Listening]:
    """Runs `headrace ARGUMENTS` until the block ends. It must print {"listening": URL} as its first line."""
    command = [sys.executable, "-m", "headrace", *arguments]
    async with start_child(command, env={**os.environ, **env}, read_max=1 << 20) as process:
        assert process.stdout is not None
        url = await _first_line(name, process.stdout, within_s, log)
        with log.open("ab") as file:
            writing = asyncio.create_task(_copy(process.stdout, file.fileno()), name=f"log of {name}")
            try:
                yield Listening(name, url, process.pid, process, log)
            finally:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)


async def _first_line(name: str, stdout: asyncio.StreamReader, within_s: float, log: Path) -> str:
    said = b""
    try:
        async with asyncio.timeout(within_s):
            while line := await stdout.readline():
                said += line
                if line.startswith(b'{"listening"'):
                    with log.open("ab") as file:
                        file.write(said)
                    return str(json.loads(line)["listening"])
    except TimeoutError:
        pass
    with log.open("ab") as file:
        file.write(said)
    raise DidNotStart(f"{name} did not start: {said.decode(errors='replace')[-2000:] or 'it said nothing'}")


async def _copy(stdout: asyncio.StreamReader, file: int) -> None:
    while chunk := await stdout.read(1 << 16):
        # Without a log the process goes on; with a full pipe it would stand still.
        with contextlib.suppress(OSError):
            os.write(file, chunk)


async def until_ready(gateway: Listening, *, within_s: float = 60.0) -> None:
    """Waits for /readyz. Raises DidNotStart with the reasons it gives, or when the process ends."""
    reasons: object = "no answer yet"
    ended = asyncio.create_task(gateway.ended())
    try:
        async with asyncio.timeout(within_s), aiohttp.ClientSession() as session:
            while not ended.done():
                try:
                    async with session.get(f"{gateway.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                        reasons = await answer.text()
                except aiohttp.ClientError as error:
                    reasons = error
                await asyncio.wait({ended}, timeout=0.1)
        raise DidNotStart(f"{gateway.name} ended with {ended.result()} before it was ready: {reasons}")
    except TimeoutError:
        raise DidNotStart(f"{gateway.name} was not ready within {within_s:g} s: {reasons}") from None
    finally:
        ended.cancel()

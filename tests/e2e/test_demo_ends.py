"""The end of a demo that does not come to its end: a part of it dies, or it is told to stop."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from headrace.testing.anvil import find_anvil


@asynccontextmanager
async def demo_under_load(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`headrace demo` as a shell starts it. What it makes for a time is under `folder`/tmp."""
    (folder / "tmp").mkdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headrace", "demo", "--seconds", "300", "--rate", "5", "--block-time", "1"),
        cwd=folder,
        env={**os.environ, "ANVIL": str(find_anvil()), "TMPDIR": str(folder / "tmp")},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            while not (line := await process.stderr.readline()).startswith(b"load: "):
                assert line, "it ended before the load"
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def parts(process: asyncio.subprocess.Process) -> dict[str, psutil.Process]:
    """Its processes, by a word of their command lines."""
    children = psutil.Process(process.pid).children(recursive=True)
    words = ("serve", "operator", "strict_proxy", "anvil")
    return {word: child for child in children for word in words if word in " ".join(child.cmdline()[:4])}


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("serve", "Error: gateway ended with -9 while it was needed; its log: {folder}"),
        ("operator", " ended with -9 while it was needed; its log: {folder}"),
        ("anvil", "Error: the chain (anvil), process {pid}, ended while it was needed"),
    ],
)
async def test_a_part_that_dies_ends_the_demo_and_is_named(tmp_path: Path, part: str, says: str) -> None:
    async with demo_under_load(tmp_path) as process:
        children = parts(process)
        children[part].kill()
        _, said = await process.communicate()
    assert process.returncode == 1
    expected = says.format(pid=children[part].pid, folder=tmp_path / ".headrace" / "runs")
    assert expected in said.decode().splitlines()[-1]
    assert not any(child.is_running() for child in children.values())
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_demo_that_is_told_to_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    async with demo_under_load(tmp_path) as process:
        children = parts(process)
        process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in said.decode()
    assert len(children) == 4
    assert not any(child.is_running() for child in children.values())
    assert list((tmp_path / "tmp").iterdir()) == []

"""A real chain that mines when told, an emitter on it, and a watcher that is stopped at the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from app.emitter import Emitter, deploy_emitter
from headrace.app.chain_watch import ChainWatch
from headrace.testing.anvil import Anvil, start_anvil

WITHIN_S = 20.0


@pytest.fixture
async def anvil() -> AsyncIterator[Anvil]:
    async with start_anvil() as chain:
        yield chain


@pytest.fixture
async def emitter(anvil: Anvil) -> Emitter:
    return await deploy_emitter(anvil)


@contextlib.asynccontextmanager
async def running(watch: ChainWatch) -> AsyncIterator[ChainWatch]:
    task = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(WITHIN_S):
            await watch.started.wait()
        yield watch
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(watch: ChainWatch, holds: Callable[[], bool]) -> None:
    """Waits for the watcher to learn what makes `holds` true."""
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await watch.changed()

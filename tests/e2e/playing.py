"""A demo that a test can look into: its stage, its store, its chain."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headrace.app.chain_watch.read_all import read_all
from headrace.app.chain_watch.record import ChainRecord
from headrace.app.demo.run import DemoOptions, Stage, open_stage
from headrace.core.ports import Reader
from headrace.store import open_reader


@dataclass(frozen=True)
class Play:
    base: Path
    options: dict[str, Any] = field(default_factory=dict)

    def but(self, **changes: Any) -> "Play":
        return replace(self, options=self.options | changes)

    @property
    def demo(self) -> DemoOptions:
        return DemoOptions(**self.options)

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Stage]:
        async with open_stage(self.demo, base=self.base, say=lambda text: None) as stage:
            try:
                yield stage
            except BaseException:
                # What the gateway said is what one wants to know of a failed run.
                sys.stderr.write(stage.scene.log("gateway").read_text()[-8000:])
                raise


async def chain_of(stage: Stage) -> ChainRecord:
    return await read_all(stage.chain.http_url, (stage.task_manager, stage.batch), 0)


async def until_settled(stage: Stage, *, within_s: float = 60) -> dict[str, int]:
    """Waits until the store has nothing under way, and answers with its counts."""
    async with asyncio.timeout(within_s), open_reader(stage.scene.store) as reader:
        while True:
            counts = dict(await reader.counts())
            if not any(counts.get(stage_) for stage_ in ("waiting", "queued", "claimed", "sealed")):
                return counts
            await next_block(stage, reader)


async def next_block(stage: Stage, reader: Reader) -> None:
    block = await stage.chain.rpc.ask("eth_blockNumber")
    while await stage.chain.rpc.ask("eth_blockNumber") == block:  # the chain itself sets the pace
        pass

"""Runs ways of sending in pairs, each pair side by side: what disturbs one disturbs the other.

Owns      the order of the acts, the settings that all ways share.
Promises  the load of a pair begins together, after a warm-up in which each gateway has learned its block times.
Leaves    the figures to the reports and to `parts`.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.app.bench.declaring import Say
from headrace.app.demo.dying import while_alive
from headrace.app.demo.run import CONFIRMATIONS, DemoOptions, Stage, deployment_of, open_stage, until_final
from headrace.app.latency.parts import WayParts
from headrace.app.latency.ways import Way
from headrace.app.load.endings import ask_endings
from headrace.app.load.gateway_calls import GatewayCalls
from headrace.app.load.journal import Accepted, Journal
from headrace.app.load.measure import innermost
from headrace.app.load.process_stats import ProcessStats
from headrace.app.load.profile import OpenLoop
from headrace.app.load.task_source import Kind
from headrace.app.load_run import load, report_of
from headrace.app.report import Limits
from headrace.app.report_shape import Report

LIMITS: Final = Limits(on_time_s=60, late_limit_s=45)
FINAL_WITHIN_BLOCKS: Final = CONFIRMATIONS + 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyOptions:
    """`pairs`: what runs side by side. `warm_up_blocks`: until a gateway has seen some it goes by intervals, and
    then it learns how long before one it must flush."""

    pairs: Sequence[Sequence[Way]]
    seconds: float
    block_time_s: int
    gas_limit: int
    seed: int
    warm_up_blocks: int = 5

    def demo(self, way: Way) -> DemoOptions:
        return DemoOptions(
            profile=OpenLoop(rate_per_s=way.rate_per_s, seconds=self.seconds),
            block_time_s=self.block_time_s,
            gas_limit=self.gas_limit,
            recording=way.recording,
            submitter=way.submitter,
            poison_percent=0,
            limits=LIMITS,
            serve=False,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WayRun:
    way: Way
    report: Report
    parts: WayParts
    folder: Path


async def run_latency(options: LatencyOptions, *, base: Path, say: Say) -> Sequence[WayRun]:
    """In the order of the ways. Raises AnvilMissing, DidNotStart (a part that ends while it is needed, too),
    ChainNotSeen."""
    runs: list[WayRun] = []
    for pair in options.pairs:
        async with AsyncExitStack() as stack:
            stages = [await _open(stack, way, options, base=base, say=say) for way in pair]
            together = asyncio.Barrier(len(stages))
            try:
                async with asyncio.TaskGroup() as tasks:
                    sides = [
                        tasks.create_task(
                            while_alive(stage, _side(stage, way, options, together, say)), name=way.name
                        )
                        for stage, way in zip(stages, pair, strict=True)
                    ]
            except BaseExceptionGroup as group:
                raise innermost(group) from group
            runs += [side.result() for side in sides]
    return runs


async def _open(stack: AsyncExitStack, way: Way, options: LatencyOptions, *, base: Path, say: Say) -> Stage:
    def say_who(text: str) -> None:
        say(f"{way.name}: {text}")

    return await stack.enter_async_context(
        open_stage(options.demo(way), base=base, say=say_who, tuning=way.tuning)
    )


async def _side(stage: Stage, way: Way, options: LatencyOptions, together: asyncio.Barrier, say: Say) -> WayRun:
    demo = options.demo(way)
    within_s = FINAL_WITHIN_BLOCKS * options.block_time_s
    warm_up = OpenLoop(rate_per_s=way.rate_per_s, seconds=options.warm_up_blocks * options.block_time_s)
    await _offer(stage, demo, warm_up, name="warm-up", seed=1_000 + options.seed)
    # With outcomes written and nothing under way both are as idle as can be.
    await until_final(stage.scene, within_s=within_s)
    await together.wait()
    say(f"{way.name}: {way.rate_per_s:g} tasks a second, {options.seconds:g} s")
    profile = OpenLoop(rate_per_s=way.rate_per_s, seconds=options.seconds)
    report, accepted = await _offer(stage, demo, profile, name="journal", seed=options.seed)
    async with GatewayCalls(stage.gateway.url, clock=time.monotonic) as gateway:
        endings = await ask_endings(gateway, accepted, until_s=time.monotonic() + within_s, clock=time.monotonic)
    return WayRun(way=way, report=report, parts=WayParts.of(endings.values()), folder=stage.scene.folder)


async def _offer(
    stage: Stage, demo: DemoOptions, profile: OpenLoop, *, name: str, seed: int
) -> tuple[Report, Sequence[str]]:
    """And the ids of what was accepted."""
    target = stage.target(batched=demo.submitter == "batched")
    with Journal(stage.scene.folder / f"{name}.jsonl") as journal:
        loaded = await load(
            target,
            profile,
            # Without those that a policy refuses: nothing of them gets to the chain.
            [client for client in stage.clients if client.kind is Kind.GOOD],
            journal=journal,
            limits=LIMITS,
            stats=ProcessStats(target.pids),
            seed=seed,
        )
    report = report_of("bench", loaded, profile, deployment=deployment_of(demo), limits=LIMITS)
    return report, [entry.operation_id for entry in journal.entries if isinstance(entry.answer, Accepted)]

"""One memory run: a stage, a warm-up, a load at one rate, and a look before and after it.

Owns      the order of the acts.
Leaves    the figures to `growth` and to the report.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.app.bench.declaring import Say
from headrace.app.control_client import call_gateway
from headrace.app.demo.dying import while_alive
from headrace.app.demo.run import CONFIRMATIONS, DemoOptions, Stage, deployment_of, open_stage, until_final
from headrace.app.load.journal import Journal
from headrace.app.load.process_stats import ProcessStats
from headrace.app.load.profile import OpenLoop
from headrace.app.load.task_source import Kind
from headrace.app.load_run import load, report_of
from headrace.app.memory.growth import Sample
from headrace.app.report import Limits
from headrace.app.report_shape import Report
from headrace.app.settings import load_settings

Held = Mapping[str, Mapping[str, int]]

LIMITS: Final = Limits(on_time_s=60, late_limit_s=60)
FINAL_WITHIN_BLOCKS: Final = CONFIRMATIONS + 20
# What a moment leaves behind (a connection that is kept, a request to a node) is gone within it.
CALM_WITHIN_S: Final = 15.0
LOOK_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryOptions:
    rate_per_s: float
    seconds: float
    block_time_s: int
    gas_limit: int
    seed: int
    warm_up_s: float = 10.0

    def demo(self, seconds: float) -> DemoOptions:
        return DemoOptions(
            profile=OpenLoop(rate_per_s=self.rate_per_s, seconds=seconds),
            block_time_s=self.block_time_s,
            gas_limit=self.gas_limit,
            recording="combined",
            submitter="batched",
            poison_percent=0,
            limits=LIMITS,
            serve=False,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRun:
    """`samples` by role, from the first request on. `before` and `after`: what the gateway held when all was
    final, before the load and after it."""

    report: Report
    samples: Mapping[str, Sequence[Sample]]
    before: Held
    after: Held
    folder: Path


async def run_memory(options: MemoryOptions, *, base: Path, say: Say) -> MemoryRun:
    """Raises AnvilMissing, DidNotStart (a part that ends while it is needed, too), ChainNotSeen."""
    async with open_stage(options.demo(options.seconds), base=base, say=say) as stage:
        return await while_alive(stage, _run(stage, options, say))


async def _run(stage: Stage, options: MemoryOptions, say: Say) -> MemoryRun:
    say(f"warm-up: {options.rate_per_s:g} tasks a second, {options.warm_up_s:g} s")
    await _offer(stage, options, options.warm_up_s, name="warm-up")
    before = await _held_when_calm(stage, options)
    say(f"{options.rate_per_s:g} tasks a second, {options.seconds:g} s")
    report, stats = await _offer(stage, options, options.seconds, name="journal")
    after = await _held_when_calm(stage, options)
    return MemoryRun(
        report=report,
        samples={role: use.samples for role, use in stats.use().items()},
        before=before,
        after=after,
        folder=stage.scene.folder,
    )


async def _offer(
    stage: Stage, options: MemoryOptions, seconds: float, *, name: str
) -> tuple[Report, ProcessStats]:
    demo, target = options.demo(seconds), stage.target(batched=True)
    stats = ProcessStats(target.pids)
    with Journal(stage.scene.folder / f"{name}.jsonl") as journal:
        loaded = await load(
            target,
            demo.profile,
            # Without those that a policy refuses: every task goes all the way.
            [client for client in stage.clients if client.kind is Kind.GOOD],
            journal=journal,
            limits=LIMITS,
            stats=stats,
            seed=options.seed * 1_000 + len(name),
        )
    return report_of("bench", loaded, demo.profile, deployment=deployment_of(demo), limits=LIMITS), stats


async def _held_when_calm(stage: Stage, options: MemoryOptions) -> Held:
    """What is held when every outcome is written and nothing is under way; else what it is after a while."""
    await until_final(stage.scene, within_s=FINAL_WITHIN_BLOCKS * options.block_time_s)
    control = load_settings(stage.scene.settings).control_socket
    until_s = time.monotonic() + CALM_WITHIN_S
    while True:
        held: Held = await call_gateway(control, "headrace_memory", {})
        if not any(held["under_way"].values()) or time.monotonic() >= until_s:
            return held
        await asyncio.sleep(LOOK_EVERY_S)

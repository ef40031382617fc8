"""Offers one rate after another to one deployment, until the highest that it sustains is found.

Owns      the order of the acts; what the processes used while the load went on.
Promises  a step begins only when everything of the one before is on chain and its outcome is written.
Leaves    which rate is next to `search`, whether it held to `step`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from headrace.app.bench.declaring import Say
from headrace.app.demo.dying import while_alive
from headrace.app.demo.run import CONFIRMATIONS, DemoOptions, Stage, open_stage, until_final
from headrace.app.load.journal import Journal
from headrace.app.load.landing import LiveCounts
from headrace.app.load.process_stats import ProcessStats
from headrace.app.load.profile import OpenLoop
from headrace.app.load.task_source import Kind
from headrace.app.load_run import load, report_of
from headrace.app.report import Deployment, Limits
from headrace.app.throughput.search import Tried, next_rate
from headrace.app.throughput.step import Step, step_of

Recording = Literal["combined", "separate"]

LATE_LIMIT_S: Final = 60.0
FINAL_WITHIN_S: Final = 60.0
LOAD_CLIENT: Final = "load client"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputOptions:
    """`steady_*`: a run before the search, at a rate of its own; no such run where `steady_seconds` is 0."""

    recording: Recording
    start_per_s: int
    steps_max: int
    step_seconds: float
    block_time_s: int
    gas_limit: int
    seed: int
    steady_per_s: int = 0
    steady_seconds: float = 0
    warm_up_per_s: int = 50
    warm_up_s: float = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputRun:
    """`steps` in the order in which they were tried."""

    recording: Recording
    steps: Sequence[Step]
    steady: Step | None

    @property
    def tried(self) -> list[Tried]:
        return [Tried(step.rate_per_s, step.sustained) for step in self.steps]


async def run_throughput(options: ThroughputOptions, *, base: Path, say: Say) -> ThroughputRun:
    """Raises AnvilMissing, DidNotStart (a part that ends while it is needed, too), ChainNotSeen."""
    demo = DemoOptions(
        profile=OpenLoop(rate_per_s=options.start_per_s, seconds=options.step_seconds),
        block_time_s=options.block_time_s,
        gas_limit=options.gas_limit,
        recording=options.recording,
        submitter="batched",
        poison_percent=0,
        limits=Limits(late_limit_s=LATE_LIMIT_S),
        serve=False,
        seed=options.seed,
    )
    async with open_stage(demo, base=base, say=say) as stage:
        return await while_alive(stage, _Throughput(options, stage, say).run())


class _Throughput:
    def __init__(self, options: ThroughputOptions, stage: Stage, say: Say) -> None:
        self._options, self._stage, self._say = options, stage, say
        # Without those that a policy refuses: nothing of them gets to the chain.
        self._clients = [client for client in stage.clients if client.kind is Kind.GOOD]
        self._offered = 0

    async def run(self) -> ThroughputRun:
        options = self._options
        await self._offer(options.warm_up_per_s, options.warm_up_s)
        steady = None
        if options.steady_seconds:
            steady = await self._offer(options.steady_per_s, options.steady_seconds)
        steps: list[Step] = []
        tried: list[Tried] = []
        while rate := next_rate(tried, start=options.start_per_s, steps_max=options.steps_max):
            step = await self._offer(rate, options.step_seconds)
            steps.append(step)
            tried.append(Tried(rate, step.sustained))
        return ThroughputRun(recording=options.recording, steps=steps, steady=steady)

    async def _offer(self, rate: int, seconds: float) -> Step:
        options = self._options
        self._say(f"{options.recording}: {rate} tasks a second, {seconds:g} s")
        self._offered += 1
        profile = OpenLoop(rate_per_s=rate, seconds=seconds)
        limits = Limits(late_limit_s=LATE_LIMIT_S)
        target = self._stage.target(batched=True)
        stats = ProcessStats({**target.pids, LOAD_CLIENT: [os.getpid()]})
        meanwhile = _Meanwhile(stats, seconds)
        with Journal(self._stage.scene.folder / f"journal-{self._offered}.jsonl") as journal:
            loaded = await load(
                target,
                profile,
                self._clients,
                journal=journal,
                limits=limits,
                stats=stats,
                seed=options.seed * 1_000 + self._offered,
                on_counts=meanwhile.saw,
            )
        step = step_of(
            rate,
            seconds,
            report_of("bench", loaded, profile, deployment=self._deployment(), limits=limits),
            journal.entries,
            loaded.run.record,
            started_at_s=loaded.run.started_at_s,
            cpu_s=meanwhile.cpu_s,
            cores=os.cpu_count() or 1,
            gas_limit=options.gas_limit,
            block_time_s=options.block_time_s,
        )
        self._say("  sustained" if step.sustained else f"  not sustained: {step.why_not}")
        await until_final(self._stage.scene, within_s=FINAL_WITHIN_S + CONFIRMATIONS * options.block_time_s)
        return step

    def _deployment(self) -> Deployment:
        return Deployment(
            block_time_s=self._options.block_time_s,
            gas_limit=self._options.gas_limit,
            fork="osaka",
            recording=self._options.recording,
            submitter="batched",
            replicas=1,
            lanes=1,
            store="sqlite",
        )


class _Meanwhile:
    """What the processes used while the load was offered: waiting for the last blocks would make it look less."""

    def __init__(self, stats: ProcessStats, seconds: float) -> None:
        self._stats, self._seconds = stats, seconds
        self._before: Mapping[str, float] | None = None
        self.cpu_s: Mapping[str, float] = {}

    def saw(self, counts: LiveCounts) -> None:
        if self._before is None:
            self._before = self._used()
        elif not self.cpu_s and counts.elapsed_s >= self._seconds:
            before = self._before
            self.cpu_s = {role: cpu_s - before[role] for role, cpu_s in self._used().items()}

    def _used(self) -> Mapping[str, float]:
        self._stats.sample()
        return {role: use.cpu_s for role, use in self._stats.use().items()}

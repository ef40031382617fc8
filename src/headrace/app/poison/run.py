"""One poison run: a stage, a warm-up, then clean and poisoned legs in turn on the same gateway and chain.

Owns      the order of the legs.
Promises  valid tasks come at the same rate in every leg, poison comes on top of them; a leg begins with a fresh
          block and only when everything of the measured one before it has landed and is final.
Leaves    the figures to `comparison`.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from headrace.app.bench.declaring import Say
from headrace.app.demo.dying import while_alive
from headrace.app.demo.run import CONFIRMATIONS, DemoOptions, Stage, open_stage
from headrace.app.load.endings import ask_endings
from headrace.app.load.gateway_calls import GatewayCalls
from headrace.app.load.journal import Accepted, Journal
from headrace.app.load.process_stats import ProcessStats
from headrace.app.load.profile import OpenLoop
from headrace.app.load.task_source import Kind, PolicyClient
from headrace.app.load_run import load, report_of
from headrace.app.poison.comparison import Leg, leg_of
from headrace.app.report import Deployment, Limits
from headrace.app.report_shape import Report

GAS_LIMIT: Final = 120_000_000
LIMITS: Final = Limits(on_time_s=60, late_limit_s=120)
FINAL_WITHIN_BLOCKS: Final = CONFIRMATIONS + 20
HEAD_LOOK_S: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonOptions:
    """`rate_per_s` valid tasks a second. One request of `every` is poison, in poisoned legs. `warm_up_s` is not
    measured: the gateway learns what an item costs, processes reach their pace."""

    rate_per_s: float
    seconds: float
    every: int
    rounds: int
    seed: int
    block_time_s: int = 2
    warm_up_s: float = 6.0

    def profile(self, *, poisoned: bool) -> OpenLoop:
        more = self.every / (self.every - 1) if poisoned else 1.0
        return OpenLoop(rate_per_s=self.rate_per_s * more, seconds=self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonRun:
    legs: Sequence[Leg]
    reports: Sequence[Report]
    folder: Path


async def run_poison(options: PoisonOptions, *, base: Path, say: Say) -> PoisonRun:
    """Raises AnvilMissing, DidNotStart (a part that ends while it is needed, too), ChainNotSeen."""
    demo = DemoOptions(
        profile=options.profile(poisoned=False),
        block_time_s=options.block_time_s,
        gas_limit=GAS_LIMIT,
        recording="combined",
        submitter="batched",
        poison_percent=100 / options.every,
        limits=LIMITS,
        serve=False,
        seed=options.seed,
    )
    async with open_stage(demo, base=base, say=say) as stage:
        return await while_alive(stage, _Poison(options, stage, say).run())


class _Poison:
    def __init__(self, options: PoisonOptions, stage: Stage, say: Say) -> None:
        self._options, self._stage, self._say = options, stage, say
        # Without those that a policy refuses: nothing of them gets to the chain, poisoned or not.
        good, poison = (
            next(client for client in stage.clients if client.kind is kind) for kind in (Kind.GOOD, Kind.POISON)
        )
        self._clean: tuple[PolicyClient, ...] = (good,)
        self._poisoned: tuple[PolicyClient, ...] = (good, replace(poison, every=options.every))
        self._legs: list[Leg] = []
        self._reports: list[Report] = []

    async def run(self) -> PoisonRun:
        rate, seconds, warm_up_s = self._options.rate_per_s, self._options.seconds, self._options.warm_up_s
        self._say(f"warm-up: {rate:g} tasks a second, {warm_up_s:g} s")
        await self._offer(OpenLoop(rate_per_s=rate, seconds=warm_up_s), poisoned=False, measured=False)
        for round_ in range(1, self._options.rounds + 1):
            for poisoned in (False, True):
                kind = f"poisoned, one more in {self._options.every}" if poisoned else "clean"
                self._say(f"round {round_}: {rate:g} valid tasks a second, {seconds:g} s, {kind}")
                await self._offer(self._options.profile(poisoned=poisoned), poisoned=poisoned, measured=True)
        return PoisonRun(legs=self._legs, reports=self._reports, folder=self._stage.scene.folder)

    async def _offer(self, profile: OpenLoop, *, poisoned: bool, measured: bool) -> None:
        target = self._stage.target(batched=True)
        number = len(self._legs)
        await self._next_block()
        with Journal(self._stage.scene.folder / f"journal-{number}.jsonl") as journal:
            loaded = await load(
                target,
                profile,
                self._poisoned if poisoned else self._clean,
                journal=journal,
                limits=LIMITS,
                stats=ProcessStats(target.pids),
                seed=self._options.seed * 1_000 + number,
            )
        if not measured:
            return
        accepted = [entry.operation_id for entry in journal.entries if isinstance(entry.answer, Accepted)]
        async with GatewayCalls(target.gateway_url, clock=time.monotonic) as gateway:
            endings = await ask_endings(
                gateway,
                accepted,
                until_s=time.monotonic() + FINAL_WITHIN_BLOCKS * self._options.block_time_s,
                clock=time.monotonic,
            )
        self._legs.append(leg_of(journal.entries, loaded.run.record, endings, poisoned=poisoned))
        self._reports.append(
            report_of(
                "bench",
                loaded,
                profile,
                deployment=Deployment(
                    block_time_s=self._options.block_time_s,
                    gas_limit=GAS_LIMIT,
                    fork="osaka",
                    recording="combined",
                    submitter="batched",
                    replicas=1,
                    lanes=1,
                    store="sqlite",
                ),
                limits=LIMITS,
            )
        )

    async def _next_block(self) -> None:
        """So that every leg meets its blocks alike: a start in between would be worth up to a block."""
        rpc = self._stage.chain.rpc
        before = await rpc.ask("eth_blockNumber")
        while await rpc.ask("eth_blockNumber") == before:  # noqa: ASYNC110 - the node tells nobody
            await asyncio.sleep(HEAD_LOOK_S)

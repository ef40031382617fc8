"""One chaos run: stage, load, every trouble, kills, calm, the last questions, the judgement.

Owns      the order of the acts.
Promises  kills last as long as tasks are offered, troubles until all have landed once (or some time has passed);
          then it is calm, and the client asks until every operation has ended or the time for that is up; only
          then the chain is read, whole and once.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.app.bench.declaring import Say
from headrace.app.chain_watch import read_all
from headrace.app.chaos import chain_troubles
from headrace.app.chaos.asking import ask_all
from headrace.app.chaos.chain_troubles import ChainTroubles
from headrace.app.chaos.heads import HeadView, check_links, follow_heads
from headrace.app.chaos.hearing import Hearing
from headrace.app.chaos.judgement import Judgement, judge
from headrace.app.chaos.kills import Kill, Kills, kill_moments
from headrace.app.chaos.nodes import REQUEST_TIMEOUT_S
from headrace.app.chaos.nodes_control import NodesControl, start_troubled_nodes
from headrace.app.chaos.told import ToldBook
from headrace.app.demo.access import NodeAccess
from headrace.app.demo.run import REFUSED_PERCENT, DemoOptions, Stage, Windows, open_stage
from headrace.app.demo.writing import Tuning
from headrace.app.load.gateway_calls import GatewayCalls
from headrace.app.load.journal import Accepted, Journal
from headrace.app.load.landing import LiveCounts
from headrace.app.load.measure import innermost
from headrace.app.load.process_stats import ProcessStats
from headrace.app.load.profile import OpenLoop
from headrace.app.load.request import GatewayLimits
from headrace.app.load_run import Loaded, load, report_of
from headrace.app.report import Deployment, Limits
from headrace.app.report_shape import Report
from headrace.testing.anvil import Anvil

BLOCK_TIME_S: Final = 1
GAS_LIMIT: Final = 120_000_000
CONFIRMATIONS: Final = 6
RECEIPT_TIMEOUT_S: Final = 6  # short, so that spikes and drops lead to replacements within the run
# As long as the defaults are with blocks of 12 s: what is too late is no question of how quick our blocks are.
WINDOWS: Final = Windows(creation_blocks=64 * 12 // BLOCK_TIME_S, response_blocks=128 * 12 // BLOCK_TIME_S)
POISON_PERCENT: Final = 3.0
GIVE_UP_S: Final = 120.0  # a request is asked again so long: kills and troubles take much of it
PAUSE_MAX_S: Final = 6.0  # while the gateway is away, those who wait must not be its load when it comes back
LIMITS: Final = Limits(on_time_s=60, late_limit_s=180)
ENDINGS_WITHIN_S: Final = 120.0
TROUBLE_AFTER_ANSWERS_MAX_S: Final = 40.0
# Some of what is offered is refused by its policy, and that is no operation.
OFFERED_MORE: Final = 1 / (1 - REFUSED_PERCENT / 100) * 1.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosOptions:
    """`rate` tasks a second for `seconds`, and a little longer: so many shall be acknowledged."""

    rate_per_s: float
    seconds: float
    kills: int
    seed: int

    @property
    def operations(self) -> int:
        return round(self.rate_per_s * self.seconds)

    @property
    def profile(self) -> OpenLoop:
        return OpenLoop(rate_per_s=self.rate_per_s, seconds=self.seconds * OFFERED_MORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosRun:
    """`troubles`: how often each kind was done; `words`: what the client was told, how often."""

    report: Report
    judgement: Judgement
    troubles: Mapping[str, int]
    old_attempts_brought_back: int
    kills: Sequence[Kill]
    words: Mapping[str, int]
    effects_taken_back: int
    folder: Path


async def run_chaos(options: ChaosOptions, *, base: Path, say: Say) -> ChaosRun:
    """Raises AnvilMissing, DidNotStart (a gateway that ends by itself, too), ChainNotSeen."""
    started: list[NodesControl] = []

    @asynccontextmanager
    async def access(chain: Anvil) -> AsyncIterator[NodeAccess]:
        async with start_troubled_nodes(chain, seed=options.seed) as nodes:
            started.append(nodes)
            yield nodes.access

    demo = DemoOptions(
        profile=options.profile,
        block_time_s=BLOCK_TIME_S,
        gas_limit=GAS_LIMIT,
        recording="combined",
        submitter="batched",
        poison_percent=POISON_PERCENT,
        limits=LIMITS,
        serve=False,
        seed=options.seed,
    )
    tuning: Tuning = {
        "chains.local": {"confirmations": CONFIRMATIONS, "request_timeout_s": REQUEST_TIMEOUT_S},
        "batch_submitter": {"receipt_timeout_s": RECEIPT_TIMEOUT_S},
    }
    try:
        async with (
            open_stage(demo, base=base, say=say, open_access=access, tuning=tuning, windows=WINDOWS) as stage,
            follow_heads(stage.chain.rpc) as heads,
        ):
            return await _Chaos(options, stage, started[0], heads, say).run()
    except BaseExceptionGroup as group:
        raise innermost(group) from group


class _Chaos:
    def __init__(
        self, options: ChaosOptions, stage: Stage, nodes: NodesControl, heads: HeadView, say: Say
    ) -> None:
        self._options, self._stage, self._nodes, self._heads, self._say = options, stage, nodes, heads, say
        self._target = stage.target(batched=True)
        self._stats = ProcessStats(self._target.pids)
        self._kills = Kills(stage, started=lambda pid: self._stats.add("gateway", pid))
        self._all_answered, self._all_landed = asyncio.Event(), asyncio.Event()

    async def run(self) -> ChaosRun:
        folder, options = self._stage.scene.folder, self._options
        # Deeper than any reorg: what was set up before the load stays.
        await self._stage.chain.mine(CONFIRMATIONS + max(chain_troubles.DEPTHS))
        first_block = await self._heads.look() - max(chain_troubles.DEPTHS)
        with (
            Journal(folder / "journal.jsonl", durable=True) as journal,
            ToldBook(folder / "told.jsonl") as told,
            (folder / "troubles.jsonl").open("w") as log,
        ):
            troubles = ChainTroubles(
                self._stage.chain,
                self._heads,
                self._nodes.others,
                block_time_s=BLOCK_TIME_S,
                confirmations=CONFIRMATIONS,
                seconds=options.seconds,
                seed=options.seed,
                log=log,
            )
            loaded = await self._under_fire(journal, told, troubles, first_block)
        await check_links(self._stage.chain, first_block)
        chain = await read_all(self._stage.chain.http_url, self._target.contracts, first_block)
        report = report_of(
            "bench",
            loaded,
            options.profile,
            deployment=Deployment(
                block_time_s=BLOCK_TIME_S,
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
        done = troubles.counts
        return ChaosRun(
            report=report,
            judgement=judge(journal, told, chain),
            troubles=await self._nodes.counts() | {kind: done[kind] for kind in chain_troubles.KINDS},
            old_attempts_brought_back=done[chain_troubles.REVIVED],
            kills=self._kills.done,
            words=dict(told.words),
            effects_taken_back=loaded.run.record.events_removed,
            folder=folder,
        )

    async def _under_fire(
        self, journal: Journal, told: ToldBook, troubles: ChainTroubles, first_block: int
    ) -> Loaded:
        options = self._options
        self._say(f"load: {options.profile.requests} tasks, {options.kills} kills, seed {options.seed}")
        hearing = Hearing(self._stage.gateway.url, journal, told)
        async with asyncio.TaskGroup() as tasks:
            moments = kill_moments(options.kills, options.seconds, seed=options.seed)
            running = [
                tasks.create_task(hearing.run(), name="hearing"),
                tasks.create_task(self._kills.run(moments), name="kills"),
                tasks.create_task(self._while_under_way(troubles), name="troubles"),
            ]
            loaded = await load(
                self._target,
                options.profile,
                self._stage.clients,
                journal=journal,
                limits=LIMITS,
                stats=self._stats,
                seed=options.seed,
                patience=GatewayLimits(give_up_s=GIVE_UP_S, pause_max_s=PAUSE_MAX_S),
                from_block=first_block,
                rejected=told.without_effect,
                on_counts=self._saw_counts,
            )
            self._all_answered.set()
            self._all_landed.set()
            await self._ask_for_ends(journal, told)
            for task in running:
                task.cancel()
        return loaded

    def _saw_counts(self, counts: LiveCounts) -> None:
        if counts.offered >= self._options.profile.requests and not counts.waiting:
            self._all_answered.set()

    async def _while_under_way(self, troubles: ChainTroubles) -> None:
        await self._nodes.trouble(on=True)
        try:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(troubles.run(), name="chain troubles")
                await self._all_answered.wait()
                self._say("every request has its answer; troubles go on until all have landed")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(self._options.seconds / 2, TROUBLE_AFTER_ANSWERS_MAX_S)):
                        await self._all_landed.wait()
                running.cancel()
        finally:
            await self._nodes.trouble(on=False)
        self._say("no trouble from here on")

    async def _ask_for_ends(self, journal: Journal, told: ToldBook) -> None:
        acknowledged = [e.operation_id for e in journal.entries if isinstance(e.answer, Accepted)]
        self._say(f"asking how {len(acknowledged)} operations ended")
        async with GatewayCalls(self._stage.gateway.url, clock=time.monotonic) as gateway:
            left = await ask_all(gateway, acknowledged, told, within_s=ENDINGS_WITHIN_S)
        if left:
            self._say(f"{left} have no end after {ENDINGS_WITHIN_S:g} s")

"""Jobs whose payments are settled while nodes lie, the chain is rewritten and the gateway is killed.

Owns      the order: waves of jobs, so that locks, reports and claims are all under way at every kill; then calm.
Promises  nothing is judged before all kills are done, the trouble is over and the time for settling is up.
Leaves    trouble and kills to `app.chaos`, the judgement to whoever asks.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.app.chain_watch.escrow_read import read_escrow
from headrace.app.chain_watch.escrow_record import EscrowRecord
from headrace.app.chaos.chain_troubles import ChainTroubles
from headrace.app.chaos.heads import HeadView, check_links, follow_heads
from headrace.app.chaos.kills import Kill, Kills, kill_moments
from headrace.app.chaos.nodes import REQUEST_TIMEOUT_S
from headrace.app.chaos.nodes_control import NodesControl, start_troubled_nodes
from headrace.app.claims.due import SETTLED, DueJob, NotInTime, run, start, until
from headrace.app.claims.run import DURATION_S, TIMES
from headrace.app.claims.stage import ClaimStage, StageOptions, open_claim_stage
from headrace.app.demo.access import NodeAccess
from headrace.app.demo.run import until_final
from headrace.app.demo.settlement.rest import JobsClient, Json
from headrace.testing.anvil import Anvil

CONFIRMATIONS: Final = 6
BLOCK_TIME_S: Final = 1
RECEIPT_TIMEOUT_S: Final = 6
WAVES: Final = 4
WITHIN_S: Final = 240.0
PATIENCE_S: Final = 120.0
_CLAIM_EVERY_S: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderFireOptions:
    """`seconds`: how long there are kills and trouble."""

    jobs: int
    kills: int
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderFire:
    """`told`: the jobs as the gateway tells them at the end. `missing`: what did not come in time, in words."""

    jobs: Sequence[DueJob]
    told: Mapping[str, Json]
    settlements: Mapping[str, Json]
    record: EscrowRecord
    payee: bytes
    kills: Sequence[Kill]
    troubles: Mapping[str, int]
    missing: Sequence[str]


async def settle_under_fire(
    options: UnderFireOptions,
    *,
    base: Path,
    say: Callable[[str], None],
) -> UnderFire:
    """Raises AnvilMissing, AnvilFailed, DidNotStart (a gateway that ends by itself, too), Refused."""
    started: list[NodesControl] = []

    @asynccontextmanager
    async def access(chain: Anvil) -> AsyncIterator[NodeAccess]:
        async with start_troubled_nodes(chain, seed=options.seed) as nodes:
            started.append(nodes)
            yield nodes.access

    stage_options = StageOptions(
        payers=max(options.jobs // 4, 1),
        block_time_s=BLOCK_TIME_S,
        confirmations=CONFIRMATIONS,
        times=TIMES,
        singles=0,
        tuning={
            "chains.local": {"request_timeout_s": REQUEST_TIMEOUT_S},
            "batch_submitter": {"receipt_timeout_s": RECEIPT_TIMEOUT_S},
        },
    )
    async with (
        open_claim_stage(stage_options, base=base, say=say, now=time.time(), open_access=access) as stage,
        follow_heads(stage.chain.rpc) as heads,
        JobsClient(stage.gateway.url, patience_s=PATIENCE_S) as client,
    ):
        return await _UnderFire(options, stage, started[0], heads, client, say).run()


class _UnderFire:
    def __init__(
        self,
        options: UnderFireOptions,
        stage: ClaimStage,
        nodes: NodesControl,
        heads: HeadView,
        client: JobsClient,
        say: Callable[[str], None],
    ) -> None:
        self._options, self._stage, self._nodes = options, stage, nodes
        self._heads, self._client, self._say = heads, client, say
        self._kills = Kills(stage, started=lambda pid: None)
        token = stage.contracts.token.address
        self._jobs = [
            DueJob(
                id=f"fire-{i:04d}",
                payer=stage.payers[i % len(stage.payers)].address,
                token=token,
                max_duration_s=DURATION_S,
            )
            for i in range(options.jobs)
        ]

    async def run(self) -> UnderFire:
        stage, options = self._stage, self._options
        # Deeper than any reorg: what was set up before stays.
        await stage.chain.mine(2 * CONFIRMATIONS)
        first_block = await self._heads.look()
        missing: list[str] = []
        with (stage.scene.folder / "troubles.jsonl").open("w") as log:
            troubles = ChainTroubles(
                stage.chain,
                self._heads,
                self._nodes.others,
                block_time_s=BLOCK_TIME_S,
                confirmations=CONFIRMATIONS,
                seconds=options.seconds,
                seed=options.seed,
                log=log,
            )
            killing = asyncio.create_task(
                self._kills.run(kill_moments(options.kills, options.seconds, seed=options.seed)), name="kills"
            )
            try:
                await self._while_killed(killing, troubles, missing)
                told = await self._client.jobs()
                stories = await asyncio.gather(*(self._client.settlement(job.id) for job in self._jobs))
            finally:
                killing.cancel()
                await asyncio.gather(killing, return_exceptions=True)
        await check_links(stage.chain, first_block)
        return UnderFire(
            jobs=self._jobs,
            told=told,
            settlements={job.id: story for job, story in zip(self._jobs, stories, strict=True)},
            record=await read_escrow(
                stage.chain.http_url,
                stage.escrow.address,
                tokens=[stage.contracts.token.address],
                collector=stage.contracts.collector,
                from_block=stage.escrow.block,
            ),
            payee=stage.payee,
            kills=self._kills.done,
            troubles=await self._nodes.counts() | dict(troubles.counts),
            missing=missing,
        )

    async def _while_killed(
        self, killing: "asyncio.Task[None]", troubles: ChainTroubles, missing: list[str]
    ) -> None:
        """A gateway that ends by itself ends all of this."""
        work = asyncio.create_task(self._settle(troubles, missing), name="waves")
        try:
            await asyncio.wait({work, killing}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                killing.result()
                raise AssertionError("the kills keep the last gateway until they are cancelled")
            work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _settle(self, troubles: ChainTroubles, missing: list[str]) -> None:
        self._say(f"{len(self._jobs)} jobs in {WAVES} waves, {self._options.kills} kills")
        await self._nodes.trouble(on=True)
        waves = [self._jobs[wave::WAVES] for wave in range(WAVES)]
        pause_s = self._options.seconds / WAVES
        async with asyncio.TaskGroup() as tasks:
            trouble = tasks.create_task(troubles.run(), name="chain troubles")
            claims = tasks.create_task(self._claim_again_and_again(), name="claim runs")
            going = [
                tasks.create_task(self._wave(wave, index * pause_s, missing), name=f"wave {index}")
                for index, wave in enumerate(waves)
            ]
            await asyncio.sleep(self._options.seconds)
            await self._until(lambda: len(self._kills.done) >= self._options.kills)
            trouble.cancel()
            await self._nodes.trouble(on=False)
            self._say("no trouble from here on")
            await asyncio.wait(going)
            await self._or_missing(
                missing,
                until(
                    self._client,
                    self._jobs,
                    lambda job: job["settlement"] in SETTLED,
                    what="settled payments",
                    within_s=WITHIN_S,
                ),
            )
            claims.cancel()
        await until_final(self._stage.scene, within_s=60)

    async def _wave(self, jobs: Sequence[DueJob], after_s: float, missing: list[str]) -> None:
        await asyncio.sleep(after_s)
        await start(self._client, jobs)
        locked = until(
            self._client,
            jobs,
            lambda job: job["settlement"] == "unsettled",
            what="locks on chain",
            within_s=WITHIN_S,
            never=SETTLED,
        )
        if await self._or_missing(missing, locked):
            await run(self._client, jobs)

    async def _or_missing(self, missing: list[str], waiting: Awaitable[object]) -> bool:
        try:
            await waiting
        except NotInTime as error:
            missing.append(str(error))
            return False
        return True

    async def _claim_again_and_again(self) -> None:
        while True:
            await self._client.claim_now()
            await asyncio.sleep(_CLAIM_EVERY_S)

    async def _until(self, holds: Callable[[], bool]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                while not holds():  # noqa: ASYNC110 - processes come and go by themselves
                    await asyncio.sleep(0.1)

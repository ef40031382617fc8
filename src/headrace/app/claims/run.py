"""Brings jobs to where their payment is due, has all of them claimed at once, and reads what came of it.

Owns      the order: first those whose locks expire too soon to be claimed, which no claim run may touch; then all
          the others, at once; then the end of those that came too late.
Promises  only REST is spoken to the gateway; whoever waits gives up after a while, with what is missing.
Leaves    what must hold to the bench.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.app.bench.progress import BenchProgress
from headrace.app.chain_watch.escrow_read import read_escrow
from headrace.app.claims.due import SETTLED, DueJob, run, start, until
from headrace.app.claims.found import ClaimsFound, found
from headrace.app.claims.pool_watch import PoolWatch
from headrace.app.claims.stage import ClaimStage, StageOptions, open_claim_stage
from headrace.app.demo.run import until_final
from headrace.app.demo.settlement.one_by_one import Measured
from headrace.app.demo.settlement.rest import JobsClient
from headrace.app.demo.settlement.writing import Times
from headrace.app.load.process_stats import ProcessStats
from headrace.jobs.schedule import CLOCK_SLACK_S

MARGIN_S: Final = 40
TIMES: Final = Times(
    payment_claim_interval_s=300,
    payment_claim_initial_delay_s=300,
    claim_margin_s=MARGIN_S,
    claim_duration_timeout_s=300,
)
LATE_DURATION_S: Final = 5
LATE_LOCK_S: Final = 25  # less than the margin: alive, and too late to be claimed
DURATION_S: Final = 150
WITHIN_S: Final = 300.0
_ASKED_WHILE_TOO_LATE: Final = 4
_PAUSE_S: Final = 2.0
_LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsRun:
    """`claim_s`: from the claim run that took them until all were settled; `gateway_cpu_s` meanwhile. `jobs` are
    those that were due, `late` those that came too late."""

    found: ClaimsFound
    measured: Measured
    jobs: int
    late: int
    states: Mapping[str, int]
    claim_s: float
    gateway_cpu_s: float
    folder: Path


async def run_claims(
    *, jobs: int, late: int, linear: bool, block_time_s: int, base: Path, say: Callable[[str], None]
) -> ClaimsRun:
    """Raises AnvilMissing, AnvilFailed, DidNotStart, DidNotSucceed, NotInTime, Refused, NodeUnreachable."""
    options = StageOptions(
        payers=jobs,
        linear=linear,
        block_time_s=block_time_s,
        times=TIMES,
        lag_s=TIMES.claim_duration_timeout_s + LATE_DURATION_S - LATE_LOCK_S,
    )
    async with (
        open_claim_stage(options, base=base, say=say, now=time.time()) as stage,
        JobsClient(stage.gateway.url) as client,
    ):
        return await _Claims(stage, client, jobs, late, say).run()


class _Claims:
    def __init__(
        self, stage: ClaimStage, client: JobsClient, jobs: int, late: int, say: Callable[[str], None]
    ) -> None:
        self._stage, self._client, self._say = stage, client, say
        self._jobs = [self._job(f"due-{i:05d}", i, DURATION_S) for i in range(jobs)]
        self._late = [self._job(f"late-{i:03d}", i, LATE_DURATION_S) for i in range(late)]
        self._pool = PoolWatch(stage.chain, stage.payee)
        self._stats = ProcessStats({"gateway": [stage.gateway.pid]})

    def _job(self, id: str, index: int, duration_s: int) -> DueJob:
        payer = self._stage.payers[index % len(self._stage.payers)].address
        return DueJob(id=id, payer=payer, token=self._stage.contracts.token.address, max_duration_s=duration_s)

    async def run(self) -> ClaimsRun:
        stage = self._stage
        watching = asyncio.create_task(self._pool.run(), name="pool watch")
        try:
            await self._too_late()
            await self._bring()
            claim_s, cpu_s = await self._claim()
            states = await self._end_of_the_late()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        record = await read_escrow(
            stage.chain.http_url,
            stage.escrow.address,
            tokens=[stage.contracts.token.address],
            collector=stage.contracts.collector,
            from_block=stage.escrow.block,
        )
        assert stage.measured is not None
        return ClaimsRun(
            found=found(record, payee=stage.payee, margin_s=MARGIN_S, offered=self._pool.offered),
            measured=stage.measured,
            jobs=len(self._jobs),
            late=len(self._late),
            states=states,
            claim_s=claim_s,
            gateway_cpu_s=cpu_s,
            folder=stage.scene.folder,
        )

    async def _too_late(self) -> None:
        """Due, alive on chain, and within the margin: claim runs that are asked for meanwhile must leave them."""
        self._say(f"{len(self._late)} jobs whose locks expire within the margin")
        await start(self._client, self._late)
        await self._until_locked(self._late)
        await self._stage.catch_up()
        await run(self._client, self._late)
        for _ in range(_ASKED_WHILE_TOO_LATE):
            await self._client.claim_now()
            await asyncio.sleep(_PAUSE_S)

    async def _bring(self) -> None:
        self._say(f"{len(self._jobs)} jobs of different payers, up to where their payment is due")
        await start(self._client, self._jobs)
        await self._until_locked(self._jobs)
        locked_at = await self._stage.chain.height()
        await run(self._client, self._jobs)
        # A claim run goes by locks that are final.
        while await self._stage.chain.height() < locked_at + self._stage.confirmations:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)

    async def _until_locked(self, jobs: list[DueJob]) -> None:
        with BenchProgress("locks", len(jobs)) as progress:
            await until(
                self._client,
                jobs,
                lambda job: job["settlement"] == "unsettled",
                what="locks on chain",
                within_s=WITHIN_S,
                each=progress.update,
                never=SETTLED,
            )

    async def _claim(self) -> tuple[float, float]:
        self._say("one claim run")
        self._stats.sample()
        before_s, began_s = self._stats.use()["gateway"].cpu_s, time.monotonic()
        await self._client.claim_now()
        with BenchProgress("settled", len(self._jobs)) as progress:
            await until(
                self._client,
                self._jobs,
                lambda job: job["settlement"] in SETTLED,
                what="settled payments",
                within_s=WITHIN_S,
                each=progress.update,
            )
        took_s = time.monotonic() - began_s
        self._stats.sample()
        return took_s, self._stats.use()["gateway"].cpu_s - before_s

    async def _end_of_the_late(self) -> dict[str, int]:
        """They expire, are cancelled by a run, and all goes back."""
        expiries = [int((await self._client.settlement(job.id))["lock"]["expiry"]) for job in self._late]
        await asyncio.sleep(max(max(expiries, default=0) + CLOCK_SLACK_S + 1 - time.time(), 0))
        await self._client.claim_now()
        told = await until(
            self._client,
            self._late,
            lambda job: job["settlement"] in SETTLED,
            what="cancelled locks",
            within_s=WITHIN_S,
        )
        await until_final(self._stage.scene, within_s=60)
        states: dict[str, int] = {}
        for job in told.values():
            states[job["settlement"]] = states.get(job["settlement"], 0) + 1
        return states

"""What happens in a settlement demo, in order: jobs are asked for, run, spoiled, ended and settled.

Owns      the order of the acts, and what was asked for when.
Promises  it ends: whoever waits, waits no longer than `WITHIN_S`; what is missing then is told to the judgement.
Leaves    who does what to `cast` and `outside`, what came of it to `judging`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from headrace.app.bench.progress import BenchProgress
from headrace.app.demo.settlement.cast import LATE_PARTS, OUTSIDE_PARTS, Casting, Part
from headrace.app.demo.settlement.outside import (
    EngineElsewhere,
    cancel_as_stranger,
    claim_by_hand,
    locked_now,
    take_money_back,
)
from headrace.app.demo.settlement.rest import JobsClient, Json, Refused
from headrace.app.demo.settlement.stage import SettlementStage
from headrace.jobs.schedule import CLOCK_SLACK_S

WITHIN_S: Final = 180.0
_LOOK_S: Final = 0.5
_TROUBLED_MAX: Final = 20  # jobs that travel with the trickster's
_RUNNING: Final = 40
_SETTLED: Final = frozenset({"free", "claimed", "released", "canceled", "no_lock"})
_CLAIM_AGAIN_S: Final = 6.0


@dataclass(slots=True)
class Played:
    """`asked_at_s` and `http_s`, by job, on the monotonic clock. `jobs` and `settlements`: as the gateway tells
    them at the end."""

    castings: Sequence[Casting]
    asked_at_s: dict[str, float] = field(default_factory=dict)
    http_s: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, Json] = field(default_factory=dict)
    settlements: dict[str, Json] = field(default_factory=dict)
    runs: list[Json] = field(default_factory=list)
    claimed_by_hand: bytes | None = None
    canceled_by_stranger: bytes | None = None
    missing: list[str] = field(default_factory=list)

    def part(self, *parts: Part) -> list[Casting]:
        return [one for one in self.castings if one.part in parts]


class Play:
    def __init__(
        self,
        stage: SettlementStage,
        castings: Sequence[Casting],
        *,
        block_time_s: int,
        say: Callable[[str], None],
    ) -> None:
        self._stage, self._block_time_s, self._say = stage, block_time_s, say
        self.played = Played(castings)
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun: set[str] = set()
        self._stopping: set[str] = set()

    async def run(self) -> Played:
        """Raises Refused where the gateway refuses what it must not, DidNotSucceed."""
        stage, played = self._stage, self.played
        async with JobsClient(stage.gateway.url) as client:
            self._engine = EngineElsewhere(client)
            self._client = client
            try:
                await self._late_ones()
                await self._beneath_the_lock()
                await self._all_others()
                await self._until_all_ran()
                if not played.missing:
                    await self._settle()
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
            played.jobs = await client.jobs()
            ids = [one.id for one in played.castings if one.id in played.jobs]
            told = await asyncio.gather(*(client.settlement(id) for id in ids))
            played.settlements = dict(zip(ids, told, strict=True))
            played.runs = await client.claim_runs()
        return played

    # ---- The acts

    async def _late_ones(self) -> None:
        """Their locks are made while the chain is behind the clock, so that they are old once it has caught up."""
        late = self.played.part(*LATE_PARTS)
        self._say(f"{len(late)} jobs whose engine will report too late")
        await self._start(late)
        await self._until(lambda jobs: len(locked_now(jobs, late)) == len(late), "locks of late jobs")
        await asyncio.gather(*(self._engine.begin(one) for one in late))
        self._begun |= {one.id for one in late}
        await self._stage.catch_up()

    async def _beneath_the_lock(self) -> None:
        """One payer takes its money back in the block that should lock it; others travel in the same batch."""
        (tricked,) = self.played.part(Part.WITHDRAWN)
        beside = self.played.part(Part.GOOD)[:_TROUBLED_MAX]
        self._say("a payer takes its money back beneath the lock")
        await self._stage.chain.pause()
        try:
            await take_money_back(self._stage)
            await self._start([tricked, *beside])
        finally:
            await self._stage.chain.resume(self._block_time_s)

    async def _all_others(self) -> None:
        rest = [one for one in self.played.castings if one.id not in self.played.asked_at_s]
        self._say(f"{len(rest)} jobs more")
        await self._start(rest)

    async def _until_all_ran(self) -> None:
        castings = self.played.castings
        with BenchProgress("jobs ran", len(castings)) as progress:

            def all_over(jobs: Mapping[str, Json]) -> bool:
                over = [one for one in castings if one.id in jobs and jobs[one.id]["result"] is not None]
                progress.update(len(over))
                return len(over) + len(self.played.refused) == len(castings)

            await self._until(all_over, "ends of runs", also=self._move)

    async def _settle(self) -> None:
        late = self.played.part(Part.LATE)
        expiries = [await self._expiry(one) for one in late]
        pause_s = max((e for e in expiries if e is not None), default=0) + CLOCK_SLACK_S + 1 - time.time()
        if pause_s > 0:
            self._say(f"late locks count as expired in {pause_s:.0f} s")
            await asyncio.sleep(min(pause_s, WITHIN_S))
        self._say("one lock is claimed by hand, then all others by a claim run")
        (by_hand,) = self.played.part(Part.BY_HAND)
        told = await self._client.settlement(by_hand.id)
        if told["state"] == "due":
            self.played.claimed_by_hand = await claim_by_hand(self._stage, told)
        await self._client.claim_now()
        asked_at = time.monotonic()
        with BenchProgress("jobs settled", len(self.played.castings)) as progress:

            def all_settled(jobs: Mapping[str, Json]) -> bool:
                settled = sum(jobs[one.id]["settlement"] in _SETTLED for one in self._accepted(jobs))
                progress.update(settled)
                return settled == len(self._accepted(jobs))

            async def claim_again(jobs: Mapping[str, Json]) -> None:
                # What was cut out is due again, and a regular run would come by itself: we are in a hurry.
                nonlocal asked_at
                due = any(job["settlement"] == "due" for job in jobs.values())
                if due and time.monotonic() - asked_at > _CLAIM_AGAIN_S:
                    asked_at = time.monotonic()
                    await self._client.claim_now()

            await self._until(all_settled, "settlements", also=claim_again)

    # ---- What they are made of

    async def _start(self, castings: Sequence[Casting]) -> None:
        await asyncio.gather(*(self._start_one(one) for one in castings))

    async def _start_one(self, casting: Casting) -> None:
        asked_at_s = self.played.asked_at_s[casting.id] = time.monotonic()
        try:
            await self._client.start(casting.body)
        except Refused as refused:
            self.played.refused[casting.id] = str(refused)
        self.played.http_s[casting.id] = time.monotonic() - asked_at_s

    async def _move(self, jobs: Mapping[str, Json]) -> None:
        """Whoever waits for a job does what is to be done now."""
        await self._end_late(jobs)
        elsewhere = [one for one in self.played.part(*OUTSIDE_PARTS) if one.id not in self._begun]
        for one in locked_now(jobs, elsewhere):
            self._begun.add(one.id)
            self._spawn(self._engine.begin(one), f"engine elsewhere: {one.id}")
        for one in self.played.part(Part.STOPPED):
            if one.id not in self._stopping and jobs.get(one.id, {}).get("status") == _RUNNING:
                self._stopping.add(one.id)
                await self._client.stop(one.id)
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            task.result()

    async def _end_late(self, jobs: Mapping[str, Json]) -> None:
        """Once their locks have expired on chain: first the stranger, then the engine's reports."""
        late = [one for one in self.played.part(*LATE_PARTS) if one.id not in self._stopping]
        if not late or not await self._expired(late):
            return
        self._stopping |= {one.id for one in late}
        for one in late:
            if one.part is Part.LATE_AND_CANCELED:
                self.played.canceled_by_stranger = await cancel_as_stranger(self._stage, jobs[one.id])
            await self._engine.end(one)

    async def _expired(self, castings: Iterable[Casting]) -> bool:
        now = await self._stage.now_on_chain()
        for one in castings:
            expiry = await self._expiry(one)
            if expiry is None or expiry >= now:
                return False
        return True

    async def _expiry(self, casting: Casting) -> int | None:
        lock = (await self._client.settlement(casting.id))["lock"]
        return None if lock is None else int(lock["expiry"])

    def _accepted(self, jobs: Mapping[str, Json]) -> list[Casting]:
        return [one for one in self.played.castings if one.id in jobs]

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        self._tasks.add(asyncio.create_task(work, name=name))

    async def _until(
        self,
        holds: Callable[[Mapping[str, Json]], bool],
        what: str,
        *,
        also: Callable[[Mapping[str, Json]], Awaitable[None]] | None = None,
    ) -> None:
        give_up_at = time.monotonic() + WITHIN_S
        while not holds(jobs := await self._client.jobs()):
            if time.monotonic() > give_up_at:
                self.played.missing.append(f"{what}: not all of them within {WITHIN_S:g} s")
                return
            if also is not None:
                await also(jobs)
            await asyncio.sleep(_LOOK_S)

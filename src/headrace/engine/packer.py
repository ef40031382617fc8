"""Closes what waits into batches, at the right moment, for one lane.

Owns      the moment of a flush and what it takes: claim, pack, simulate, seal, send.
Promises  a flush that fails anywhere before the seal returns what it claimed; what cannot be built ends alone.
Leaves    the rules to `core.flush` and `core.packing`, transactions to the lane runner.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from headrace.core.flush import BlockTimes, FlushPolicy, Lead, flush_at
from headrace.core.operation import Ending, Return
from headrace.core.packing import Batch
from headrace.core.ports import (
    Announce,
    Clock,
    LaneDrained,
    NodeTrouble,
    NotClaimed,
    Note,
    OperationStore,
    Waiting,
    Workload,
)
from headrace.core.words import Block, BlockNumber, OperationId
from headrace.engine.gas_needed import GasPlan
from headrace.engine.lane_runner import LaneRunner
from headrace.engine.room import Room
from headrace.engine.simulator import BatchRefused, Sifted, Simulator
from headrace.engine.story import told_return
from headrace.engine.telling import endings_told
from headrace.engine.unfit import sort_out, too_large, unbuildable

log = logging.getLogger(__name__)

REMEMBERED_S: Final = 60.0


class Packer:
    def __init__(
        self,
        *,
        store: OperationStore,
        lane: LaneRunner,
        simulator: Simulator,
        workloads: Sequence[Workload],
        room: Room,
        clock: Clock,
        announce: Announce,
        policy: FlushPolicy,
        blocks: BlockTimes,
    ) -> None:
        self._store, self._lane, self._simulator = store, lane, simulator
        self._workloads, self._room, self._clock = workloads, room, clock
        self._announce, self._policy, self._blocks = announce, policy, blocks
        self._turns = 0  # flushes so far
        self._lead = Lead()
        self._woken = asyncio.Event()
        self._ready = 0  # a hint: the store knows
        self._ready_since: float | None = None
        self._full = 1  # so many ready ones fill a batch, as of the last look
        self._came_back = False  # an operation that this flush claimed, and may be ready again
        self._looks = 0  # how often the store was asked
        self._backlog = 0
        self._last_flush_at = 0.0
        self._poor: str | None = None  # why nothing can be paid for now
        self._failed: tuple[str, float] | None = None  # why the last flush could do nothing, and when
        self._drained_at: float | None = None  # a person said then: no new batch

    @property
    def hindrance(self) -> str | None:
        """Why nothing is being sent, for people. What a flush failed by holds until one succeeds, or until nothing
        waits any more that could show whether it is mended."""
        if self._drained_at is not None:
            since = datetime.fromtimestamp(self._drained_at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
            return (
                f"lane 0x{self._lane.address.hex()} was drained by the operator of this service at {since}: it "
                "seals no batch until it is resumed"
            )
        if self._poor is not None or self._failed is None:
            return self._poor
        reason, at = self._failed
        return reason if self._backlog or self._clock.now() - at < REMEMBERED_S else None

    @property
    def drained(self) -> bool:
        return self._drained_at is not None

    # ---- What others tell

    def drain(self, at: float | None) -> None:
        """No flush from now on; a person said so `at` that time. None: it works (again)."""
        self._drained_at = at
        self._woken.set()

    def noticed(self, count: int) -> None:
        """So many operations more are ready, or there is room again."""
        first = self._ready == 0
        if count and first:
            self._ready_since = self._clock.now()
        fills = self._ready < self._full <= self._ready + count
        self._ready += count
        self._backlog += count
        # Not for each operation: between the first and the one that fills a batch nothing is due any earlier.
        if first or fills or not count:
            self._woken.set()

    def backlog(self) -> int:
        """Operations that are saved and not sealed: as of the newest head or flush, and what was noticed since."""
        return self._backlog

    def due(self) -> int:
        """How many a flush would find, as far as is known; 0 after one that could do nothing."""
        return self._ready

    async def saw_head(self, block: Block) -> None:
        """Ends what can no longer land, and counts anew what is ready."""
        await self._recount(head=block.number)
        if self._ready and not self._room.free_gas() and not self._lane.gas_in_flight():
            # No flush is ever due; what would have said why is part of one.
            self._failed_by(self._room.cramped(block) or "there is no room in a block for any operation")
        if self._poor is not None or self._room.funds_in_doubt:
            # Also while nothing waits: whoever asks whether we are ready should hear of an empty account now.
            try:
                self._poor = self._lane.priced_out(block) or await self._room.unfunded(block)
            except NodeTrouble as trouble:
                self._failed_by(f"no node answers: {trouble}")
        self._woken.set()

    async def recount(self) -> None:
        await self._recount(head=None)

    async def _recount(self, *, head: BlockNumber | None) -> None:
        waiting = await self._look(head)
        if waiting.overdue and head is not None:
            now = self._clock.now()
            self._tell(await self._store.end_overdue(now=now, head=head, chain=self._lane.chain))
            waiting = await self._look(head)
        self._looks += 1
        self._backlog = waiting.backlog
        self._count(waiting.ready)
        self._woken.set()

    async def _look(self, head: BlockNumber | None) -> Waiting:
        return await self._store.look(
            chain=self._lane.chain,
            lane=self._lane.address,
            workloads=[workload.name for workload in self._workloads],
            now=self._clock.now(),
            head=head,
        )

    def _count(self, ready: int) -> None:
        self._ready = ready
        if ready == 0:
            self._ready_since = None
        elif self._ready_since is None:
            self._ready_since = self._clock.now()

    def batch_met_block(self, *, taken: bool, sent_before_s: float) -> None:
        """The first block seen after a batch was sent did or did not take it, though it had room."""
        interval = self._blocks.interval_s
        if taken and sent_before_s <= 1.5 * self._lead.seconds:
            self._lead.hit()
        elif not taken and interval is not None and sent_before_s >= 0.8 * self._lead.seconds:
            # Only a batch that was sent in time has missed: one that was full just before the block could not.
            self._lead.missed(interval)

    # ---- The loop

    async def run(self) -> None:
        while True:
            await self._until_due()
            await self._flush()

    async def _until_due(self) -> None:
        while True:
            self._woken.clear()
            now = self._clock.now()
            due = None
            self._full = self._room.full()
            if not self.drained and self._lane.free_transactions() > 0 and self._room.free_gas() > 0:
                due = flush_at(
                    waiting_since=self._ready_since if self._ready else None,
                    full=self._ready >= self._full,
                    last_flush_at=self._last_flush_at,
                    now=now,
                    blocks=self._blocks,
                    lead_s=self._lead.seconds,
                    policy=self._policy,
                )
            if due is not None and due <= now:
                return
            await self._woken_or(None if due is None else due - now)

    async def _woken_or(self, seconds: float | None) -> None:
        waits: set[asyncio.Task[object]] = {asyncio.create_task(self._woken.wait())}
        if seconds is not None:
            waits.add(asyncio.create_task(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _flush(self) -> None:
        if self.drained:
            return
        # What is not taken now waits from now on: with the moment of those that are, the next flush would be due
        # at once, and would go on like that with the few that came during each.
        started = self._last_flush_at = self._ready_since = self._clock.now()
        head, failed_before = self._lane.head, self._failed
        assert head is not None
        try:
            self._poor = self._lane.priced_out(head) or await self._room.unfunded(head)
            if self._poor is None:
                moved = [await self._flush_workload(workload, head) for workload in self._in_turn()]
                self._lead.took(self._clock.now() - started)
                if any(moved):
                    if self._failed is failed_before:
                        self._failed = None
                    return
                if self._ready and (cramped := self._room.cramped(head)) is not None:
                    self._failed_by(cramped)
            else:
                log.warning("lane 0x%s: %s", self._lane.address.hex(), self._poor)
        except NodeTrouble as trouble:
            self._failed_by(f"no node answers: {trouble}")
        except BatchRefused as refused:
            self._failed_by(str(refused))
        # Nothing was lost and nothing can be done now. The next head, or the interval, tries again.
        self._ready, self._ready_since = 0, None

    def _in_turn(self) -> Sequence[Workload]:
        """Each flush begins with another workload: who floods the lane leaves every other its first choice of the
        room in one flush of as many as there are workloads."""
        self._turns += 1
        first = self._turns % len(self._workloads)
        return [*self._workloads[first:], *self._workloads[:first]]

    def _failed_by(self, reason: str) -> None:
        self._failed = (reason, self._clock.now())
        log.warning("lane 0x%s: %s", self._lane.address.hex(), reason)

    async def _flush_workload(self, workload: Workload, head: Block) -> bool:
        """Whether anything left the queue by it."""
        most, before, looks = self._room.claim_most(workload), self._ready, self._looks
        claimed = await self._store.claim_ready(
            chain=self._lane.chain,
            lane=self._lane.address,
            workload=workload.name,
            most=most,
            now=self._clock.now(),
        )
        open_claims = {operation.id for operation in claimed}
        self._came_back = False
        try:
            sound, unfit = sort_out(workload, claimed, by=self._next_block_at())
            await self._end(unfit, open_claims)
            for form in (f for f in workload.forms if any(o.form == f for o in sound)):
                of_form = [o for o in sound if o.form == form]
                self._room.saw_item(workload, form, workload.size(of_form[-1]))
                packed = self._room.pack(workload, form, of_form)
                await self._end(too_large(packed.too_large), open_claims)
                await self._send_batches(workload, form, packed.batches, head, open_claims)
        finally:
            if open_claims:
                await self._store.release(open_claims)
        if open_claims or self._came_back:
            await self.recount()
        elif (
            looks == self._looks
        ):  # else a head came meanwhile: its count is too high at worst, which costs a look
            # All that was claimed has left the queue, which need not be read again to know what is in it.
            came_meanwhile = max(self._ready - before, 0)
            emptied = len(claimed) < most and len(self._workloads) == 1
            self._backlog = max(self._backlog - len(claimed), 0)
            self._count(came_meanwhile if emptied else max(self._ready - len(claimed), 0))
        return len(open_claims) < len(claimed)

    def _next_block_at(self) -> float:
        """Where blocks come by the clock; elsewhere nobody knows when the next one is due."""
        now = self._clock.now()
        expected = self._blocks.next_after(now) if self._policy.mode == "block" else None
        return expected or now

    async def _send_batches(
        self,
        workload: Workload,
        form: str,
        batches: Sequence[Batch],
        head: Block,
        open_claims: set[OperationId],
    ) -> bool:
        """Whether younger ones may go on: they do not take the room that one of these waits for."""
        plan = GasPlan(partial(self._room.gas_limit_of, workload, form), self._room.gas_left_when_empty())
        runs = [self._simulator.sift(workload, form, batch.operations, head=head, plan=plan) for batch in batches]
        sifted = await asyncio.gather(*runs, return_exceptions=True)
        go_on = True
        for batch, result in zip(batches, sifted, strict=True):
            if isinstance(result, BaseException):
                await self._end(unbuildable(workload, batch.operations, result), open_claims)
                continue
            await self._save_judgements(result, open_claims)
            if result.standing and go_on:
                go_on = await self._seal(workload, form, batch, result, head, open_claims)
        return go_on

    async def _seal(
        self,
        workload: Workload,
        form: str,
        batch: Batch,
        sifted: Sifted,
        head: Block,
        open_claims: set[OperationId],
    ) -> bool:
        """Whether younger ones may go on."""
        if sifted.gas_limit is not None:
            batch = Batch(sifted.standing, sifted.gas_limit)
            # It may be more than it was packed for, and one before it may have taken more than that.
            if batch.gas_limit > self._room.gas_left() or not self._room.transactions(workload, form):
                return await self._make_room(workload, form, batch, head, open_claims)
        elif len(sifted.standing) < len(batch.operations):
            batch = Batch(sifted.standing, self._room.gas_limit_of(workload, form, sifted.standing))
        call = workload.call(form, batch.operations, strict=False)
        fees = self._lane.fees(head)
        try:
            await self._lane.seal_and_send(workload=workload, form=form, batch=batch, call=call, fees=fees)
        except LaneDrained as drained:
            log.info("%s; what was claimed for it is queued again", drained)
            return True
        except NotClaimed as lost:
            # One was cancelled, or expired, or its predecessor was uncled, since we claimed it. Nothing is saved,
            # no nonce is spent: its neighbours travel with the next flush.
            log.info("lane 0x%s: %s", self._lane.address.hex(), lost)
            return True
        open_claims.difference_update(o.id for o in batch.operations)
        self._room.spend(batch.gas_limit * fees.max_fee_wei)
        return True

    async def _make_room(
        self, workload: Workload, form: str, batch: Batch, head: Block, open_claims: set[OperationId]
    ) -> bool:
        """For a batch for which there is none now: it waits for what is in flight, and goes in parts where waiting
        would not help. Whether younger ones may go on."""
        most = self._room.gas_left_when_empty()
        if batch.gas_limit <= most:
            left = self._room.gas_left()
            told = f"a batch needs {batch.gas_limit} gas and {left} are left: it waits for what is in flight"
            log.info("lane 0x%s: %s", self._lane.address.hex(), told)
            return False
        if (middle := len(batch.operations) // 2) > 0:
            halves = [
                Batch(part, self._room.gas_limit_of(workload, form, part))
                for part in (batch.operations[:middle], batch.operations[middle:])
            ]
            return await self._send_batches(workload, form, halves, head, open_claims)
        one = f"operation {batch.operations[0].id} needs"
        if most < self._room.most_gas():
            self._failed_by(f"{one} more gas than the lane's account can pay for, {most}: send coin to it")
        else:
            self._failed_by(f"{one} more gas than this lane's share of a block, {most}: raise block_share")
        return True

    # ---- What cannot travel

    async def _end(self, endings: Sequence[Ending], open_claims: set[OperationId]) -> None:
        await self._save_judgements(Sifted((), tuple(endings), ()), open_claims)

    async def _save_judgements(self, sifted: Sifted, open_claims: set[OperationId]) -> None:
        if not sifted.endings and not sifted.returns:
            return
        now = self._clock.now()
        written = await self._store.judge(
            sifted.endings,
            sifted.returns,
            now=now,
            notes=[Note(subject=r.operation, text=_told(r, now=now)) for r in sifted.returns],
        )
        self._came_back = self._came_back or bool(sifted.returns)
        judged: list[Ending | Return] = [*sifted.endings, *sifted.returns]
        open_claims.difference_update(j.operation for j in judged)
        self._tell(written)

    def _tell(self, endings: Sequence[Ending]) -> None:
        for news in endings_told(endings, at=self._clock.now()):
            self._announce(news)


def _told(returned: Return, *, now: float) -> str:
    return f"found by simulation, before anything was sent: {told_return(returned, now=now)}"

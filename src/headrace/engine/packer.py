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
from headrace.core.operation import Ending, Operation, Return
from headrace.core.packing import Batch, Packed
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
from headrace.core.words import Block, BlockNumber, OperationId, Outcome
from headrace.engine.deadlines import misses_next_block
from headrace.engine.lane_runner import LaneRunner
from headrace.engine.room import Room
from headrace.engine.simulator import BatchRefused, GasPlan, Sifted, Simulator
from headrace.engine.story import told_return
from headrace.engine.telling import endings_told

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
        head = self._lane.head
        assert head is not None
        try:
            self._poor = self._lane.priced_out(head) or await self._room.unfunded(head)
            if self._poor is None:
                moved = [await self._flush_workload(workload, head) for workload in self._in_turn()]
                self._lead.took(self._clock.now() - started)
                if any(moved):
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
            sound = await self._weed_out(workload, claimed, open_claims)
            for form in (f for f in workload.forms if any(o.form == f for o in sound)):
                packed = self._room.pack(workload, form, [o for o in sound if o.form == form])
                await self._judge_too_large(packed, open_claims)
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

    async def _send_batches(
        self,
        workload: Workload,
        form: str,
        batches: Sequence[Batch],
        head: Block,
        open_claims: set[OperationId],
    ) -> None:
        plan = GasPlan(partial(self._room.gas_limit_of, workload, form), self._room.most_gas())
        runs = [self._simulator.sift(workload, form, batch.operations, head=head, plan=plan) for batch in batches]
        sifted = await asyncio.gather(*runs, return_exceptions=True)
        for batch, result in zip(batches, sifted, strict=True):
            if isinstance(result, BaseException):
                await self._end_unbuildable(workload, batch, result, open_claims)
                continue
            await self._save_judgements(result, open_claims)
            if result.standing:
                await self._seal(workload, form, batch, result, head, open_claims)

    async def _seal(
        self,
        workload: Workload,
        form: str,
        batch: Batch,
        sifted: Sifted,
        head: Block,
        open_claims: set[OperationId],
    ) -> None:
        if len(sifted.standing) < len(batch.operations):
            batch = Batch(sifted.standing, self._room.gas_limit_of(workload, form, sifted.standing))
        if sifted.gas_limit is not None:
            batch = Batch(batch.operations, sifted.gas_limit)
            if batch.gas_limit > self._room.most_gas():
                await self._make_room(workload, form, batch, head, open_claims)
                return
        call = workload.call(form, batch.operations, strict=False)
        fees = self._lane.fees(head)
        try:
            await self._lane.seal_and_send(workload=workload, form=form, batch=batch, call=call, fees=fees)
        except LaneDrained as drained:
            log.info("%s; what was claimed for it is queued again", drained)
            return
        except NotClaimed as lost:
            # One was cancelled, or expired, or its predecessor was uncled, since we claimed it. Nothing is saved,
            # no nonce is spent: its neighbours travel with the next flush.
            log.info("lane 0x%s: %s", self._lane.address.hex(), lost)
            return
        open_claims.difference_update(o.id for o in batch.operations)
        self._room.spend(batch.gas_limit * fees.max_fee_wei)

    async def _make_room(
        self, workload: Workload, form: str, batch: Batch, head: Block, open_claims: set[OperationId]
    ) -> None:
        """For a batch that was found to need more than it was packed for: it waits for what is in flight, and goes
        in parts where waiting would not help."""
        reason = f"a batch needs {batch.gas_limit} gas, and there is room and coin for {self._room.most_gas()} now"
        if self._lane.gas_in_flight():
            log.info("lane 0x%s: %s; it waits for what is in flight", self._lane.address.hex(), reason)
        elif (fewer := len(batch.operations) // 2) > 0:
            some = batch.operations[:fewer]
            parts = [Batch(some, self._room.gas_limit_of(workload, form, some))]
            await self._send_batches(workload, form, parts, head, open_claims)
        else:
            self._failed_by(reason)

    # ---- What cannot travel

    async def _weed_out(
        self, workload: Workload, claimed: Sequence[Operation], open_claims: set[OperationId]
    ) -> list[Operation]:
        """An operation whose parts cannot be read ends, and only that one."""
        sound, endings = [], []
        now = self._clock.now()
        # Where blocks come by the clock; elsewhere nobody knows when the next one is due.
        next_block_at = self._blocks.next_after(now) if self._policy.mode == "block" else None
        for operation in claimed:
            if misses_next_block(operation, next_block_at=next_block_at or now):
                endings.append(_expired(operation))
                continue
            try:
                self._room.saw_item(workload, operation.form, workload.size(operation))
                if operation.form not in workload.forms:
                    raise ValueError(f"{workload.name} has no form {operation.form!r} here")
                sound.append(operation)
            except Exception as error:  # whatever it is, it is this operation's own: told in its outcome
                log.exception("operation %s cannot be built", operation.id)
                endings.append(_unbuildable(operation, error))
        await self._save_judgements(Sifted((), tuple(endings), ()), open_claims)
        return sound

    async def _end_unbuildable(
        self, workload: Workload, batch: Batch, error: BaseException, open_claims: set[OperationId]
    ) -> None:
        """Some operation broke the building of its batch: it ends, its neighbours go back. Raises `error` if
        none of them did."""
        endings = []
        for operation in batch.operations:
            try:
                workload.call(operation.form, [operation], strict=True)
            except Exception as own:  # as in `_weed_out`
                log.exception("operation %s cannot be built", operation.id)
                endings.append(_unbuildable(operation, own))
        if not endings:
            raise error
        await self._save_judgements(Sifted((), tuple(endings), ()), open_claims)

    async def _judge_too_large(self, packed: Packed, open_claims: set[OperationId]) -> None:
        reason = "it fits no transaction of this chain: more gas or bytes than one may have"
        endings = tuple(Ending(operation=o.id, outcome=Outcome.REJECTED, reason=reason) for o in packed.too_large)
        await self._save_judgements(Sifted((), endings, ()), open_claims)

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


def _expired(operation: Operation) -> Ending:
    reason = "its deadline comes before the next block"
    return Ending(operation=operation.id, outcome=Outcome.EXPIRED, reason=reason)


def _unbuildable(operation: Operation, error: Exception) -> Ending:
    reason = f"it cannot be built: {type(error).__name__}: {error}"
    return Ending(operation=operation.id, outcome=Outcome.REJECTED, reason=reason)


def _told(returned: Return, *, now: float) -> str:
    return f"found by simulation, before anything was sent: {told_return(returned, now=now)}"

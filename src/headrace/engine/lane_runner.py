"""Carries out what `core.transaction` decides, for every transaction of one lane.

Owns      the order of effects: save, then act; the lane's nonces, taken from the store's ledger.
Promises  an attempt is in the store before any node sees it; a restart repeats orders, never loses; a transaction
          leaves memory only when its outcomes are saved.
Leaves    all judgement to `core.transaction.decide`, outcomes to `engine.outcomes`, what travels to the packer.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol, assert_never
from uuid import uuid4

from headrace.core import transaction as transactions
from headrace.core.fees import first_fees, market_fees, next_base_fee
from headrace.core.packing import Batch
from headrace.core.ports import (
    Announce,
    Call,
    Clock,
    News,
    Node,
    NodeTrouble,
    Note,
    Signer,
    TransactionStore,
    Voyage,
    Workload,
)
from headrace.core.transaction import Fact, InFlight, Mined, Order, Settled, Taken, Transaction, Void
from headrace.core.words import (
    Attempt,
    BatchId,
    Block,
    BlockHash,
    BlockNumber,
    ChainId,
    Fees,
    Nonce,
    OperationId,
    Purpose,
    Receipt,
)
from headrace.engine.gaps import Gaps
from headrace.engine.inquiry import Inquiry, included
from headrace.engine.outcomes import Outcomes
from headrace.engine.story import told
from headrace.engine.telling import What, endings_told, returns_told, trip_told
from headrace.engine.trips import Trip

log = logging.getLogger(__name__)


STUCK_AFTER_TIMEOUTS: Final = 4  # receipt time-outs: by then it was replaced several times


class MetBlock(Protocol):
    def __call__(self, *, taken: bool, sent_before_s: float) -> None: ...


class LaneRunner:
    def __init__(
        self,
        *,
        chain: ChainId,
        store: TransactionStore,
        node: Node,
        signer: Signer,
        clock: Clock,
        policy: transactions.Policy,
        outcomes: Outcomes,
        announce: Announce,
        tip_wei: int,
        in_flight_max: int,
        changed: Callable[[], None],
        met_block: MetBlock,
    ) -> None:
        """`changed` is called when there may be room for another transaction, `met_block` when the first block
        after a send was seen."""
        self.chain, self.address = chain, signer.address
        self._store, self._node, self._signer, self._clock = store, node, signer, clock
        self._policy, self._outcomes, self._announce = policy, outcomes, announce
        self._tip_wei, self._in_flight_max, self._changed, self._met_block = (
            tip_wei,
            in_flight_max,
            changed,
            met_block,
        )
        self._inquiry = Inquiry(node=node, lane=signer.address)
        self._trips: dict[Nonce, Trip] = {}
        self._head: Block | None = None
        self._gaps = Gaps(chain=chain, store=store, node=node, signer=signer, clock=clock, policy=policy)

    # ---- What others ask

    @property
    def head(self) -> Block | None:
        return self._head

    @property
    def help_wanted(self) -> str | None:
        """What a person must do, for the first transaction that says so."""
        for trip in self._in_order():
            if not trip.undecided:
                continue
            if (reason := trip.in_flight.help_wanted) is not None:
                return f"nonce {trip.nonce}: {reason}"
            waited_s = self._clock.now() - trip.in_flight.sealed_at
            if waited_s > STUCK_AFTER_TIMEOUTS * self._policy.reprice_after_s:
                why = self._gaps.undone or "replacements did not help"
                return f"nonce {trip.nonce} was sealed {waited_s:.0f} s ago and is not mined: {why}"
        return None

    def free_transactions(self) -> int:
        """How many more may be in flight."""
        # A reorg can bring back more than the bound.
        return max(0, self._in_flight_max - sum(trip.undecided for trip in self._trips.values()))

    def gas_in_flight(self) -> int:
        """Sum of the gas limits of what is not mined yet."""
        return sum(t.in_flight.gas_limit for t in self._trips.values() if t.undecided)

    def wei_in_flight(self) -> int:
        """The most that what is not mined yet can cost."""
        undecided = [t.in_flight for t in self._trips.values() if t.undecided]
        return sum(t.gas_limit * t.attempts[-1].fees.max_fee_wei for t in undecided)

    def unsettled(self) -> int:
        return len(self._trips)

    def watches(self) -> bool:
        """Whether a block could hold something of ours that we have not seen in one."""
        return any(trip.undecided or isinstance(trip.transaction, Taken) for trip in self._trips.values())

    def fees(self, block: Block) -> Fees:
        """What to offer for the coming block, under the ceiling."""
        return first_fees(self._market(block), ceiling_wei=self._policy.batch_ceiling_wei)

    def priced_out(self, block: Block) -> str | None:
        """Why nothing can be sent now, where the base fee is above the ceiling."""
        base_fee = _base_fee_after(block)
        if base_fee <= self._policy.batch_ceiling_wei:
            return None
        return f"base fee {base_fee} wei is above the fee ceiling of {self._policy.ceiling_wei} wei"

    # ---- Beginnings

    async def seal_and_send(self, *, workload: Workload, form: str, batch: Batch, call: Call, fees: Fees) -> Trip:
        """Batch, nonce and signed bytes in one commit; then the node sees them."""
        now = self._clock.now()
        nonce = await self._store.next_nonce(chain=self.chain, lane=self.address)
        attempt = self._signer.sign(
            chain=self.chain, nonce=nonce, to=call.to, data=call.data, gas_limit=batch.gas_limit, fees=fees
        )
        transaction = transactions.first_flight(
            nonce=nonce,
            batch=BatchId(uuid4().hex),
            gas_limit=batch.gas_limit,
            attempt=attempt,
            now=now,
            policy=self._policy,
        )
        await self._store.seal(
            transaction,
            chain=self.chain,
            lane=self.address,
            workload=workload.name,
            form=form,
            operations=[o.id for o in batch.operations],
        )
        trip = Trip(transaction, workload, form, batch.operations, call.to)
        self._trips[nonce] = trip
        self._tell(trip, "batched")
        async with trip.lock:
            await self._follow(trip, [transactions.Send(attempt)])
        return trip

    async def resume(self, voyages: Sequence[tuple[Voyage, Workload]]) -> None:
        """After a start: everything that is not settled, and its orders once more."""
        for voyage, workload in voyages:
            called = self._signer.call_of(transactions.signed(voyage.transaction).attempts[0]).to
            trip = Trip(voyage.transaction, workload, voyage.form, tuple(voyage.operations), called, timed=True)
            self._trips[trip.nonce] = trip
        for trip in list(self._in_order()):
            async with trip.lock:
                await self._follow(trip, transactions.orders_on_restart(trip.transaction))

    # ---- What the watcher tells

    async def saw_receipts(self, receipts: Sequence[Receipt]) -> None:
        mine = {a.hash: trip for trip in self._trips.values() for a in trip.in_flight.attempts}
        for receipt in receipts:
            if (trip := mine.get(receipt.transaction)) is not None:
                await self._saw_receipt(trip, receipt)

    async def saw_uncled(self, block: BlockHash) -> None:
        for trip in list(self._in_order()):
            if isinstance(trip.transaction, Mined) and trip.transaction.block_hash == block:
                await self.learn(trip, transactions.Uncled(trip.transaction.winner))

    async def saw_head(self, block: Block) -> None:
        self._head = block
        first = min((t.nonce for t in self._trips.values() if t.undecided), default=None)
        for trip in list(self._in_order()):
            self._time_meeting(trip, block)
            trip.heads += 1
            await self.learn(
                trip,
                transactions.HeadMoved(
                    head=block.number,
                    base_fee_wei=_base_fee_after(block),
                    free_gas=block.gas_limit - block.gas_used,
                    market=self._market(block),
                    first_in_lane=trip.nonce == first,
                ),
            )
            if trip.undecided and not trip.can_still_land(head=block.number, now=self._clock.now()):
                await self.learn(trip, transactions.DeadlinePassed())
        await self._look_after_the_late(block)

    def _time_meeting(self, trip: Trip, block: Block) -> None:
        sent_at = trip.in_flight.sent_at
        has_room = block.gas_limit - block.gas_used >= trip.in_flight.gas_limit
        if trip.timed or sent_at is None:
            return
        trip.timed = True
        if not trip.undecided or has_room:
            self._met_block(taken=not trip.undecided, sent_before_s=self._clock.now() - sent_at)

    async def learn(self, trip: Trip, fact: Fact) -> None:
        async with trip.lock:
            await self._learn(trip, [fact])

    # ---- Facts in, orders out

    async def _saw_receipt(self, trip: Trip, receipt: Receipt) -> None:
        async with trip.lock:
            trip.receipt = receipt
            await self._learn(trip, [included(receipt)])

    async def _follow(self, trip: Trip, orders: Sequence[Order]) -> None:
        facts: list[Fact] = []
        for order in orders:
            facts.extend(await self._carry_out(trip, order))
        await self._learn(trip, facts)

    async def _learn(self, trip: Trip, facts: Sequence[Fact]) -> None:
        waiting = deque(facts)
        while waiting:
            fact = waiting.popleft()
            before = trip.transaction
            decision = transactions.decide(before, fact, now=self._clock.now(), policy=self._policy)
            after = decision.transaction
            if isinstance(after, Settled | Void) and not isinstance(before, Settled | Void):
                await self._end(trip, after)
                return
            if _worth_saving(before, after):
                await self._record(trip, after, told(before, fact, decision))
            trip.transaction = after
            self._tell_change(trip, before, after)
            for order in decision.orders:
                waiting.extend(await self._carry_out(trip, order))

    async def _record(self, trip: Trip, after: Transaction, story: str | None) -> None:
        without: frozenset[OperationId] = frozenset()
        if isinstance(after, Mined):
            assert trip.receipt is not None
            without = self._outcomes.without_effect(trip, after)
        await self._store.record(
            after,
            chain=self.chain,
            lane=self.address,
            now=self._clock.now(),
            notes=self._notes(trip, story),
            without_effect=without,
        )

    async def _carry_out(self, trip: Trip, order: Order) -> tuple[Fact, ...]:
        match order:
            case transactions.Sign(fees=fees, purpose=purpose):
                return (transactions.AttemptSigned(self._sign_again(trip, fees, purpose)),)
            case transactions.Send(attempt):
                reply, text = await self._node.send(attempt.raw)
                trip.heads = 0
                return (transactions.Answered(attempt.hash, reply, text),)
            case transactions.LookForReceipts():
                return await self._asked(trip, self._inquiry.look_for_receipts(trip))
            case transactions.RereadReceipt():
                return await self._asked(trip, self._inquiry.reread(trip))
            case transactions.AskForHelp(reason):
                log.error("lane 0x%s nonce %d needs a person: %s", self.address.hex(), trip.nonce, reason)
                return ()
            case transactions.Settle() | transactions.GiveBack():
                return ()  # `_end` has saved it with the state, in one commit
            case _:
                assert_never(order)

    async def _asked(self, trip: Trip, question: Awaitable[tuple[Fact, ...]]) -> tuple[Fact, ...]:
        try:
            return await question
        except NodeTrouble as trouble:
            # Nothing was learned. The next head asks again.
            log.warning("lane 0x%s nonce %d: %s", self.address.hex(), trip.nonce, trouble)
            return ()

    def _sign_again(self, trip: Trip, fees: Fees, purpose: Purpose) -> Attempt:
        if purpose is Purpose.NO_OP:
            return self._signer.sign_no_op(chain=self.chain, nonce=trip.nonce, fees=fees)
        return self._signer.sign_again(trip.in_flight.attempts[0], fees=fees)

    async def _look_after_the_late(self, block: Block) -> None:
        """Transactions that a block has passed by: is the nonce spent, does the pool still have them?"""
        late = [t for t in self._in_order() if t.undecided and t.heads >= 1]
        if not late:
            return
        try:
            latest, pending = await self._node.nonces(self.address)
        except NodeTrouble as trouble:
            log.warning("lane 0x%s: %s", self.address.hex(), trouble)
            return
        filler = await self._gaps.mind(
            latest, pending, first=late[0], trips=self._trips, fees=self.fees(block), head=block.number
        )
        if filler is not None:
            self._trips[filler.nonce] = filler
            async with filler.lock:
                await self._follow(filler, [transactions.Send(filler.in_flight.attempts[0])])
        for trip in late:
            if trip.nonce < latest:
                async with trip.lock:
                    await self._follow(trip, [transactions.LookForReceipts()])
            elif trip.nonce >= pending:
                # The pool lacks the first of them, and maybe more: bytes that it has are no harm.
                await self.learn(trip, transactions.Dropped())

    # ---- Endings

    async def _head_number(self) -> BlockNumber:
        head = self._head if self._head is not None else await self._node.head()
        return head.number

    async def _end(self, trip: Trip, final: Settled | Void) -> None:
        """Outcomes and final state in one commit. Trouble with a node leaves all as it is, for the next head."""
        try:
            verdict = await self._outcomes.of(trip, final, head=await self._head_number())
        except NodeTrouble as trouble:
            log.warning("lane 0x%s nonce %d: %s", self.address.hex(), trip.nonce, trouble)
            return
        now = self._clock.now()
        written = await self._store.settle(
            final,
            chain=self.chain,
            lane=self.address,
            endings=verdict.endings,
            returns=verdict.returns,
            now=now,
            notes=self._notes(trip, verdict.story),
        )
        trip.transaction = final
        del self._trips[trip.nonce]
        self._tell(trip, "settled")
        self._announce_all(endings_told(written, at=now))
        ended = {ending.operation for ending in written}
        self._announce_all(returns_told([r for r in verdict.returns if r.operation not in ended], at=now))
        self._changed()

    # ---- Telling

    def _tell_change(self, trip: Trip, before: Transaction, after: Transaction) -> None:
        match before, after:
            case InFlight(sent_at=None), InFlight(sent_at=float()):
                self._tell(trip, "sent")
            case InFlight() | Taken(), Mined():
                self._tell(trip, "mined")
                self._changed()
            case Mined(), InFlight():
                self._tell(trip, "retracted")
            case _:
                pass

    def _tell(self, trip: Trip, what: What) -> None:
        without = self._outcomes.without_effect(trip, trip.mined) if trip.mined is not None else frozenset()
        news = trip_told(trip, what, lane=self.address, at=self._clock.now(), without_effect=without)
        if news is not None:
            self._announce(news)

    def _announce_all(self, news: Sequence[News]) -> None:
        for each in news:
            self._announce(each)

    def _notes(self, trip: Trip, story: str | None) -> list[Note]:
        return [] if story is None else [Note(subject=f"0x{self.address.hex()}/{trip.nonce}", text=story)]

    def _market(self, block: Block) -> Fees:
        return market_fees(base_fee_wei=_base_fee_after(block), tip_wei=self._tip_wei)

    def _in_order(self) -> Iterator[Trip]:
        return iter(sorted(self._trips.values(), key=lambda trip: trip.nonce))


def _base_fee_after(block: Block) -> int:
    return next_base_fee(base_fee_wei=block.base_fee_wei, gas_used=block.gas_used, gas_limit=block.gas_limit)


def _worth_saving(before: Transaction, after: Transaction) -> bool:
    """Counting blocks is not: after a restart the count begins anew, and nothing is lost."""
    if isinstance(before, InFlight) and isinstance(after, InFlight):
        return replace(before, blocks_fitted=0) != replace(after, blocks_fitted=0)
    return before != after

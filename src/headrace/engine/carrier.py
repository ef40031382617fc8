"""Carries out what `core.transaction` decides about one transaction at a time.

Owns      the order of effects: decide, save, then act; and who hears of it.
Promises  an attempt is in the store before any node sees it; a transaction leaves memory only when its outcomes
          are saved; trouble with a node leaves all as it is, and the next head asks again.
Leaves    all judgement to `core.transaction.decide`, outcomes to `engine.outcomes`, which transactions there are
          to `engine.lane_runner`.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import assert_never

from headrace.core import transaction as transactions
from headrace.core.ports import Announce, Clock, News, Node, NodeTrouble, Note, Signer, TransactionStore
from headrace.core.transaction import Decision, Fact, InFlight, Mined, Order, Settled, Taken, Transaction, Void
from headrace.core.words import Attempt, Block, ChainId, Fees, OperationId, Purpose, Receipt, Reply
from headrace.engine.cancelling import as_asked, told_to_riders
from headrace.engine.inquiry import Inquiry
from headrace.engine.outcomes import Outcomes
from headrace.engine.refusals import Refusals
from headrace.engine.story import STARTED_AGAIN, told, told_count, told_to_returned
from headrace.engine.telling import What, endings_told, returns_told, trip_told
from headrace.engine.trips import Trip, Trips, included

log = logging.getLogger(__name__)


class Carrier:
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
        trips: Trips,
        refusals: Refusals,
        head: Callable[[], Block | None],
        changed: Callable[[], None],
    ) -> None:
        """`trips` loses what is settled; `head` is the newest block seen, None before the first; `changed` is
        called when there may be room for another transaction."""
        self._chain, self._lane = chain, signer.address
        self._store, self._node, self._signer, self._clock = store, node, signer, clock
        self._policy, self._outcomes, self._announce = policy, outcomes, announce
        self._refusals = refusals
        self._trips, self._head, self._changed = trips, head, changed
        self._inquiry = Inquiry(node=node, lane=signer.address)

    # ---- Facts in, orders out

    async def learn(self, trip: Trip, fact: Fact) -> None:
        async with trip.lock:
            await self._learn(trip, [fact])

    async def saw_receipt(self, trip: Trip, receipt: Receipt) -> None:
        async with trip.lock:
            trip.receipt = receipt
            await self._learn(trip, [included(receipt)])

    async def started_again(self, trip: Trip) -> None:
        """That it was under way when the gateway ended is part of its story, wherever it was."""
        if trip.undecided:
            await self._record(trip, trip.transaction, self._notes(trip, STARTED_AGAIN))

    async def follow(self, trip: Trip, orders: Sequence[Order]) -> None:
        async with trip.lock:
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
            if _worth_saving(before, after) or _worth_telling(fact, decision):
                notes = [*self._notes(trip, told(before, fact, decision)), *told_to_riders(trip, fact)]
                await self._record(trip, after, notes)
            trip.transaction = after
            self._tell_change(trip, before, after)
            for order in decision.orders:
                waiting.extend(await self._carry_out(trip, order))

    async def _record(self, trip: Trip, after: Transaction, notes: Sequence[Note]) -> None:
        without: frozenset[OperationId] = frozenset()
        if isinstance(after, Mined):
            assert trip.receipt is not None
            without = self._outcomes.without_effect(trip, after)
        await self._store.record(
            after,
            chain=self._chain,
            lane=self._lane,
            now=self._clock.now(),
            notes=notes,
            without_effect=without,
        )

    async def _carry_out(self, trip: Trip, order: Order) -> tuple[Fact, ...]:
        match order:
            case transactions.Sign(fees=fees, purpose=purpose):
                return (transactions.AttemptSigned(self._sign_again(trip, fees, purpose)),)
            case transactions.Send(attempt):
                reply, text = await self._node.send(attempt.raw)
                trip.heads = 0
                if reply is Reply.TOO_LARGE and attempt.purpose is Purpose.BATCH:
                    trip.refused = text
                    self._refusals.note(trip, text)
                return (transactions.Answered(attempt.hash, reply, text),)
            case transactions.LookForReceipts():
                return await self._asked(trip, self._inquiry.look_for_receipts(trip))
            case transactions.RereadReceipt():
                return await self._asked(trip, self._inquiry.reread(trip))
            case transactions.AskForHelp(reason):
                log.error("lane 0x%s nonce %d needs a person: %s", self._lane.hex(), trip.nonce, reason)
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
            log.warning("lane 0x%s nonce %d: %s", self._lane.hex(), trip.nonce, trouble)
            return ()

    def _sign_again(self, trip: Trip, fees: Fees, purpose: Purpose) -> Attempt:
        if purpose is Purpose.NO_OP:
            return self._signer.sign_no_op(chain=self._chain, nonce=trip.nonce, fees=fees)
        return self._signer.sign_again(trip.in_flight.attempts[0], fees=fees)

    # ---- Endings

    async def _end(self, trip: Trip, final: Settled | Void) -> None:
        """Outcomes and final state in one commit. Trouble with a node leaves all as it is, for the next head."""
        try:
            head = self._head() or await self._node.head()
            verdict = as_asked(trip, await self._outcomes.of(trip, final, head=head.number))
        except NodeTrouble as trouble:
            log.warning("lane 0x%s nonce %d: %s", self._lane.hex(), trip.nonce, trouble)
            return
        now = self._clock.now()
        written = await self._store.settle(
            final,
            chain=self._chain,
            lane=self._lane,
            endings=verdict.endings,
            returns=verdict.returns,
            now=now,
            notes=[
                *self._notes(trip, verdict.story),
                *self._notes(trip, told_count(verdict.endings, verdict.returns, said=verdict.story)),
                *told_to_returned(f"nonce {trip.nonce}", verdict.returns, now=now),
            ],
        )
        trip.transaction = final
        del self._trips[trip.nonce]
        self.tell(trip, "settled")
        self._announce_all(endings_told(written, at=now))
        ended = {ending.operation for ending in written}
        self._announce_all(returns_told([r for r in verdict.returns if r.operation not in ended], at=now))
        self._changed()

    # ---- Telling

    def _tell_change(self, trip: Trip, before: Transaction, after: Transaction) -> None:
        match before, after:
            case InFlight(sent_at=None), InFlight(sent_at=float()):
                self.tell(trip, "sent")
            case InFlight() | Taken(), Mined():
                self.tell(trip, "mined")
                self._changed()
            case Mined(), InFlight():
                self.tell(trip, "retracted")
            case _:
                pass

    def tell(self, trip: Trip, what: What) -> None:
        without = self._outcomes.without_effect(trip, trip.mined) if trip.mined is not None else frozenset()
        news = trip_told(trip, what, lane=self._lane, at=self._clock.now(), without_effect=without)
        if news is not None:
            self._announce(news)

    def _announce_all(self, news: Sequence[News]) -> None:
        for each in news:
            self._announce(each)

    def _notes(self, trip: Trip, story: str | None) -> list[Note]:
        return [] if story is None else [Note(subject=f"0x{self._lane.hex()}/{trip.nonce}", text=story)]


def _worth_saving(before: Transaction, after: Transaction) -> bool:
    """Counting blocks is not: after a restart the count begins anew, and nothing is lost."""
    if isinstance(before, InFlight) and isinstance(after, InFlight):
        return replace(before, blocks_fitted=0) != replace(after, blocks_fitted=0)
    return before != after


def _worth_telling(fact: Fact, decision: Decision) -> bool:
    """Why the batch is given up is part of its story, though it changes nothing yet."""
    match fact:
        case transactions.DeadlinePassed() | transactions.Answered(reply=Reply.TOO_LARGE):
            return bool(decision.orders)
        case _:
            return False

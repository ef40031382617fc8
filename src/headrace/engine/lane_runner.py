"""The transactions of one lane: begun, resumed, and told what the chain does.

Owns      the lane's nonces, taken from the store's ledger; which transactions are under way; the look after those
          that a block has passed by.
Promises  batch, nonce and signed bytes are saved in one commit before any node sees them; a restart repeats
          orders, never loses; nonces are sent in their order.
Leaves    each transaction to `engine.carrier`, what travels to the packer.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol
from uuid import uuid4

from headrace.core import transaction as transactions
from headrace.core.flush import BlockTimes
from headrace.core.packing import Batch
from headrace.core.ports import (
    Announce,
    Call,
    Clock,
    Node,
    NodeTrouble,
    Signer,
    TransactionStore,
    Voyage,
    Workload,
)
from headrace.core.transaction import Cancel, Fact, Mined
from headrace.core.words import BatchId, Block, BlockHash, BlockNumber, ChainId, Fees, Nonce, Receipt
from headrace.engine.carrier import Carrier
from headrace.engine.deadlines import why_unwanted
from headrace.engine.gaps import Gaps
from headrace.engine.outcomes import Outcomes
from headrace.engine.pricing import Pricing, base_fee_after
from headrace.engine.refusals import Refusals
from headrace.engine.trips import Trip, Trips

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
        blocks: BlockTimes,
    ) -> None:
        """`changed` is called when there may be room for another transaction, `met_block` when the first block
        after a send was seen."""
        self.chain, self.address = chain, signer.address
        self._store, self._node, self._signer, self._clock = store, node, signer, clock
        self._policy, self._in_flight_max, self._met_block = policy, in_flight_max, met_block
        self._pricing = Pricing(policy=policy, tip_wei=tip_wei)
        self._blocks = blocks
        self._trips = Trips()
        self.refusals = Refusals(clock=clock)
        self._head: Block | None = None
        self._next: Nonce | None = None  # as the ledger would say; None: it is to be asked
        self._gaps = Gaps(chain=chain, store=store, node=node, signer=signer, clock=clock, policy=policy)
        self._carrier = Carrier(
            chain=chain,
            store=store,
            node=node,
            signer=signer,
            clock=clock,
            policy=policy,
            outcomes=outcomes,
            announce=announce,
            trips=self._trips,
            refusals=self.refusals,
            head=lambda: self._head,
            changed=changed,
        )

    # ---- What others ask

    @property
    def head(self) -> Block | None:
        return self._head

    @property
    def help_wanted(self) -> str | None:
        """What a person must do, for the first transaction that says so."""
        for trip in self._trips.undecided():
            if (reason := trip.in_flight.help_wanted) is not None:
                return f"nonce {trip.nonce}: {reason}"
            waited_s = self._clock.now() - trip.in_flight.sealed_at
            if waited_s > STUCK_AFTER_TIMEOUTS * self._policy.reprice_after_s:
                why = self._gaps.undone or "replacements did not help"
                return f"nonce {trip.nonce} was sealed {waited_s:.0f} s ago and is not mined: {why}"
        return self.refusals.help_wanted

    def free_transactions(self) -> int:
        """How many more may be in flight."""
        # A reorg can bring back more than the bound.
        return max(0, self._in_flight_max - len(self._trips.undecided()))

    def carries(self, workload: Workload, forms: Collection[str]) -> bool:
        """Whether a batch of one of them is not mined yet."""
        return any(
            trip.operations and trip.workload.name == workload.name and trip.form in forms
            for trip in self._trips.undecided()
        )

    def gas_in_flight(self) -> int:
        """Sum of the gas limits of what is not mined yet."""
        return self._trips.gas_in_flight()

    def wei_in_flight(self) -> int:
        """The most that what is not mined yet can cost."""
        return self._trips.wei_in_flight()

    def unsettled(self) -> int:
        return len(self._trips)

    def held(self) -> Mapping[str, int]:
        """What is in memory for transactions that are not final."""
        trips = self._trips
        return {"transactions": len(trips), "attempts": trips.attempts(), "operations": trips.carried()}

    def watches(self) -> bool:
        """Whether a block could hold something of ours that we have not seen in one."""
        return self._trips.watched()

    def mined_from(self) -> BlockNumber | None:
        """The lowest block that has something of ours which is not settled."""
        return self._trips.mined_from()

    def fees(self, block: Block) -> Fees:
        """What to offer for the coming block, under the ceiling."""
        return self._pricing.fees(block)

    def priced_out(self, block: Block) -> str | None:
        """Why nothing can be sent now, where the base fee is above the ceiling."""
        return self._pricing.priced_out(block)

    def trip_at(self, nonce: Nonce) -> Trip | None:
        """The transaction with this nonce, while it is not settled."""
        return self._trips.get(nonce)

    # ---- What a person asks

    async def cancel(self, trip: Trip, what: Cancel) -> None:
        """Its nonce is filled by nothing, if it is not mined. Before the first head it may raise NodeTrouble."""
        block = self._head or await self._node.head()
        # Mined and not seen yet, it could not be cancelled, and must not be told to be.
        await self._carrier.follow(trip, [transactions.LookForReceipts()])
        await self.learn(trip, transactions.CancelAsked(what, self._pricing.market(block)))

    # ---- Beginnings

    async def seal_and_send(self, *, workload: Workload, form: str, batch: Batch, call: Call, fees: Fees) -> Trip:
        """Batch, nonce and signed bytes in one commit; then the node sees them."""
        now = self._clock.now()
        nonce = await self._next_nonce()
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
        self._next = None
        await self._store.seal(
            transaction,
            chain=self.chain,
            lane=self.address,
            workload=workload.name,
            form=form,
            operations=[o.id for o in batch.operations],
        )
        self._next = Nonce(nonce + 1)
        trip = Trip(transaction, workload, form, batch.operations, call.to)
        self._trips[nonce] = trip
        self._carrier.tell(trip, "batched")
        await self._carrier.follow(trip, [transactions.Send(attempt)])
        return trip

    async def _next_nonce(self) -> Nonce:
        if self._next is None:
            self._next = await self._store.next_nonce(chain=self.chain, lane=self.address)
        return self._next

    def ledger_changed(self) -> None:
        """By somebody else than us: the next nonce is asked for again."""
        self._next = None

    async def resume(self, voyages: Sequence[tuple[Voyage, Workload]]) -> None:
        """After a start: everything that is not settled, and its orders once more. Raises NodeTrouble."""
        self.ledger_changed()
        block = await self._node.head() if voyages else None
        for voyage, workload in voyages:
            called = self._signer.call_of(transactions.signed(voyage.transaction).attempts[0]).to
            trip = Trip(voyage.transaction, workload, voyage.form, tuple(voyage.operations), called, timed=True)
            self._trips[trip.nonce] = trip
        for trip in self._trips.in_order():
            await self._carrier.started_again(trip)
            if block is not None:
                await self._look_at_deadlines(trip, block)  # what came too late meanwhile is not offered again
            await self._carrier.follow(trip, transactions.orders_on_restart(trip.transaction))

    # ---- What the watcher tells

    async def saw_receipts(self, receipts: Sequence[Receipt]) -> None:
        mine = {a.hash: trip for trip in self._trips.values() for a in trip.in_flight.attempts}
        for receipt in receipts:
            if (trip := mine.get(receipt.transaction)) is not None:
                await self._carrier.saw_receipt(trip, receipt)

    async def saw_uncled(self, block: BlockHash) -> None:
        for trip in self._trips.in_order():
            if isinstance(trip.transaction, Mined) and trip.transaction.block_hash == block:
                await self.learn(trip, transactions.Uncled(trip.transaction.winner))

    async def saw_canonical(self, blocks: Mapping[BlockNumber, BlockHash]) -> None:
        """What stands in another block of these heights is uncled, also where the watcher never saw that block: a
        receipt that was asked for may speak of a block that could not be read before it was replaced."""
        for trip in self._trips.in_order():
            mined = trip.transaction
            if isinstance(mined, Mined) and blocks.get(mined.block, mined.block_hash) != mined.block_hash:
                await self.learn(trip, transactions.Uncled(mined.winner))

    async def saw_head(self, block: Block) -> None:
        self._head = block
        first = next((t.nonce for t in self._trips.undecided()), None)
        for trip in self._trips.in_order():
            self._time_meeting(trip, block)
            trip.heads += 1
            await self._look_at_deadlines(trip, block)
            await self.learn(
                trip,
                transactions.HeadMoved(
                    head=block.number,
                    base_fee_wei=base_fee_after(block),
                    free_gas=block.gas_limit - block.gas_used,
                    market=self._pricing.market(block),
                    first_in_lane=trip.nonce == first,
                ),
            )
        await self._look_after_the_late(block)

    async def _look_at_deadlines(self, trip: Trip, block: Block) -> None:
        if not trip.undecided:
            return
        now = self._clock.now()
        next_block_at = self._blocks.next_after(now) or now

        def fails_as_one() -> bool:
            if len(trip.operations) > trip.workload.most_per_transaction:
                return False  # sealed under other settings, and not to be built by these
            # By its own bytes: the settings may have changed since.
            sealed = self._signer.call_of(trip.in_flight.attempts[0])
            return sealed.data == trip.workload.call(trip.form, trip.operations, strict=True).data

        why = why_unwanted(trip, head=block.number, next_block_at=next_block_at, fails_as_one=fails_as_one)
        if why is not None:
            await self.learn(trip, transactions.DeadlinePassed(why, self._pricing.market(block)))

    def _time_meeting(self, trip: Trip, block: Block) -> None:
        sent_at = trip.in_flight.sent_at
        has_room = block.gas_limit - block.gas_used >= trip.in_flight.gas_asked
        if trip.timed or sent_at is None:
            return
        trip.timed = True
        if not trip.undecided or has_room:
            self._met_block(taken=not trip.undecided, sent_before_s=self._clock.now() - sent_at)

    async def learn(self, trip: Trip, fact: Fact) -> None:
        await self._carrier.learn(trip, fact)

    async def _look_after_the_late(self, block: Block) -> None:
        """Transactions that a block has passed by: is the nonce spent, does the pool still have them?"""
        late = [trip for trip in self._trips.undecided() if trip.heads >= 1]
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
            self.ledger_changed()
            self._trips[filler.nonce] = filler
            await self._carrier.follow(filler, [transactions.Send(filler.in_flight.attempts[0])])
        for trip in late:
            if trip.nonce < latest:
                await self._carrier.follow(trip, [transactions.LookForReceipts()])
            elif trip.nonce >= pending:
                # The pool lacks the first of them, and maybe more: bytes that it has are no harm.
                await self.learn(trip, transactions.Dropped())

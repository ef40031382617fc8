"""What a person may do with a lane of a running gateway: drain, resume, cancel, adopt.

Owns      the order of each (saved, then in force), what is refused, and in which words.
Promises  whoever hears yes has it on the disk; once a drain is answered the lane seals no batch any more; a
          refusal changed nothing.
Leaves    who may ask to whoever opens the door, the rules of a nonce to `core.lanes` and `core.transaction`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from headrace.core.errors import FixTheRequest, TryLater
from headrace.core.lanes import against_adopting
from headrace.core.ports import Clock, LaneStore, Node, NodeTrouble, NonceUsed, Note, TransactionStore
from headrace.core.transaction import Cancel, InFlight, Mined, Settled, Taken, Transaction, Void, mined_of
from headrace.core.words import Address, Nonce, Purpose, TxHash
from headrace.engine.lane_runner import LaneRunner
from headrace.engine.packer import Packer


class HandStore(LaneStore, TransactionStore, Protocol):
    """What is needed of the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """`no_op` fills the nonce; None while there is none to send, for the reason in `hindered`. It is kept then."""

    operations: int
    what: Cancel
    no_op: TxHash | None
    hindered: str | None


class ByHand:
    def __init__(
        self,
        *,
        store: HandStore,
        node: Node,
        lane: LaneRunner,
        packer: Packer,
        clock: Clock,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed` is called when the lane was drained or resumed."""
        self._store, self._node, self._lane, self._packer = store, node, lane, packer
        self._clock, self._changed = clock, changed

    async def take_up(self) -> None:
        """After a start: what a person said before holds."""
        record = await self._store.lane_record(chain=self._lane.chain, lane=self._lane.address)
        self._packer.drain(record.drained_at)
        self._changed()

    async def drain(self) -> bool:
        """False where it was drained already."""
        now = self._clock.now()
        fresh = await self._store.drain(
            chain=self._lane.chain,
            lane=self._lane.address,
            now=now,
            notes=[drained_note(self._lane.address)],
        )
        if fresh:
            self._packer.drain(now)
            self._changed()
        return fresh

    async def resume(self) -> bool:
        """False where it was not drained."""
        fresh = await self._store.resume(
            chain=self._lane.chain,
            lane=self._lane.address,
            now=self._clock.now(),
            notes=[resumed_note(self._lane.address)],
        )
        if fresh:
            self._packer.drain(None)
            self._changed()
            await self._packer.recount()
        return fresh

    async def cancel(self, nonce: Nonce, what: Cancel) -> Cancelled:
        """The nonce is filled by nothing instead. Raises FixTheRequest where there is nothing to cancel (any
        more), TryLater where no node answers."""
        trip = self._lane.trip_at(nonce)
        if trip is None:
            raise FixTheRequest(await self._why_not_under_way(nonce))
        if trip.in_flight.batch is None:
            raise FixTheRequest(f"nonce {nonce} carries no operations: it only fills a gap, and the lane needs it")
        before = trip.in_flight.cancelled
        try:
            await self._lane.cancel(trip, what)
        except NodeTrouble as trouble:
            raise TryLater(f"the chain does not answer: {trouble}") from trouble
        in_flight = trip.in_flight
        if not isinstance(trip.transaction, InFlight):
            if in_flight.cancelled is None or in_flight.cancelled is before:
                raise FixTheRequest(_too_late(nonce, trip.transaction))
            # Saved before it was seen: it holds where a reorg takes that back, so it must not be told as refused.
            overtaken = _overtaken(trip.transaction)
            return Cancelled(
                operations=len(trip.operations), what=in_flight.cancelled, no_op=None, hindered=overtaken
            )
        assert in_flight.cancelled is not None, in_flight
        newest = in_flight.attempts[-1]
        return Cancelled(
            operations=len(trip.operations),
            what=in_flight.cancelled,
            no_op=newest.hash if newest.purpose is Purpose.NO_OP else None,
            hindered=in_flight.help_wanted,
        )

    async def adopt(self, start: Nonce, *, fill_gap: bool) -> None:
        """The lane goes on from this nonce. Raises FixTheRequest, TryLater."""
        chain, lane = self._lane.chain, self._lane.address
        record = await self._store.lane_record(chain=chain, lane=lane)
        if record.drained_at is None:
            raise FixTheRequest(
                f"the lane is working, and may take a nonce any moment: drain it first (headrace lanes drain "
                f"0x{lane.hex()})"
            )
        try:
            latest, pending = await self._node.nonces(lane)
        except NodeTrouble as trouble:
            raise TryLater(f"the chain does not answer: {trouble}") from trouble
        against = against_adopting(start, record, latest=latest, pending=pending, fill_gap=fill_gap)
        if against is not None:
            raise FixTheRequest(against)
        try:
            await self._store.begin_at(
                chain=chain,
                lane=lane,
                start=start,
                now=self._clock.now(),
                notes=[adopted_note(lane, before=record.next_nonce, start=start)],
            )
        except NonceUsed as used:  # a gap was filled meanwhile
            raise FixTheRequest(str(used)) from used
        finally:
            self._lane.ledger_changed()

    async def _why_not_under_way(self, nonce: Nonce) -> str:
        found = await self._store.transaction_at(chain=self._lane.chain, lane=self._lane.address, nonce=nonce)
        if found is None:
            return f"lane 0x{self._lane.address.hex()} has no transaction with nonce {nonce}"
        return _too_late(nonce, found)


# ---- Lines of a lane's story


def drained_note(lane: Address) -> Note:
    return _note(lane, "drained: it seals no batch until it is resumed")


def resumed_note(lane: Address) -> Note:
    return _note(lane, "resumed: it seals batches again")


def adopted_note(lane: Address, *, before: Nonce, start: Nonce) -> Note:
    return _note(lane, f"goes on from nonce {start}; it would have been {before}")


def _note(lane: Address, text: str) -> Note:
    return Note(subject=f"0x{lane.hex()}", text=f"by hand: {text}")


def _overtaken(transaction: Transaction) -> str:
    """What came between a cancel and its no-op."""
    mined = mined_of(transaction)
    if mined is not None:
        return (
            f"it was mined meanwhile: 0x{mined.winner.hex()} in block {mined.block}; the nonce is filled only if "
            "that block is uncled"
        )
    return "a transaction that is not this lane's took the nonce meanwhile"


def _too_late(nonce: Nonce, transaction: Transaction) -> str:
    match transaction:
        case Mined(winner=winner, block=block):
            return (
                f"nonce {nonce} is mined: 0x{winner.hex()} in block {block}. It cannot be cancelled any more, "
                "unless that block is uncled: then ask again"
            )
        case Settled(mined=mined):
            return f"nonce {nonce} is settled: 0x{mined.winner.hex()} is final in block {mined.block}"
        case Taken(since=since):
            return (
                f"nonce {nonce} was taken by a transaction that is not this lane's (seen at block {since}): there "
                "is nothing left to cancel, and what rode in it travels again once that is final"
            )
        case Void():
            return f"nonce {nonce} is void: a transaction that is not this lane's has it, for good"
        case InFlight():
            return f"nonce {nonce} is not this lane's to cancel now: the gateway is taking it up; try again"

"""What became of the operations of a transaction that is final.

Owns      the reading of effects, the explanation of a mined failure, what a batch teaches about gas.
Promises  an operation ends as landed only on its own effect; what shows no effect is asked of the chain's state.
Leaves    saving to `engine.lane_runner`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.core.gas import GasBook
from headrace.core.operation import Ending, Operation, Return
from headrace.core.ports import Effect, Node, Returned, Seen, Workload
from headrace.core.transaction import Mined, Settled, Void
from headrace.core.words import Address, BlockNumber, OperationId, Outcome, Purpose, Revert
from headrace.engine.judging import Judge
from headrace.engine.trips import Trip


@dataclass(frozen=True, slots=True)
class Ends:
    """What a transaction's end does to those that rode in it, and what to tell about it."""

    endings: tuple[Ending, ...]
    returns: tuple[Return, ...]
    story: str | None = None


class Outcomes:
    def __init__(self, *, node: Node, judge: Judge, gas_book: GasBook, lane: Address) -> None:
        self._node, self._judge, self._gas_book, self._lane = node, judge, gas_book, lane

    def without_effect(self, trip: Trip, mined: Mined) -> frozenset[OperationId]:
        """Operations of a mined transaction that its receipt does not prove."""
        if not mined.ok or _is_no_op(mined):
            return frozenset(o.id for o in trip.operations)
        assert trip.receipt is not None
        seen = trip.workload.effects(trip.operations, trip.receipt)
        return frozenset(o.id for o, s in zip(trip.operations, seen, strict=True) if s.effect is not Effect.DONE)

    async def of(self, trip: Trip, final: Settled | Void) -> Ends:
        """Raises NodeTrouble if the chain had to be asked and could not be."""
        if not trip.operations:
            return Ends((), ())
        match final:
            case Void():
                return await self._from_state(trip, "its nonce was taken by a foreign transaction", landed=False)
            case Settled(mined=mined) if _is_no_op(mined):
                return await self._from_state(trip, "its nonce was filled without it", landed=False)
            case Settled(mined=mined) if not mined.ok:
                return await self._explained(trip, mined)
            case Settled(mined=mined):
                return await self._from_receipt(trip, mined)

    async def _from_receipt(self, trip: Trip, mined: Mined) -> Ends:
        assert trip.receipt is not None
        seen = trip.workload.effects(trip.operations, trip.receipt)
        self._learn_gas(trip, mined, seen)
        results = [
            await self._from_seen(trip.workload, operation, found)
            for operation, found in zip(trip.operations, seen, strict=True)
        ]
        return _sorted(results)

    async def _from_seen(self, workload: Workload, operation: Operation, seen: Seen) -> Ending | Return:
        match seen:
            case Seen(effect=Effect.DONE):
                return Ending(operation=operation.id, outcome=Outcome.LANDED)
            case Seen(effect=Effect.FAILED, revert=revert):
                assert revert is not None
                return await self._judge.of_revert(workload, operation, revert)
            case _:
                return await self._judge.of_state(
                    workload, operation, unseen="the receipt shows no effect of it", landed=True
                )

    async def _from_state(self, trip: Trip, reason: str, *, landed: bool) -> Ends:
        results = [
            await self._judge.of_state(trip.workload, operation, unseen=reason, landed=landed)
            for operation in trip.operations
        ]
        return _sorted(results, f"{reason}: what rode in it travels again")

    async def _explained(self, trip: Trip, mined: Mined) -> Ends:
        """Status 0 carries no reason. The same call, in its block, on the state before it, tells."""
        call = trip.workload.call(trip.form, trip.operations, strict=False)
        answer = await self._node.call(
            to=call.to,
            data=call.data,
            sender=self._lane,
            gas=trip.in_flight.gas_limit,
            as_of=BlockNumber(mined.block - 1),
            in_block=mined.block,
        )
        if isinstance(answer, Returned):
            reason = "its transaction reverted on the state that others left in the same block"
            return await self._from_state(trip, reason, landed=False)
        revert = trip.workload.read_revert(answer.data)
        failures = trip.workload.failures(revert, len(trip.operations))
        if any(_ran_dry(own) for own in (failures or {0: revert}).values()):
            self._starved(trip)
        if failures is None:
            return await self._from_state(trip, f"its transaction reverted: {revert}", landed=False)
        return await self._guilty_and_rest(trip, failures, revert)

    async def _guilty_and_rest(self, trip: Trip, failures: Mapping[int, Revert], revert: Revert) -> Ends:
        results: list[Ending | Return] = []
        for index, operation in enumerate(trip.operations):
            if (own := failures.get(index)) is not None:
                results.append(await self._judge.of_revert(trip.workload, operation, own))
            else:
                unseen = "its batch reverted because of a neighbour"
                results.append(await self._judge.of_state(trip.workload, operation, unseen=unseen, landed=False))
        return _sorted(results, f"mined and reverted: {revert}")

    def _learn_gas(self, trip: Trip, mined: Mined, seen: Sequence[Seen]) -> None:
        if any(s.revert is not None and _ran_dry(s.revert) for s in seen):
            self._starved(trip)
        elif all(s.effect is Effect.DONE for s in seen):
            sizes = [trip.workload.size(o) for o in trip.operations]
            self._gas_book.of(trip.workload, trip.form).learn(gas_used=mined.gas_used, sizes=sizes)

    def _starved(self, trip: Trip) -> None:
        self._gas_book.of(trip.workload, trip.form).starved()


def _ran_dry(revert: Revert) -> bool:
    """The batch did, not one greedy item of it."""
    return not revert.data or revert.name == "InsufficientGasForItem"


def _is_no_op(mined: Mined) -> bool:
    winner = next(a for a in mined.in_flight.attempts if a.hash == mined.winner)
    return winner.purpose is Purpose.NO_OP


def _sorted(results: Sequence[Ending | Return], story: str | None = None) -> Ends:
    return Ends(
        tuple(r for r in results if isinstance(r, Ending)),
        tuple(r for r in results if isinstance(r, Return)),
        story,
    )

"""What became of the operations of a transaction that is final.

Owns      the reading of effects, the explanation of a mined failure, what a batch teaches about gas.
Promises  an operation ends as landed only on its own effect; what shows no effect is asked of the chain's state.
Leaves    saving to `engine.carrier`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.core.gas import Company, GasBook
from headrace.core.operation import Ending, Operation, Return
from headrace.core.ports import Effect, Node, NodeTrouble, Reverted, Seen, Signer, Workload
from headrace.core.transaction import Mined, Settled, Void
from headrace.core.words import BlockNumber, OperationId, Outcome, Purpose, Revert
from headrace.engine.judging import Judge
from headrace.engine.trips import Trip

# Heads. By then it is no passing trouble: a node keeps the state of some hundred blocks, and may be asked later.
EXPLANATIONS_MISSED_MAX: Final = 3
USED_UP_PERCENT: Final = 95  # of its gas limit; the EVM keeps a 64th at each depth of calls


@dataclass(frozen=True, slots=True)
class Ends:
    """What a transaction's end does to those that rode in it, and what to tell about it."""

    endings: tuple[Ending, ...]
    returns: tuple[Return, ...]
    story: str | None = None


class Outcomes:
    """`most_gas`: what one transaction of this lane may have at most, as the newest block allows."""

    def __init__(
        self, *, node: Node, judge: Judge, gas_book: GasBook, signer: Signer, most_gas: Callable[[], int]
    ) -> None:
        self._node, self._judge, self._gas_book, self._signer = node, judge, gas_book, signer
        self._most_gas = most_gas

    def without_effect(self, trip: Trip, mined: Mined) -> frozenset[OperationId]:
        """Operations of a mined transaction that its receipt does not prove."""
        if not mined.ok or _is_no_op(mined):
            return frozenset(o.id for o in trip.operations)
        seen = trip.shown()
        return frozenset(o.id for o, s in zip(trip.operations, seen, strict=True) if s.effect is not Effect.DONE)

    async def of(self, trip: Trip, final: Settled | Void, *, head: BlockNumber) -> Ends:
        """`head` is the newest block, from which is counted what is final. Raises NodeTrouble if the chain had to
        be asked and could not be."""
        if not trip.operations:
            return Ends((), ())
        match final:
            case Void():
                return await self._from_state(trip, "its nonce was taken by a foreign transaction", head=head)
            case Settled(mined=mined) if _is_no_op(mined) and trip.refused is not None:
                return await self._refused(trip, trip.refused, head)
            case Settled(mined=mined) if _is_no_op(mined):
                return await self._from_state(trip, "its nonce was filled without it", head=head)
            case Settled(mined=mined) if not mined.ok:
                return await self._explained(trip, mined, head)
            case Settled(mined=mined):
                return await self._from_receipt(trip, mined, head)

    async def _from_receipt(self, trip: Trip, mined: Mined, head: BlockNumber) -> Ends:
        seen = trip.shown()
        if all(s.effect is Effect.UNSEEN for s in seen):
            self._judge.need_operator(
                f"transaction 0x{mined.winner.hex()} succeeded and shows no effect of any operation: is the right "
                "contract at its target?"
            )
        self._learn_gas(trip, mined, seen)
        results = [
            await self._from_seen(trip.workload, operation, found, head)
            for operation, found in zip(trip.operations, seen, strict=True)
        ]
        return _sorted(results)

    async def _from_seen(
        self, workload: Workload, operation: Operation, seen: Seen, head: BlockNumber
    ) -> Ending | Return:
        match seen:
            case Seen(effect=Effect.DONE):
                return Ending(operation=operation.id, outcome=Outcome.LANDED)
            case Seen(effect=Effect.FAILED, revert=revert):
                assert revert is not None
                return await self._judge.of_revert(workload, operation, revert, head=head)
            case Seen(effect=Effect.OTHER, reason=reason):
                return Ending(operation=operation.id, outcome=Outcome.CONFLICT, reason=reason)
            case _:
                return await self._judge.of_state(
                    workload,
                    operation,
                    head=head,
                    unseen="the receipt shows no effect of it",
                    landed=True,
                    costs_retry=True,  # it was paid for: without a bound it would be paid for again and again
                )

    async def _from_state(self, trip: Trip, reason: str, *, head: BlockNumber, costs_retry: bool = False) -> Ends:
        results = [
            await self._judge.of_state(
                trip.workload, operation, head=head, unseen=reason, landed=False, costs_retry=costs_retry
            )
            for operation in trip.operations
        ]
        return _sorted(results, f"{reason}: what rode in it travels again")

    async def _refused(self, trip: Trip, text: str, head: BlockNumber) -> Ends:
        """Many travel again in smaller batches. One that is refused alone fits no transaction at all."""
        ends = await self._from_state(trip, f"its batch was refused as too large: {text}", head=head)
        if len(trip.operations) > 1:
            return ends
        reason = f"a node refused its transaction, in which it was alone, as too large: {text}"
        alone = tuple(
            Ending(operation=back.operation, outcome=Outcome.REJECTED, reason=reason) for back in ends.returns
        )
        return Ends((*ends.endings, *alone), ())

    async def _explained(self, trip: Trip, mined: Mined, head: BlockNumber) -> Ends:
        """Status 0 carries no reason. The same call in its block tells, on the state before it or after it."""
        try:
            revert = await self._revert_of(trip, mined)
        except NodeTrouble:
            trip.explanations_missed += 1
            if trip.explanations_missed < EXPLANATIONS_MISSED_MAX:
                raise
            # The state of an old block is gone from the node, as after a long stop of ours. What the newest final
            # state shows must do.
            reason = f"its transaction reverted in block {mined.block}, and no node can tell why any more"
            return await self._from_state(trip, reason, head=head, costs_retry=True)
        if revert is None:
            reason = "its transaction reverted on a state that only its block had"
            return await self._from_state(trip, reason, head=head, costs_retry=True)
        failures = trip.workload.failures(revert, len(trip.operations))
        # A call within may run dry and its caller put it in other words; the gas that was used tells.
        used_up = mined.gas_used * 100 >= trip.in_flight.gas_limit * USED_UP_PERCENT
        # A lane's share of a block changes a little with each: so little is no more.
        more_to_have = trip.in_flight.gas_limit * 100 < self._most_gas() * USED_UP_PERCENT
        if used_up or any(_ran_dry(own) for own in (failures or {0: revert}).values()):
            self._starved(trip)
        if failures is None:
            # The contract refuses every batch, as the next simulation shows: nothing is sent until it is mended.
            reason = f"its transaction reverted: {revert}"
            return await self._from_state(trip, reason, head=head, costs_retry=used_up and not more_to_have)
        # Out of gas, and there is more to have: that says nothing against the operation.
        return await self._guilty_and_rest(trip, failures, revert, head, blameless=used_up and more_to_have)

    async def _revert_of(self, trip: Trip, mined: Mined) -> Revert | None:
        winner = next(a for a in mined.in_flight.attempts if a.hash == mined.winner)
        call = self._signer.call_of(winner)  # as it was sealed: the settings may have changed since
        for as_of in (BlockNumber(mined.block - 1), mined.block):  # after it: others in its block may be the cause
            answer = await self._node.call(
                to=call.to,
                data=call.data,
                sender=self._signer.address,
                gas=trip.in_flight.gas_limit,
                as_of=as_of,
                in_block=mined.block,
            )
            if isinstance(answer, Reverted):
                return trip.workload.read_revert(answer.data)
        return None

    async def _guilty_and_rest(
        self, trip: Trip, failures: Mapping[int, Revert], revert: Revert, head: BlockNumber, *, blameless: bool
    ) -> Ends:
        results: list[Ending | Return] = []
        for index, operation in enumerate(trip.operations):
            if (own := failures.get(index)) is not None:
                verdict = await self._judge.of_revert(
                    trip.workload, operation, own, head=head, more_gas_is_free=blameless
                )
                results.append(verdict)
            else:
                unseen = "its batch reverted because of a neighbour"
                results.append(
                    await self._judge.of_state(trip.workload, operation, head=head, unseen=unseen, landed=False)
                )
        return _sorted(results, f"mined and reverted: {revert}")

    def _learn_gas(self, trip: Trip, mined: Mined, seen: Sequence[Seen]) -> None:
        if any(s.revert is not None and _ran_dry(s.revert) for s in seen):
            self._starved(trip)
        elif all(s.effect is Effect.DONE for s in seen):
            sizes = [trip.workload.size(o) for o in trip.operations]
            further = Company.of(map(trip.workload.in_common, trip.operations)).further
            gas = self._gas_book.of(trip.workload, trip.form)
            gas.learn(gas_used=mined.gas_used, sizes=sizes, further=further)

    def _starved(self, trip: Trip) -> None:
        sizes = [trip.workload.size(o) for o in trip.operations]
        if sizes:
            gas = self._gas_book.of(trip.workload, trip.form)
            further = Company.of(map(trip.workload.in_common, trip.operations)).further
            gas.starved(gas_limit=trip.in_flight.gas_limit, sizes=sizes, further=further)


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

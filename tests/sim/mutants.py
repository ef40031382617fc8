"""Classic mistakes, put back one at a time: each must be found, or the simulation proves nothing.

Each is a mistake that some transaction manager has made: send, then save; remember the last hash only; no receipt
in time, so take a new nonce; it exists, so it is done.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest.mock import patch

from headrace.core import transaction as transactions
from headrace.core.operation import Return
from headrace.core.ports import Added, Judgement, Voyage
from headrace.core.words import Verdict
from headrace.engine.inquiry import Inquiry
from headrace.engine.intake import Intake
from headrace.engine.judging import Judge
from headrace.engine.lane_runner import LaneRunner
from headrace.engine.packer import Packer
from headrace.engine.simulator import Sifted, Simulator
from headrace.store import adding
from headrace.store.sqlite import SqliteStore
from headrace.workloads.tasks import verdicts


@dataclass(frozen=True, slots=True)
class Mutant:
    """`found_by`: the invariant that must break, though no other is looked at. `first_seed`: where looking for
    a run that shows it may begin, which saves time and nothing else."""

    name: str
    made: Callable[[], AbstractContextManager[Any]]
    found_by: str
    first_seed: int


MUTANTS: Final[list[Mutant]] = []


def mutant(found_by: str, *, first_seed: int = 0) -> Callable[[Callable[[], Iterator[None]]], None]:
    def register(make: Callable[[], Iterator[None]]) -> None:
        MUTANTS.append(Mutant(make.__name__, contextmanager(make), found_by, first_seed))

    return register


@mutant("saved-before-seen")
def sends_and_then_saves() -> Iterator[None]:
    record = SqliteStore.record

    async def later(store: SqliteStore, *args: Any, **keywords: Any) -> None:
        saving = asyncio.ensure_future(record(store, *args, **keywords))
        saving.add_done_callback(lambda done: done.cancelled() or done.exception())

    with patch.object(SqliteStore, "record", later):
        yield


@mutant("no-loop-dies")
def remembers_only_the_newest_attempt() -> Iterator[None]:
    unsettled = SqliteStore.unsettled

    async def newest(store: SqliteStore, **keywords: Any) -> list[Voyage]:
        return [
            replace(voyage, transaction=replace(voyage.transaction, attempts=voyage.transaction.attempts[-1:]))
            if isinstance(voyage.transaction, transactions.InFlight)
            else voyage
            for voyage in await unsettled(store, **keywords)
        ]

    with patch.object(SqliteStore, "unsettled", newest):
        yield


@mutant("settled-only-on-the-canonical-chain")
def settles_by_height_on_what_it_once_saw() -> Iterator[None]:
    """And is told of a reorg only by what comes after it."""

    async def deaf(*_: Any) -> None:
        return None

    async def believed(inquiry: Inquiry, trip: Any) -> Any:
        mined = trip.transaction
        trip.receipt = trip.receipt or await inquiry._node.receipt(mined.winner)
        return (transactions.ReceiptReread(mined.winner, mined.block_hash),) if trip.receipt is not None else ()

    with (
        patch.object(LaneRunner, "saw_uncled", deaf),
        patch.object(LaneRunner, "saw_canonical", deaf),
        patch.object(Inquiry, "reread", believed),
    ):
        yield


@mutant("settled-only-on-the-canonical-chain")
def settles_a_block_too_early() -> Iterator[None]:
    decide = transactions.decide

    def early(transaction: Any, fact: Any, *, now: float, policy: Any) -> Any:
        return decide(
            transaction, fact, now=now, policy=replace(policy, confirmations=max(1, policy.confirmations - 1))
        )

    with patch.object(transactions, "decide", early):
        yield


@mutant("no-effect-twice")
def takes_a_new_nonce_when_a_receipt_is_late() -> Iterator[None]:
    decide = transactions.decide

    def impatient(transaction: Any, fact: Any, *, now: float, policy: Any) -> Any:
        late = isinstance(transaction, transactions.InFlight) and now > transaction.sealed_at + 60
        if late and transaction.batch is not None and isinstance(fact, transactions.HeadMoved):
            return transactions.Decision(transactions.Void(in_flight=transaction), (transactions.GiveBack(),))
        return decide(transaction, fact, now=now, policy=policy)

    with patch.object(transactions, "decide", impatient):
        yield


@mutant("no-effect-twice", first_seed=7)
def gives_a_nonce_up_as_soon_as_a_stranger_has_it() -> Iterator[None]:
    decide = transactions.decide

    def hasty(transaction: Any, fact: Any, *, now: float, policy: Any) -> Any:
        if isinstance(transaction, transactions.InFlight) and isinstance(fact, transactions.NonceTaken):
            return transactions.Decision(transactions.Void(in_flight=transaction), (transactions.GiveBack(),))
        return decide(transaction, fact, now=now, policy=policy)

    with patch.object(transactions, "decide", hasty):
        yield


@mutant("outcome-agrees-with-the-chain")
def takes_exists_for_responded() -> Iterator[None]:
    judge, once_final = verdicts.judge, Judge._once_final

    def done(form: str, payload: Any, revert: Any, answers: Any) -> Judgement:
        if revert.name == "TaskAlreadyExists":
            return Judgement(Verdict.ALREADY_DONE, "it exists")
        return judge(form, payload, revert, answers)

    async def at_once(self: Judge, workload: Any, operation: Any, judgement: Judgement, head: Any) -> Judgement:
        if judgement.reason == "it exists":
            return judgement
        return await once_final(self, workload, operation, judgement, head)

    with patch.object(verdicts, "judge", done), patch.object(Judge, "_once_final", at_once):
        yield


@mutant("outcome-agrees-with-the-chain", first_seed=9)
def concludes_from_a_block_that_is_not_final() -> Iterator[None]:
    async def at_once(self: Judge, workload: Any, operation: Any, judgement: Judgement, head: Any) -> Judgement:
        return judgement

    with patch.object(Judge, "_once_final", at_once):
        yield


@mutant("retries-only-for-own-failures")
def lets_neighbours_pay_for_poison() -> Iterator[None]:
    sift = Simulator.sift

    async def shared(
        self: Simulator, workload: Any, form: str, operations: Any, *, head: Any, plan: Any
    ) -> Sifted:
        sifted = await sift(self, workload, form, operations, head=head, plan=plan)
        if not sifted.endings:
            return sifted
        paying = [Return(operation=o.id, reason="poison", retries=o.retries + 1) for o in sifted.standing]
        return Sifted((), sifted.endings, (*sifted.returns, *paying))

    with patch.object(Simulator, "sift", shared):
        yield


@mutant("acknowledged-is-never-lost")
def says_yes_before_it_is_saved() -> Iterator[None]:
    admit = Intake.admit

    async def hasty(intake: Intake, operation: Any) -> Added:
        saving = asyncio.ensure_future(admit(intake, operation))
        saving.add_done_callback(lambda done: done.cancelled() or done.exception())
        return Added.FRESH

    with patch.object(Intake, "admit", hasty):
        yield


@mutant("no-response-before-its-task")
def lets_a_response_travel_with_its_task() -> Iterator[None]:
    async def unsifted(
        self: Simulator, workload: Any, form: str, operations: Any, *, head: Any, plan: Any
    ) -> Sifted:
        return Sifted(tuple(operations), (), ())

    hasty = {name: sql.replace("ELSE 'waiting' END", "ELSE 'queued' END") for name, sql in adding._SQL.items()}
    assert hasty != adding._SQL
    with patch.object(adding, "_SQL", hasty), patch.object(Simulator, "sift", unsifted):
        yield


@mutant("fees-under-the-ceiling")
def pays_whatever_it_costs() -> Iterator[None]:
    with patch.object(transactions.Policy, "batch_ceiling_wei", property(lambda policy: 10**15)):
        yield


@mutant("a-retraction-is-told", first_seed=5)
def does_not_look_back_after_a_reorg() -> Iterator[None]:
    async def deaf(*_: Any) -> None:
        return None

    with patch.object(LaneRunner, "saw_uncled", deaf), patch.object(LaneRunner, "saw_canonical", deaf):
        yield


@mutant("no-nonce-gap-for-long")
def leaves_it_to_the_pool_to_keep_what_it_got() -> Iterator[None]:
    decide = transactions.decide

    def trusting(transaction: Any, fact: Any, *, now: float, policy: Any) -> Any:
        if isinstance(fact, transactions.Dropped):
            return transactions.Decision(transaction)
        decision = decide(transaction, fact, now=now, policy=policy)
        sends = (transactions.Send, transactions.Sign)
        if isinstance(transaction, transactions.InFlight) and isinstance(fact, transactions.HeadMoved):
            return replace(decision, orders=tuple(o for o in decision.orders if not isinstance(o, sends)))
        return decision

    with patch.object(transactions, "decide", trusting):
        yield


@mutant("nothing-left-in-memory")
def forgets_its_waits() -> Iterator[None]:
    async def woken_or(packer: Packer, seconds: float | None) -> None:
        waits = {asyncio.ensure_future(packer._woken.wait())}
        if seconds is not None:
            waits.add(asyncio.ensure_future(packer._clock.sleep(seconds)))
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)

    with patch.object(Packer, "_woken_or", woken_or):
        yield

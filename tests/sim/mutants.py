"""Classic mistakes, put back one at a time: each must be found, or the simulation proves nothing.

Every one of them is a mistake that some transaction manager has made (see the source document's defects, and trap
lists of others): send, then save; remember the last hash only; time-out, so try a new nonce; exists, so it is done.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest.mock import patch

from headrace.core import transaction as transactions
from headrace.core.operation import Return, Stage
from headrace.core.ports import Added, Judgement, Voyage
from headrace.core.words import BlockNumber, Verdict
from headrace.engine.inquiry import Inquiry
from headrace.engine.intake import Intake
from headrace.engine.judging import Judge
from headrace.engine.lane_runner import LaneRunner
from headrace.engine.simulator import Sifted, Simulator
from headrace.engine.strangers import Strangers
from headrace.store import operations as operations_module
from headrace.store.sqlite import SqliteStore
from headrace.workloads.tasks import verdicts


@dataclass(frozen=True, slots=True)
class Mutant:
    """`found_by`: the invariants of which one must break."""

    name: str
    made: Callable[[], AbstractContextManager[Any]]
    found_by: frozenset[str]


MUTANTS: Final[list[Mutant]] = []


def mutant(*found_by: str) -> Callable[[Callable[[], Iterator[None]]], None]:
    def register(make: Callable[[], Iterator[None]]) -> None:
        MUTANTS.append(Mutant(make.__name__, contextmanager(make), frozenset(found_by)))

    return register


@mutant("saved-before-seen")
def sends_and_then_saves() -> Iterator[None]:
    record = SqliteStore.record

    async def later(store: SqliteStore, *args: Any, **keywords: Any) -> None:
        saving = asyncio.ensure_future(record(store, *args, **keywords))
        saving.add_done_callback(lambda done: done.cancelled() or done.exception())

    with patch.object(SqliteStore, "record", later):
        yield


@mutant("no-loop-dies", "no-effect-twice", "settled-only-on-the-canonical-chain")
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


@mutant("settled-only-on-the-canonical-chain", "outcome-agrees-with-the-chain")
def believes_after_a_start_what_it_knew_before() -> Iterator[None]:
    """A reorg while it was down, and the block hash is not compared before settling."""
    orders_on_restart = transactions.orders_on_restart

    def trusting(transaction: Any) -> Any:
        return () if isinstance(transaction, transactions.Mined) else orders_on_restart(transaction)

    async def believed(inquiry: Inquiry, trip: Any) -> Any:
        mined = trip.transaction
        trip.receipt = trip.receipt or await inquiry._node.receipt(mined.winner)
        return (transactions.ReceiptReread(mined.winner, mined.block_hash),) if trip.receipt is not None else ()

    with (
        patch.object(transactions, "orders_on_restart", trusting),
        patch.object(Inquiry, "reread", believed),
    ):
        yield


@mutant("settled-only-on-the-canonical-chain", "no-effect-twice")
def takes_a_new_nonce_when_a_receipt_is_late() -> Iterator[None]:
    decide = transactions.decide

    def impatient(transaction: Any, fact: Any, *, now: float, policy: Any) -> Any:
        late = isinstance(transaction, transactions.InFlight) and now > transaction.sealed_at + 60
        if late and transaction.batch is not None and isinstance(fact, transactions.HeadMoved):
            return transactions.Decision(transactions.Void(in_flight=transaction), (transactions.GiveBack(),))
        return decide(transaction, fact, now=now, policy=policy)

    with patch.object(transactions, "decide", impatient):
        yield


@mutant("settled-only-on-the-canonical-chain", "no-effect-twice")
def takes_a_missing_receipt_for_a_stranger_for_good() -> Iterator[None]:
    async def believed(strangers: Strangers, trip: Any) -> Any:
        return (transactions.NonceTaken((await strangers._node.head()).number, spent_in=BlockNumber(0)),)

    with patch.object(Strangers, "look", believed):
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


@mutant("outcome-agrees-with-the-chain", "only-the-guilty-fail")
def concludes_from_a_block_that_is_not_final() -> Iterator[None]:
    async def at_once(self: Judge, workload: Any, operation: Any, judgement: Judgement, head: Any) -> Judgement:
        return judgement

    with patch.object(Judge, "_once_final", at_once):
        yield


@mutant("retries-only-for-own-failures", "only-the-guilty-fail")
def lets_neighbours_pay_for_poison() -> Iterator[None]:
    sift = Simulator.sift

    async def shared(self: Simulator, workload: Any, form: str, operations: Any, *, head: Any) -> Sifted:
        sifted = await sift(self, workload, form, operations, head=head)
        if not sifted.endings:
            return sifted
        paying = [Return(operation=o.id, reason="poison", retries=o.retries + 1) for o in sifted.standing]
        return Sifted((), sifted.endings, (*sifted.returns, *paying))

    with patch.object(Simulator, "sift", shared):
        yield


@mutant("acknowledged-is-never-lost", "same-id-is-the-same-operation")
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
    async def unsifted(self: Simulator, workload: Any, form: str, operations: Any, *, head: Any) -> Sifted:
        return Sifted(tuple(operations), (), ())

    with (
        patch.object(operations_module, "_start_after", lambda db, predecessor: Stage.QUEUED),
        patch.object(Simulator, "sift", unsifted),
    ):
        yield


@mutant("fees-under-the-ceiling")
def pays_whatever_it_costs() -> Iterator[None]:
    with patch.object(transactions.Policy, "batch_ceiling_wei", property(lambda policy: 10**15)):
        yield


@mutant("a-retraction-is-told", "no-nonce-gap-for-long")
def does_not_look_back_after_a_reorg() -> Iterator[None]:
    async def deaf(*_: Any) -> None:
        return None

    with patch.object(LaneRunner, "saw_uncled", deaf), patch.object(LaneRunner, "saw_canonical", deaf):
        yield

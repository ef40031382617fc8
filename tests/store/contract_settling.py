"""Payments: each change is taken from the state it was decided in, and ends by proof."""

from dataclasses import replace

import pytest

from headrace.core.job import JobStatus
from headrace.core.ports import Added
from headrace.core.settlement import (
    Canceled,
    Claimed,
    Claiming,
    Due,
    Move,
    NeedsHelp,
    NoLock,
    Proof,
    Released,
    Settlement,
    SettlementState,
)
from headrace.core.terms import JobId
from headrace.core.words import BlockNumber, OperationId, TxHash
from store.made import NOW, Store, an_operation
from store.made_jobs import LOCK, WAY, change, due, found, locked, walk

PROOF = Proof(TxHash(b"\x77" * 32), BlockNumber(12))


def claiming(operation: str, *, move: Move = Move.CLAIM, amount: int = 2**200) -> Claiming:
    return Claiming(move=move, amount=amount if move is Move.CLAIM else 0, operation=OperationId(operation))


async def taken(store: Store, id: str, before: Settlement, after: Settlement) -> bool:
    return await store.change_settlements([change(id, before, after)], now=NOW) == [JobId(id)]


class SettlingContract:
    @pytest.mark.parametrize("end", [Claimed(2**200, PROOF), Released(PROOF), Canceled(PROOF)])
    async def test_proof_finishes_a_job_that_was_settling(self, store: Store, end: Settlement) -> None:
        before = await due(store, "a")
        assert await taken(store, "a", Due(), end)
        job = await found(store, "a")
        assert (job.status, job.settlement) == (JobStatus.JOB_FINISHED, end)
        assert job.result == before.result, "how the run ended is not touched"
        assert (await store.job_history(JobId("a")))[-1].status is JobStatus.JOB_FINISHED

    @pytest.mark.parametrize("failure", [41, 42])
    async def test_a_failure_stays_a_failure_when_it_is_paid(self, store: Store, failure: int) -> None:
        await locked(store, "a")
        before = await walk(store, "a", 0, 10, 20, 30, 40, failure)
        assert await taken(store, "a", Due(), Claimed(7, PROOF))
        job = await found(store, "a")
        assert (job.status, job.result) == (failure, before.result)

    @pytest.mark.parametrize("end", [NeedsHelp("no lock, no event"), claiming("op")])
    async def test_nothing_but_proof_finishes_a_job(self, store: Store, end: Settlement) -> None:
        await due(store, "a")
        assert await taken(store, "a", Due(), end)
        job = await found(store, "a")
        assert (job.status, job.settlement) == (JobStatus.JOB_SETTLE, end)
        if isinstance(end, NeedsHelp):
            assert await taken(store, "a", end, NoLock("a person said so"))
            assert (await found(store, "a")).status is JobStatus.JOB_SETTLE

    async def test_a_change_is_taken_once_from_the_state_it_was_decided_in(self, store: Store) -> None:
        await due(store, "a")
        first, second = claiming("first"), claiming("second", move=Move.RELEASE)
        assert await taken(store, "a", Due(), first)
        assert not await taken(store, "a", Due(), second)
        assert not await taken(store, "a", second, Due("not mine"))
        assert await taken(store, "a", first, Due("came to nothing"))
        assert (await found(store, "a")).settlement == Due("came to nothing")
        assert await taken(store, "a", Due(), second)
        assert (await found(store, "a")).claims == 2
        assert not await taken(store, "nobody", Due(), second)

    async def test_one_change_of_many_that_comes_late_hurts_no_other(self, store: Store) -> None:
        await due(store, "a")
        await due(store, "b")
        await taken(store, "a", Due(), Released(PROOF))
        changes = [change("a", Due(), NeedsHelp("?")), change("b", Due(), NeedsHelp("!"))]
        assert await store.change_settlements(changes, now=NOW) == ["b"]

    async def test_claims_and_their_operations_are_one_commit(self, store: Store) -> None:
        await due(store, "a")
        await due(store, "b")
        await taken(store, "b", Due(), NeedsHelp("meanwhile"))
        wanted = [
            (change("a", Due(), claiming("op-a")), an_operation("op-a")),
            (change("b", Due(), claiming("op-b")), an_operation("op-b")),
        ]
        assert await store.begin_settling(wanted, now=NOW) == [Added.FRESH, None]
        assert await store.account(OperationId("op-a")) is not None
        assert await store.account(OperationId("op-b")) is None
        job = await store.job_of_operation(OperationId("op-a"))
        assert job is not None and job.id == "a"
        assert await store.job_of_operation(OperationId("op-b")) is None

    async def test_an_operation_that_cannot_be_added_hurts_only_its_own_job(self, store: Store) -> None:
        for id in ("a", "b", "c", "d"):
            await due(store, id)
        await store.add_operations([an_operation("op-b")])
        other = an_operation("op-b", content=b"\x09" * 32)
        same_subject = replace(an_operation("op-c"), subject=other.subject)
        wanted = [
            (change(id, Due(), claiming(operation.id)), operation)
            for id, operation in zip(
                "abcd", (an_operation("op-a"), other, same_subject, an_operation("op-d")), strict=True
            )
        ]
        begun = await store.begin_settling(wanted, now=NOW)
        assert begun == [Added.FRESH, Added.OTHER_CONTENT, Added.SUBJECT_TAKEN, Added.FRESH]
        assert [(await found(store, id)).settlement.state.value for id in "abcd"] == [
            "claiming",
            "due",
            "due",
            "claiming",
        ]
        assert (await found(store, "b")).claims == 0
        assert await store.account(OperationId("op-c")) is None
        assert len(await store.job_history(JobId("b"))) == len(await store.job_history(JobId("a"))) - 1

    async def test_a_lock_under_way_or_settled_is_not_written_over(self, store: Store) -> None:
        await due(store, "a")
        await taken(store, "a", Due(), claiming("op"))
        later = replace(LOCK, expiry=LOCK.expiry + 1)
        assert not await store.record_lock(JobId("a"), later, now=NOW)
        await taken(store, "a", claiming("op"), Claimed(1, PROOF))
        assert not await store.record_lock(JobId("a"), later, now=NOW)
        assert (await found(store, "a")).lock == LOCK

    async def test_what_is_to_be_settled_is_found_whatever_its_environment_is_called_now(
        self, store: Store
    ) -> None:
        for number, id in enumerate(("a", "b", "c", "d")):
            await due(store, id, environment=f"gone {number}")
        await taken(store, "b", Due(), claiming("op"))
        await taken(store, "c", Due(), Released(PROOF))
        states = [SettlementState.DUE, SettlementState.CLAIMING]
        assert [job.id for job in await store.jobs_to_settle(states, limit=9)] == ["a", "b", "d"]
        assert [job.id for job in await store.jobs_to_settle(states[:1], limit=9)] == ["a", "d"]
        assert [job.id for job in await store.jobs_to_settle(states, limit=2)] == ["a", "b"]
        rest = await store.jobs_to_settle(states, limit=2, after=JobId("b"))
        assert [job.id for job in rest] == ["d"]

    async def test_the_first_expiry_is_that_of_a_lock_that_is_due_and_can_still_be_claimed(
        self, store: Store
    ) -> None:
        assert await store.first_expiry(after=0) is None
        for id, expiry in (("a", 100), ("b", 300), ("c", 200)):
            await locked(store, id)
            await store.record_lock(JobId(id), replace(LOCK, expiry=expiry), now=NOW)
        assert await store.first_expiry(after=0) is None, "they still run"
        for id in ("a", "b", "c"):
            await walk(store, id, *WAY)
        assert [await store.first_expiry(after=at) for at in (0, 100, 250, 300)] == [100, 200, 300, None]
        await taken(store, "c", Due(), claiming("op"))
        assert await store.first_expiry(after=100) == 300

"""A job's payment and claim runs over REST."""

from dataclasses import replace
from typing import Any

import pytest

from api.rest.house import ESCROW, FREE, GOOD, NOW, PAYEE, TOKEN, House, hexed
from headrace.api.rest.next_step import next_step
from headrace.core.job import JobId
from headrace.core.ports.jobs import SettlementChange
from headrace.core.settlement import (
    Canceled,
    Claimed,
    Claiming,
    Due,
    Move,
    NeedsHelp,
    NoLock,
    Proof,
    Settlement,
    SettlementState,
)
from headrace.core.words import BlockNumber, OperationId, TxHash
from headrace.jobs.schedule import Because, ClaimPolicy, NextRun

PROOF = Proof(TxHash(b"\x22" * 32), BlockNumber(77))


async def change(house: House, id: str, *to: Settlement) -> None:
    for after in to:
        before = (await house.life.job(JobId(id))).settlement
        step = SettlementChange(job=JobId(id), before=before, after=after)
        assert await house.store.change_settlements([step], now=house.clock.now()) == [id]


def claiming(id: str, amount: int) -> Claiming:
    return Claiming(move=Move.CLAIM, amount=amount, operation=OperationId(f"job/{id}/claim/1"))


async def test_from_a_lock_that_is_awaited_to_money_that_moved(house: House) -> None:
    await house.start("a")
    told = await house.get("/v1/jobs/a/settlement")
    assert (told["state"], told["lock"], told["bill"], told["money"], told["proof"]) == (
        "awaiting_lock",
        None,
        None,
        None,
        None,
    )
    assert [operation["operation_id"] for operation in told["operations"]] == ["job/a/lock"]
    assert "its lock is made" in told["next"]["what"]
    await house.started_and_locked("a")
    told = await house.get("/v1/jobs/a/settlement")
    assert told["state"] == "unsettled"
    assert told["lock"] == {
        "amount": {"units": "135000000", "tokens": "135"},
        "expiry": int(NOW) + 7200,
        "transaction": "0x" + "11" * 32,
        "block": 9,
    }
    await house.report("a", *GOOD)
    house.next_run[0] = NextRun(NOW + 900, Because.INTERVAL)
    told = await house.get("/v1/jobs/a/settlement")
    assert told["state"] == "due"
    assert told["bill"] == {"used_ms": 60_000, "minutes": 1, "amount": {"units": "2250000", "tokens": "2.25"}}
    assert told["next"] == {
        "what": "the coming claim run claims what it owes",
        "at": NOW + 900,
        "before": NOW + 7200 - 300,
    }
    await change(house, "a", claiming("a", 2_250_000))
    told = await house.get("/v1/jobs/a/settlement")
    assert told["reason"] == "operation job/a/claim/1 is under way"
    await change(house, "a", Claimed(2_250_000, PROOF))
    told = await house.get("/v1/jobs/a/settlement")
    assert (told["state"], told["status"], told["claims"]) == ("claimed", 70, 1)
    assert told["money"] == {
        "claimed": {"units": "2250000", "tokens": "2.25"},
        "returned": {"units": "132750000", "tokens": "132.75"},
    }
    assert told["proof"] == {"transaction": "0x" + "22" * 32, "block": 77}
    assert told["next"] == {"what": "nothing: it is settled", "at": None, "before": None}
    states = [event["settlement"] for event in told["history"] if event["settlement"]]
    assert states == ["awaiting_lock", "unsettled", "due", "claiming", "claimed"]
    statuses = [event["status"] for event in told["history"] if event["status"] is not None]
    assert statuses == [0, *GOOD, 70]
    assert told["escrow"] == hexed(ESCROW) and told["terms"]["token"] == hexed(TOKEN)


async def test_money_that_went_back_is_told_as_such(house: House) -> None:
    await house.started_and_locked("a", expires_in_s=100)
    await house.report("a", *GOOD)
    assert "cancels its lock, which has expired" in (await house.get("/v1/jobs/a/settlement"))["next"]["what"]
    await change(house, "a", Canceled(PROOF))
    told = await house.get("/v1/jobs/a/settlement")
    assert told["money"]["claimed"]["units"] == "0" and told["money"]["returned"]["tokens"] == "135"


async def test_a_run_that_failed_before_it_began_owes_nothing(house: House) -> None:
    await house.started_and_locked("a")
    await house.report("a", 10, 11)
    told = await house.get("/v1/jobs/a/settlement")
    assert told["bill"] == {"used_ms": 0, "minutes": 0, "amount": {"units": "0", "tokens": "0"}}
    assert "releases its lock" in told["next"]["what"]


async def test_a_free_job_has_nothing_to_settle(house: House) -> None:
    await house.start("f", payment=...)
    await house.report("f", *FREE)
    told = await house.get("/v1/jobs/f/settlement")
    assert (told["state"], told["terms"], told["chain_id"], told["bill"]) == ("free", None, None, None)
    assert told["next"]["what"] == "nothing: it is free"


async def test_who_must_act_is_told_with_the_reason(house: House) -> None:
    await house.started_and_locked("a")
    await house.report("a", *GOOD)
    await change(house, "a", NeedsHelp("its lock is gone"))
    told = await house.get("/v1/jobs/a/settlement")
    assert told["reason"] == "its lock is gone" and "headrace jobs retry" in told["next"]["what"]
    await change(house, "a", NoLock("nobody will find it"))
    told = await house.get("/v1/jobs/a/settlement")
    assert (told["state"], told["reason"], told["money"]) == ("no_lock", "nobody will find it", None)


async def test_a_run_is_begun_when_asked_for_unless_one_goes_on(house: House) -> None:
    first = await house.ask("POST", "/v1/settlement/runs")
    assert first.status == 202
    assert first.json == {
        "begun": True,
        "run": {"id": 1, "because": "asked for", "began_at": NOW, "ended_at": None, "counts": {}, "troubles": []},
    }
    again = await house.ask("POST", "/v1/settlement/runs", {})
    assert (again.status, again.json["begun"], again.json["run"]["id"]) == (202, False, 1)


async def test_runs_are_paged_newest_first_with_what_they_did(house: House) -> None:
    for number in range(1, 6):
        await house.ask("POST", "/v1/settlement/runs")
        await house.store.end_claim_run(number, counts={"claimed": number}, troubles=["slow"], now=NOW + number)
    first = await house.get("/v1/settlement/runs", limit=2)
    assert [(run["id"], run["counts"], run["troubles"]) for run in first["runs"]] == [
        (5, {"claimed": 5}, ["slow"]),
        (4, {"claimed": 4}, ["slow"]),
    ]
    second = await house.get("/v1/settlement/runs", limit=2, cursor=first["cursor"])
    last = await house.get("/v1/settlement/runs", limit=2, cursor=second["cursor"])
    assert [run["id"] for run in second["runs"] + last["runs"]] == [3, 2, 1]
    assert last["cursor"] is None
    exactly = await house.get("/v1/settlement/runs", limit=5)
    assert len(exactly["runs"]) == 5 and exactly["cursor"] is None


async def test_what_is_offered_names_prices_and_whom_to_authorise(house: House) -> None:
    offered = await house.get("/v1/environments")
    assert (offered["chain_id"], offered["escrow"], offered["payee"]) == (31337, hexed(ESCROW), hexed(PAYEE))
    (small,) = offered["environments"]
    assert small["payments"] == [{"token": hexed(TOKEN), "prices": {"cpu": "1", "ram": "0.5"}}]
    assert (small["most"], small["free_max_duration_s"]) == ({"cpu": "8", "ram": "15.5"}, 600)


# ---- What happens next, as a plain function


@pytest.fixture
async def due(house: House) -> Any:
    await house.started_and_locked("a")
    await house.report("a", *GOOD)
    return await house.life.job(JobId("a"))


async def test_a_run_that_is_overdue_is_now_and_one_that_nobody_knows_has_no_time(due: Any) -> None:
    policy = ClaimPolicy()
    overdue = next_step(due, run=NextRun(NOW, Because.INTERVAL), policy=policy, now=NOW + 500)
    assert overdue.at == NOW + 500
    assert next_step(due, run=None, policy=policy, now=NOW + 500).at is None


async def test_too_late_to_claim_and_too_early_to_cancel_waits_for_the_expiry(due: Any) -> None:
    expiry = due.lock.expiry
    step = next_step(due, run=NextRun(NOW, Because.EXPIRY), policy=ClaimPolicy(), now=expiry - 10)
    assert "too late to claim it safely" in step.what
    assert (step.at, step.before) == (expiry + 30.0, None)


async def test_a_payment_without_a_known_lock_is_looked_for(due: Any) -> None:
    step = next_step(replace(due, lock=None), run=None, policy=ClaimPolicy(), now=NOW)
    assert step.what == "the coming claim run looks for its lock on chain"


@pytest.mark.parametrize("state", SettlementState)
async def test_every_state_of_a_payment_has_its_words(due: Any, state: SettlementState) -> None:
    from headrace.core.settlement import AwaitingLock, Free, Released, Unsettled

    of: dict[SettlementState, Settlement] = {
        s.state: s
        for s in (
            Free(),
            AwaitingLock(),
            Unsettled(),
            Due(),
            claiming("a", 1),
            NeedsHelp(""),
            Claimed(1, PROOF),
            Released(PROOF),
            Canceled(PROOF),
            NoLock(""),
        )
    }
    job = replace(due, settlement=of[state], terms=None if state is SettlementState.FREE else due.terms)
    assert next_step(job, run=None, policy=ClaimPolicy(), now=NOW).what

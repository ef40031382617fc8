"""The judge must find every lie: it is what the demo's exit code stands on."""

import copy
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from headrace.app.chain_watch.escrow_record import (
    AccountSeen,
    EndSeen,
    EscrowRecord,
    LockSeen,
    Place,
    TokenSeen,
)
from headrace.app.demo.settlement.acts import Played
from headrace.app.demo.settlement.cast import Casting, Part
from headrace.app.demo.settlement.judging import judge, locked, reckoned
from headrace.core.words import Address

PAYER, PAYEE, TOKEN = Address(b"\x01" * 20), Address(b"\x02" * 20), Address(b"\x03" * 20)
MADE, CLAIMED = b"\x0a" * 32, b"\x0b" * 32
CASTING = Casting(
    id="job-1",
    part=Part.GOOD,
    payer=PAYER,
    body={"max_duration_s": 150},
    per_minute=Fraction("1.5"),
)
PAID, LOCKED = 1_500_000, 4_500_000
FEE = 1_500


def place(transaction: bytes, block: int, timestamp_s: int) -> Place:
    return Place(transaction=transaction, block=block, timestamp_s=timestamp_s, log=0)


LOCK = LockSeen(
    payee=PAYEE,
    payer=PAYER,
    token=TOKEN,
    job=9,
    amount=LOCKED,
    expiry=5_000,
    made=place(MADE, 10, 1_000),
    end=EndSeen(claimed=True, amount=PAID, proof=b"", place=place(CLAIMED, 20, 2_000)),
)
RECORD = EscrowRecord(
    first_block=0,
    last_block=30,
    locks=[LOCK],
    calls=[],
    accounts={
        (PAYER, TOKEN): AccountSeen(available=8_500_000, locked=0, deposited=10_000_000, paid=PAID),
        (PAYEE, TOKEN): AccountSeen(available=0, locked=0, earned=PAID, withdrawn=PAID - FEE),
    },
    tokens={TOKEN: TokenSeen(held=8_500_000, fees=FEE)},
    loose_ends=0,
)
JOB: dict[str, Any] = {
    "settlement": "claimed",
    "status": 70,
    "status_text": "Job finished",
    "max_duration_s": 150,
    "run": {"started_at": 100.0, "stopped_at": 101.5},
    "result": {"exit_code": 0},
}
TOLD: dict[str, Any] = {
    "state": "claimed",
    "reason": "",
    "terms": {"number_on_chain": "0x" + "0" * 63 + "9"},
    "lock": {"amount": {"units": str(LOCKED)}, "expiry": 5_000, "transaction": "0x" + MADE.hex()},
    "money": {"claimed": {"units": str(PAID)}, "returned": {"units": str(LOCKED - PAID)}},
    "proof": {"transaction": "0x" + CLAIMED.hex(), "block": 20},
}


def problems(job: dict[str, Any], told: dict[str, Any], record: EscrowRecord) -> list[str]:
    played = Played([CASTING], jobs={"job-1": job}, settlements={"job-1": told})
    return judge(played, record, payee=PAYEE).all_problems()


def test_what_agrees_is_right() -> None:
    assert problems(JOB, TOLD, RECORD) == []


def test_a_job_costs_its_begun_minutes_and_is_locked_for_its_longest_run() -> None:
    assert reckoned(CASTING, JOB) == PAID
    longer = JOB | {"run": {"started_at": 0.0, "stopped_at": 60.001}}
    assert reckoned(CASTING, longer) == 2 * PAID
    for_ever = JOB | {"run": {"started_at": 0.0, "stopped_at": 9_999.0}}
    assert reckoned(CASTING, for_ever) == locked(CASTING) == LOCKED


@pytest.mark.parametrize(
    "lie",
    [
        lambda job, told: job.update(settlement="released"),
        lambda job, told: job.update(status=71),
        lambda job, told: job.update(result={"exit_code": 1}),
        lambda job, told: job.update(run={"started_at": 0.0, "stopped_at": 61.0}),
        lambda job, told: told["lock"].update(amount={"units": "1"}),
        lambda job, told: told["lock"].update(expiry=4_999),
        lambda job, told: told["lock"].update(transaction="0x00"),
        lambda job, told: told["money"].update(claimed={"units": "1"}),
        lambda job, told: told["money"].update(returned={"units": "1"}),
        lambda job, told: told["proof"].update(transaction="0x" + MADE.hex()),
        lambda job, told: told["proof"].update(block=21),
        lambda job, told: told.update(proof=None),
    ],
)
def test_a_lie_of_the_gateway_is_found(lie: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    job, told = copy.deepcopy(JOB), copy.deepcopy(TOLD)
    lie(job, told)
    assert problems(job, told, RECORD) != []


def test_what_the_chain_has_otherwise_is_found() -> None:
    assert LOCK.end is not None
    canceled = replace(LOCK, end=replace(LOCK.end, claimed=False, amount=LOCKED))
    too_late = replace(LOCK, end=replace(LOCK.end, place=place(CLAIMED, 20, 5_001)))
    foreign = replace(LOCK, job=10)
    for locks in ([], [LOCK, LOCK], [replace(LOCK, end=None)], [canceled], [too_late], [LOCK, foreign]):
        assert problems(JOB, TOLD, replace(RECORD, locks=locks)) != []


def test_money_that_the_provider_kept_too_much_or_too_little_of_is_found() -> None:
    for change in ({"withdrawn": PAID}, {"withdrawn": 0}, {"available": 5}):
        account = replace(RECORD.accounts[PAYEE, TOKEN], **change)
        assert problems(JOB, TOLD, replace(RECORD, accounts={**RECORD.accounts, (PAYEE, TOKEN): account})) != []


def test_a_job_that_the_gateway_does_not_know_is_wrong() -> None:
    played = Played([CASTING], refused={"job-1": "HTTP 422"})
    judgement = judge(played, replace(RECORD, locks=[], accounts={}, tokens={}), payee=PAYEE)
    assert judgement.right == 0
    assert any("HTTP 422" in problem for problem in judgement.all_problems())

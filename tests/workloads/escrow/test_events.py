import pytest

from headrace.core.ports import Effect, Seen
from headrace.core.words import Log
from headrace.workloads.escrow.events import Claimed, read_events
from headrace.workloads.escrow.payload import CANCEL, CLAIM, LOCK, RELEASE, WITHDRAW
from workloads.escrow.making import (
    ESCROW,
    KEY,
    PAYLOADS,
    PROOF,
    STRANGER,
    canceled_log,
    claimed_log,
    lock_log,
    operation,
    other,
    receipt,
    withdraw_log,
    workload,
)


def seen(kind: str, *logs: Log) -> Seen:
    (one,) = workload().effects([operation(kind)], receipt(*logs), called=ESCROW)
    return one


@pytest.mark.parametrize(
    ("kind", "log"),
    [
        (LOCK, lock_log()),
        (CLAIM, claimed_log()),
        (RELEASE, claimed_log(amount=0)),
        (CANCEL, canceled_log()),
        (WITHDRAW, withdraw_log()),
    ],
)
def test_its_own_event_proves_an_operation(kind: str, log: Log) -> None:
    assert seen(kind, log) == Seen(Effect.DONE)


@pytest.mark.parametrize("kind", list(PAYLOADS))
def test_a_receipt_without_events_proves_nothing(kind: str) -> None:
    assert seen(kind) == Seen(Effect.UNSEEN)


@pytest.mark.parametrize(
    "log",
    [
        claimed_log(by=STRANGER),
        claimed_log(amount=59),
        claimed_log(other(KEY, job=8)),
        claimed_log(other(KEY, payer=STRANGER)),
        claimed_log(other(KEY, payee=STRANGER)),
        claimed_log(other(KEY, token=STRANGER)),
        lock_log(),
        Log(ESCROW, claimed_log().topics, b"short"),
        Log(ESCROW, claimed_log().topics[:1], claimed_log().data),
        Log(ESCROW, (), b""),
    ],
)
def test_a_claim_is_proven_by_no_event_but_its_own(log: Log) -> None:
    assert seen(CLAIM, log) == Seen(Effect.UNSEEN)


def test_a_claim_that_turned_into_a_cancel_is_told_as_such() -> None:
    found = seen(CLAIM, canceled_log())
    assert found.effect is Effect.OTHER
    assert "turned into a cancel" in found.reason


def test_one_withdrawal_proves_one_operation_only() -> None:
    twice = [operation(WITHDRAW, id="a"), operation(WITHDRAW, id="b")]
    one, two = workload().effects(twice, receipt(withdraw_log()), called=ESCROW)
    assert (one, two) == (Seen(Effect.DONE), Seen(Effect.UNSEEN))


def test_events_give_amount_and_proof_by_lock() -> None:
    events = read_events([claimed_log(), lock_log(other(KEY, job=9))], escrow=ESCROW)
    assert events.claimed == {KEY: Claimed(60, PROOF)}
    assert events.locked[other(KEY, job=9)].duration_s == 3600

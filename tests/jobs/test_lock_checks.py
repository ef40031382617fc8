"""A lock that cannot be made is refused before anything is stored, in words that tell the payer what to do."""

from dataclasses import replace

import pytest

from headrace.core.errors import FixTheRequest, TryLater
from headrace.core.terms import JobId, Terms
from headrace.core.words import Address
from headrace.jobs.escrow_reader import PayerState
from headrace.jobs.lock_checks import Asked, OnTheirWay, check_lock
from headrace.workloads.escrow.lock_state import Authorization
from jobs.making import new_job

ESCROW = Address(b"\xe5" * 20)


def terms() -> Terms:
    found = new_job().terms
    assert found is not None
    return found


AMOUNT, SECONDS = terms().lock_amount, terms().lock_duration_s
ENOUGH = Authorization(locked_max=2 * AMOUNT, locked_now=0, lock_seconds_max=SECONDS, locks_max=2, locks_now=0)
STATE = PayerState(available=2 * AMOUNT, authorization=ENOUGH)


def test_a_payer_who_has_and_allows_enough_passes() -> None:
    check_lock(terms(), STATE, Asked(), escrow=ESCROW)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (replace(STATE, available=AMOUNT - 1), f"the lock takes {AMOUNT}: deposit 1 more"),
        (replace(STATE, authorization=None), "has not authorised payee"),
        (
            replace(STATE, authorization=replace(ENOUGH, locked_now=AMOUNT + 1)),
            f"authorize at least {2 * AMOUNT + 1}",
        ),
        (
            replace(STATE, authorization=replace(ENOUGH, lock_seconds_max=SECONDS - 1)),
            f"this one lasts {SECONDS} s",
        ),
        (replace(STATE, authorization=replace(ENOUGH, locks_now=2)), "authorised 2 locks at a time"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(state: PayerState, said: str) -> None:
    with pytest.raises(FixTheRequest) as refused:
        check_lock(terms(), state, Asked(), escrow=ESCROW)
    assert said in refused.value.message


def test_locks_on_their_way_count_and_pass() -> None:
    others = OnTheirWay()
    check_lock(terms(), STATE, others.beside(terms()), escrow=ESCROW)
    for number in range(2):
        others.add(JobId(f"other-{number}"), terms())
    with pytest.raises(TryLater, match="2 locks of this payer are on their way"):
        check_lock(terms(), STATE, others.beside(terms()), escrow=ESCROW)
    others.remove(JobId("other-0"), terms())
    check_lock(terms(), STATE, others.beside(terms()), escrow=ESCROW)


def test_what_others_lock_is_no_matter_of_this_payer() -> None:
    others = OnTheirWay()
    for number in range(5):
        others.add(JobId(f"other-{number}"), replace(terms(), payer=ESCROW))
    check_lock(terms(), STATE, others.beside(terms()), escrow=ESCROW)
    others.add(JobId("elsewhere"), replace(terms(), payee=ESCROW))
    assert others.beside(terms()) == Asked(count=0, amount=0, funds=AMOUNT), "funds are common to all payees"

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.making import operation
from headrace.core.operation import Ending, Return
from headrace.core.retries import RetryPolicy, consequence, pause_s
from headrace.core.words import Outcome, Revert, Verdict

POLICY = RetryPolicy(max_retries=2, first_pause_s=1, longest_pause_s=30)
REVERT = Revert(data=b"\x01\x02\x03\x04", name="Refused")


def judged(
    verdict: Verdict, *, retries: int = 0, costs_retry: bool = False, form: str | None = None, age_s: float = 1
) -> Ending | Return:
    return consequence(
        replace(operation(retries=retries), received_at=1_000 - age_s),
        verdict,
        reason="why",
        revert=REVERT,
        form=form,
        costs_retry=costs_retry,
        now=1_000,
        policy=POLICY,
    )


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Verdict.ALREADY_DONE, Outcome.ALREADY_DONE),
        (Verdict.CONFLICT, Outcome.CONFLICT),
        (Verdict.REJECTED, Outcome.REJECTED),
    ],
)
def test_what_is_decided_ends_with_its_reason_and_revert(verdict: Verdict, outcome: Outcome) -> None:
    assert judged(verdict) == Ending(operation=operation().id, outcome=outcome, reason="why", revert=REVERT)


def test_two_retries_are_three_tries() -> None:
    retries, tries = 0, 1
    while isinstance(returned := judged(Verdict.RETRY, retries=retries), Return):
        retries, tries = returned.retries, tries + 1
    assert tries == 3
    assert returned.outcome is Outcome.REJECTED
    assert returned.reason == "why; gave up after 2 retries"
    assert returned.revert == REVERT


def test_waiting_costs_nothing_however_often() -> None:
    returned = judged(Verdict.WAIT, retries=2)
    assert isinstance(returned, Return)
    assert returned.retries == 2


def test_a_retry_costs_one_whether_the_workload_says_so_or_not() -> None:
    for costs in (True, False):
        returned = judged(Verdict.RETRY, costs_retry=costs)
        assert isinstance(returned, Return)
        assert returned.retries == 1


def test_more_gas_costs_only_where_it_is_the_operations_own_fault() -> None:
    costly, free = judged(Verdict.MORE_GAS, costs_retry=True), judged(Verdict.MORE_GAS)
    assert isinstance(costly, Return)
    assert isinstance(free, Return)
    assert (costly.retries, free.retries) == (1, 0)


def test_in_another_form_it_travels_at_once() -> None:
    returned = judged(Verdict.WAIT, form="respond")
    assert isinstance(returned, Return)
    assert (returned.form, returned.not_before) == ("respond", None)


def test_in_the_same_form_it_rests_first() -> None:
    returned = judged(Verdict.WAIT)
    assert isinstance(returned, Return)
    assert returned.not_before is not None
    assert 1_001 <= returned.not_before <= 1_001.25


def test_what_waits_for_long_is_asked_about_less_and_less() -> None:
    rests = [judged(Verdict.WAIT, age_s=age_s) for age_s in (10, 80, 10_000)]
    assert [r.not_before for r in rests if isinstance(r, Return)][1:] == [1_010, 1_000 + POLICY.longest_pause_s]


@given(st.text(min_size=1, max_size=20), st.integers(0, 10**6))
def test_a_pause_is_bounded_and_repeatable(name: str, retries: int) -> None:
    pause = pause_s(operation(name), retries, POLICY)
    assert 1 <= pause <= 30 * 1.25
    assert pause == pause_s(operation(name), retries, POLICY)


@given(st.text(min_size=1, max_size=20))
def test_pauses_double_up_to_the_longest(name: str) -> None:
    pauses = [pause_s(operation(name), retries, POLICY) for retries in range(1, 12)]
    for i, pause in enumerate(pauses):
        assert min(2**i, 30) <= pause <= min(2**i, 30) * 1.25


def test_operations_that_failed_together_come_back_apart() -> None:
    pauses = {pause_s(operation(f"operation {i}"), 1, POLICY) for i in range(100)}
    assert len(pauses) > 50


def test_every_verdict_has_a_consequence() -> None:
    for verdict, costs in itertools.product(Verdict, (True, False)):
        assert isinstance(judged(verdict, costs_retry=costs), Ending | Return)

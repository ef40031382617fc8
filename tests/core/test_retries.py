import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.making import operation
from headrace.core.operation import Ending, Return
from headrace.core.retries import RetryPolicy, again, consequence, pause_s
from headrace.core.words import BlockNumber, Outcome, Revert, Verdict

POLICY = RetryPolicy(max_retries=2, first_pause_s=1, longest_pause_s=30)
REVERT = Revert(data=b"\x01\x02\x03\x04", name="Refused")


def test_who_only_rode_beside_what_failed_travels_at_once_and_pays_nothing() -> None:
    returned = again(operation(retries=1), reason="a neighbour", now=1_000, head=BlockNumber(5))
    assert isinstance(returned, Return)
    assert (returned.not_before, returned.retries) == (None, 1)


def test_who_rode_beside_what_failed_ends_expired_once_its_time_is_over() -> None:
    late = again(replace(operation(), deadline=1_000.0), reason="a neighbour", now=1_000, head=BlockNumber(5))
    assert isinstance(late, Ending)
    assert late.outcome is Outcome.EXPIRED
    late = again(
        replace(operation(), deadline_block=BlockNumber(5)), reason="a neighbour", now=1_000, head=BlockNumber(5)
    )
    assert isinstance(late, Ending)


def judged(
    verdict: Verdict,
    *,
    retries: int = 0,
    costs_retry: bool = False,
    form: str | None = None,
    age_s: float = 1,
    deadline: float | None = None,
    deadline_block: int | None = None,
) -> Ending | Return:
    return consequence(
        replace(
            operation(retries=retries),
            received_at=1_000 - age_s,
            deadline=deadline,
            deadline_block=None if deadline_block is None else BlockNumber(deadline_block),
        ),
        verdict,
        reason="why",
        revert=REVERT,
        form=form,
        costs_retry=costs_retry,
        now=1_000,
        head=BlockNumber(100),
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


# ---- A deadline wins over a retry


@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.WAIT, Verdict.MORE_GAS])
def test_what_could_not_be_tried_again_in_time_ends_as_expired_with_its_true_reason(verdict: Verdict) -> None:
    for late in (judged(verdict, deadline=1_000.5), judged(verdict, deadline_block=100)):
        assert isinstance(late, Ending)
        assert (late.outcome, late.revert) == (Outcome.EXPIRED, REVERT)
        assert late.reason.startswith("why; ")


@given(st.floats(1_000, 1_100), st.integers(0, 2), st.floats(0, 1_000))
def test_no_retry_is_scheduled_past_the_deadline(deadline: float, retries: int, age_s: float) -> None:
    returned = judged(Verdict.WAIT, deadline=deadline, retries=retries, age_s=age_s)
    if isinstance(returned, Return):
        assert returned.not_before is not None
        assert returned.not_before < deadline


def test_with_time_left_it_is_tried_again() -> None:
    assert isinstance(judged(Verdict.RETRY, deadline=1_010, deadline_block=101), Return)


def test_in_another_form_it_may_travel_up_to_its_deadline() -> None:
    assert isinstance(judged(Verdict.WAIT, form="respond", deadline=1_000.1), Return)


def test_what_is_decided_is_not_expired_by_a_deadline() -> None:
    done = judged(Verdict.ALREADY_DONE, deadline=1, deadline_block=1)
    assert isinstance(done, Ending)
    assert done.outcome is Outcome.ALREADY_DONE


def test_a_budget_that_is_spent_is_told_as_that_and_not_as_a_deadline() -> None:
    spent = judged(Verdict.RETRY, retries=2, deadline_block=100)
    assert isinstance(spent, Ending)
    assert spent.outcome is Outcome.REJECTED


def test_every_verdict_has_a_consequence() -> None:
    for verdict, costs in itertools.product(Verdict, (True, False)):
        assert isinstance(judged(verdict, costs_retry=costs), Ending | Return)

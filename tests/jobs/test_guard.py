"""Settings of settlement that cannot work are refused at start."""

from typing import Any

import pytest

from headrace.jobs.guard import interval_problems

DEFAULTS: dict[str, float | None] = {
    "payment_claim_interval_s": 3600.0,
    "payment_claim_initial_delay_s": 60.0,
    "claim_margin_s": 300.0,
    "claim_duration_timeout_s": 3600.0,
}


def problems(**more: Any) -> list[str]:
    return interval_problems(**(DEFAULTS | more))


def test_the_defaults_can_work() -> None:
    assert problems() == []


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_value_that_is_missing_or_no_number_never_passes(name: str, value: float | None) -> None:
    """The original compares undefined values, which is false, and starts."""
    assert problems(**{name: value}) == [f"{name}: is {value}, and must be a number of seconds"]


def test_an_interval_longer_than_a_lock_outlives_its_job_is_refused_in_words() -> None:
    assert problems(payment_claim_interval_s=3601.0) == [
        "payment_claim_interval_s: is 3601 s, longer than a lock outlives its job (claim_duration_timeout_s is "
        "3600): raise that, or lower this"
    ]
    assert problems(payment_claim_interval_s=36_000.0, claim_duration_timeout_s=36_000.0) == []


def test_a_first_run_that_comes_later_than_that_is_refused_too() -> None:
    (problem,) = problems(payment_claim_initial_delay_s=4000.0)
    assert problem.startswith("payment_claim_initial_delay_s: is 4000 s")


def test_a_margin_that_leaves_no_time_for_a_run_is_refused_in_words() -> None:
    (problem,) = problems(claim_margin_s=3500.0)
    assert problem == (
        "claim_margin_s: is 3500 s; with the 180 s that a run and a second try need, a lock would have to outlive "
        "its job by 3680 s, and claim_duration_timeout_s is 3600: raise that, or lower the margin"
    )


def test_runs_need_a_pause_and_time_runs_forward() -> None:
    assert problems(payment_claim_interval_s=0.0) == [
        "payment_claim_interval_s: is 0, and runs would follow each other without a pause"
    ]
    assert problems(claim_margin_s=-1.0) == ["claim_margin_s: is -1 s, and time does not run backwards"]


def test_all_problems_are_told_at_once() -> None:
    assert len(problems(payment_claim_interval_s=None, claim_margin_s=-1.0)) == 2
    assert len(problems(payment_claim_interval_s=9e9, payment_claim_initial_delay_s=9e9, claim_margin_s=9e9)) == 3

"""The search, against machines that sustain exactly up to some rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.app.throughput.search import FACTOR, Tried, next_rate, sustained


def searched(limit: int, *, start: int = 250, steps_max: int = 20) -> list[Tried]:
    tried: list[Tried] = []
    while (rate := next_rate(tried, start=start, steps_max=steps_max)) is not None:
        tried.append(Tried(rate, rate <= limit))
    return tried


def test_it_goes_up_while_rates_hold_and_then_looks_between() -> None:
    assert [t.rate_per_s for t in searched(340)] == [250, 300, 360, 330]


def test_it_goes_down_from_a_start_that_is_too_many() -> None:
    assert [t.rate_per_s for t in searched(180)] == [250, 208, 173, 190, 182]
    assert sustained(searched(180)) == 173


def test_it_stops_after_its_last_step_wherever_it_is() -> None:
    assert len(searched(10_000, steps_max=4)) == 4


def test_a_machine_that_holds_nothing_is_said_to_hold_nothing() -> None:
    assert sustained(searched(0)) == 0


def test_a_rate_that_held_above_one_that_did_not_was_luck() -> None:
    assert sustained([Tried(250, True), Tried(300, False), Tried(360, True)]) == 250


@given(limit=st.integers(10, 2_000), start=st.integers(10, 1_000))
def test_what_it_finds_holds_and_is_near_the_limit(limit: int, start: int) -> None:
    found = sustained(searched(limit, start=start, steps_max=100))
    assert found <= limit
    assert found * FACTOR**2 >= limit


@pytest.mark.parametrize("limit", [3, 50, 249, 250, 251, 10_000])
def test_no_rate_is_tried_twice(limit: int) -> None:
    rates = [t.rate_per_s for t in searched(limit)]
    assert len(rates) == len(set(rates))

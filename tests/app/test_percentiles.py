import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.app.percentiles import nearest_rank, percentiles

VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=400)


@given(VALUES, st.integers(1, 100))
def test_nearest_rank_is_the_least_measured_value_that_enough_values_do_not_exceed(
    values: list[float], percent: int
) -> None:
    found = nearest_rank(sorted(values), percent)
    assert found in values
    assert 100 * sum(value <= found for value in values) >= percent * len(values)
    assert 100 * sum(value < found for value in values) < percent * len(values)


@given(VALUES)
def test_the_median_is_that_of_the_statistics_module(values: list[float]) -> None:
    assert nearest_rank(sorted(values), 50) == statistics.median_low(values)
    assert nearest_rank(sorted(values), 100) == max(values)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=400), st.sampled_from([50, 95, 99]))
def test_an_interpolated_quantile_lies_between_its_measured_neighbours(values: list[float], percent: int) -> None:
    ordered = sorted(values)
    found = nearest_rank(ordered, percent)
    below = max((value for value in ordered if value < found), default=found)
    above = min((value for value in ordered if value > found), default=found)
    between = statistics.quantiles(ordered, n=100, method="inclusive")[percent - 1]
    assert below - 1e-6 <= between <= above + 1e-6


def test_ranks_are_counted_in_whole_numbers() -> None:
    assert nearest_rank([float(n) for n in range(1, 21)], 95) == 19
    assert nearest_rank([float(n) for n in range(1, 101)], 7) == 7  # 0.07 * 100 is more than 7
    assert percentiles(float(n) for n in range(1, 101)) == {"p50": 50, "p95": 95, "p99": 99, "max": 100}


def test_of_one_value_every_percentile_is_that_value_and_of_none_there_is_none() -> None:
    assert percentiles([0.25]) == {"p50": 0.25, "p95": 0.25, "p99": 0.25, "max": 0.25}
    assert percentiles([]) == {"p50": None, "p95": None, "p99": None, "max": None}


@pytest.mark.parametrize("percent", [0, 101])
def test_other_percentages_are_a_bug(percent: int) -> None:
    with pytest.raises(AssertionError):
        nearest_rank([1.0], percent)

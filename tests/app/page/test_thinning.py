from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from headrace.app.page.thinning import Curve, counted, evenly, extremes, shares

SECONDS = st.lists(st.floats(0.01, 1000, allow_nan=False).map(lambda value: round(value, 3)), max_size=60)


def height(curve: Curve, x: float) -> float:
    """What a staircase shows at x."""
    return next(y for at, y in reversed(list(zip(curve.x, curve.y, strict=True))) if at <= x)


def test_what_happens_at_one_moment_is_one_step() -> None:
    assert counted([3.0, 1.0, 1.0, 1.0]) == Curve([0.0, 1.0, 3.0], [0, 3, 4])


def test_nothing_that_happened_is_a_line_at_none() -> None:
    assert counted([]) == Curve([0.0], [0])
    assert shares([], of=5) == Curve([], [])


@given(SECONDS)
def test_a_curve_with_points_enough_is_the_count_itself(moments: list[float]) -> None:
    curve = counted(moments, points_max=100)
    for moment in moments:
        assert height(curve, moment) == sum(other <= moment for other in moments)


@given(SECONDS, st.integers(2, 20))
def test_thinned_out_it_is_never_too_high_and_ends_as_it_does(moments: list[float], points_max: int) -> None:
    curve = counted(moments, points_max=points_max)
    assert len(curve.x) <= points_max
    assert curve.y[-1] == len(moments)
    for x, y in zip(curve.x, curve.y, strict=True):
        assert y == sum(moment <= x for moment in moments), "each point that is left was counted"


@given(SECONDS, st.integers(2, 20))
def test_each_share_is_a_measured_value_and_what_never_came_is_missing_at_the_end(
    values: list[float], points_max: int
) -> None:
    of = len(values) + 3
    curve = shares(values, of=of, points_max=points_max)
    assert len(curve.x) <= points_max
    assert set(curve.x) <= set(values)
    for x, y in zip(curve.x, curve.y, strict=True):
        assert y == round(100 * sum(value <= x for value in values) / of, 4)
    if values:
        assert (curve.x[0], curve.x[-1]) == (min(values), max(values))
        assert curve.y[-1] < 100


@given(st.lists(st.integers(), max_size=50), st.integers(2, 30))
def test_evenly_keeps_the_ends_and_the_order(values: list[int], most: int) -> None:
    kept = evenly(list(enumerate(values)), most)
    assert len(kept) == min(len(values), most)
    assert list(kept) == sorted(kept)
    if values:
        assert kept[0] == (0, values[0]) and kept[-1] == (len(values) - 1, values[-1])


@given(st.lists(st.integers(), min_size=1, max_size=80), st.integers(2, 30))
def test_extremes_keep_the_least_and_the_largest_of_all(values: list[int], most: int) -> None:
    kept: Sequence[tuple[int, int]] = extremes(list(enumerate(values)), most, by=lambda one: one[1])
    assert len(kept) <= most or len(kept) == len(values)
    assert list(kept) == sorted(kept)
    assert min(value for _, value in kept) == min(values)
    assert max(value for _, value in kept) == max(values)

import pytest

from headrace.app.memory.growth import Growth


def flat(until: int, mb: float) -> list[tuple[float, float]]:
    return [(float(second), mb) for second in range(until)]


def test_growth_is_from_settled_to_the_end_of_the_load() -> None:
    samples = [
        *flat(60, 100),
        *((float(s), 120.0) for s in range(60, 580)),
        *((float(s), 126.0) for s in range(580, 700)),
    ]
    growth = Growth.of(samples, settled_at_s=60, end_at_s=600)
    assert (growth.start_mb, growth.settled_mb, growth.end_mb) == (100, 120, 126)
    assert growth.percent == pytest.approx(5)
    assert growth.bytes_each(6 << 20) == pytest.approx(1)


def test_a_moment_counts_as_the_most_and_not_as_growth() -> None:
    samples = [(s, 500.0 if s == 595 else mb) for s, mb in flat(600, 100)]
    growth = Growth.of(samples, settled_at_s=60, end_at_s=600)
    assert (growth.percent, growth.most_mb) == (0, 500)


def test_what_is_freed_after_the_load_hides_nothing() -> None:
    samples = [
        *flat(60, 100),
        *((float(s), 200.0) for s in range(60, 120)),
        *((float(s), 100.0) for s in range(121, 200)),
    ]
    growth = Growth.of(samples, settled_at_s=30, end_at_s=119)
    assert growth.percent == pytest.approx(100)
    assert growth.most_mb == 200


def test_a_load_that_is_shorter_than_a_window_is_measured_by_what_there_is() -> None:
    growth = Growth.of([(0.0, 100.0), (8.0, 110.0)], settled_at_s=4, end_at_s=8)
    assert growth.settled_mb == 110
    assert growth.bytes_each(0) == 0


def test_no_sample_is_no_growth_but_an_error() -> None:
    with pytest.raises(AssertionError, match="no sample"):
        Growth.of([], settled_at_s=1, end_at_s=2)

from hypothesis import given
from hypothesis import strategies as st

from headrace.operators.beat import LONG_S, MANY_PER_S, SHORT_S, Beat


def test_after_a_rest_the_next_beat_begins_at_once() -> None:
    beat = Beat()
    first = beat.now(100.0)
    assert beat.now(100.0 + SHORT_S / 2) == first
    assert beat.now(100.0 + SHORT_S) == first + 1
    assert beat.now(500.0) == first + 2
    assert beat.ends == 500.0 + SHORT_S


def test_a_timer_that_is_early_ends_its_beat_once_for_all() -> None:
    beat = Beat()
    number = beat.now(100.0)
    assert beat.after(number, 100.0 + SHORT_S - 0.001) == number + 1
    assert beat.after(number, 100.0 + SHORT_S - 0.001) == number + 1
    assert beat.now(100.0 + SHORT_S) == number + 1


def test_where_many_come_beats_are_long_and_where_few_come_they_are_short_again() -> None:
    beat, now = Beat(), 100.0
    beat.now(now)
    lengths = []
    for per_s in (MANY_PER_S / 2, 2 * MANY_PER_S, 2 * MANY_PER_S, 2 * MANY_PER_S, MANY_PER_S / 2, MANY_PER_S / 2):
        length = beat.ends - now
        now = beat.ends
        beat.now(now)
        beat.left(round(per_s * length))
        lengths.append(round(beat.ends - now, 6))
    assert lengths == [SHORT_S, LONG_S, LONG_S, LONG_S, SHORT_S, SHORT_S]


@given(st.lists(st.tuples(st.floats(0, 0.2), st.integers(0, 64)), max_size=30))
def test_nobody_waits_longer_than_a_long_beat(steps: list[tuple[float, int]]) -> None:
    beat, now = Beat(), 1000.0
    for pause_s, questions in steps:
        now += pause_s
        beat.now(now)
        beat.left(questions)
        assert now < beat.ends <= now + LONG_S


def test_a_question_that_comes_alone_again_and_again_never_makes_beats_long() -> None:
    beat, now = Beat(), 1000.0
    for _ in range(20):
        now += SHORT_S
        beat.now(now)
        beat.left(1)
        assert beat.ends == now + SHORT_S

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.app.load.profile import BadProfile, OpenLoop, Users, WebUi


@given(st.floats(0.1, 5_000), st.floats(0.5, 3_600))
def test_an_open_loop_is_evenly_spaced_and_never_drifts(rate: float, seconds: float) -> None:
    profile = OpenLoop(rate_per_s=rate, seconds=seconds)
    last = profile.requests - 1
    assert profile.due_s(0) == 0
    assert math.isclose(profile.due_s(last), last / rate)
    assert abs(profile.requests - rate * seconds) <= 1


def test_a_hundred_a_second_for_a_minute_is_six_thousand() -> None:
    assert OpenLoop(rate_per_s=100, seconds=60).requests == 6_000


def test_ten_users_with_a_pacing_of_fifteen_seconds_make_two_hundred_requests_in_five_minutes() -> None:
    assert Users(users=10, spawn_rate_per_s=10, pacing_s=15, seconds=300).requests == 200


def test_users_without_pacing_have_no_known_number_of_requests() -> None:
    assert Users(users=1, spawn_rate_per_s=1, pacing_s=0, seconds=5).requests == 0


def test_users_arrive_by_whole_ones_as_locust_lets_them_in() -> None:
    # The tenth is there at second 0 with the others, and so is due thrice in 45 s, not twice.
    assert Users(users=10, spawn_rate_per_s=10, pacing_s=15, seconds=45).requests == 30
    # One every two seconds: at 0, 2 and 4.
    assert Users(users=3, spawn_rate_per_s=0.5, pacing_s=10, seconds=13).requests == 2 + 2 + 1


def test_where_a_person_sets_the_number_of_users_nobody_knows_that_of_requests() -> None:
    assert Users(users=10, spawn_rate_per_s=10, pacing_s=15, seconds=300, web_ui=WebUi()).requests == 0


def test_a_load_that_cannot_be_offered_is_refused_by_name() -> None:
    with pytest.raises(BadProfile, match="rate_per_s must be more than 0, not 0"):
        OpenLoop(rate_per_s=0, seconds=1)
    with pytest.raises(BadProfile, match="seconds"):
        OpenLoop(rate_per_s=1, seconds=math.inf)
    with pytest.raises(BadProfile, match="pacing_s"):
        Users(users=1, spawn_rate_per_s=1, pacing_s=-1, seconds=5)

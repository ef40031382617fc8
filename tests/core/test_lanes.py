"""From which nonce a lane may go on, and why not from another."""

from dataclasses import replace

import pytest

from headrace.core.lanes import GAP_MAX, LaneRecord, LaneState, against_adopting, state_of
from headrace.core.words import Nonce

FRESH = LaneRecord(next_nonce=Nonce(0), highest=None, highest_final=None, unsettled=(), drained_at=1.0)
AT_FIVE = LaneRecord(next_nonce=Nonce(5), highest=Nonce(4), highest_final=Nonce(4), unsettled=(), drained_at=1.0)
TWO_OPEN = replace(AT_FIVE, highest_final=Nonce(2), unsettled=(Nonce(3), Nonce(4)))


def against(
    start: int, record: LaneRecord, *, latest: int, pending: int | None = None, fill_gap: bool = False
) -> str | None:
    return against_adopting(
        Nonce(start),
        record,
        latest=Nonce(latest),
        pending=Nonce(latest if pending is None else pending),
        fill_gap=fill_gap,
    )


@pytest.mark.parametrize(
    ("record", "latest", "pending", "start"),
    [
        (FRESH, 0, 0, 0),
        (FRESH, 7, 7, 7),  # another wallet used the key before
        (AT_FIVE, 5, 5, 5),
        (AT_FIVE, 8, 8, 8),  # somebody sent by hand
        (AT_FIVE, 5, 8, 8),  # and it waits in the pool
        (replace(AT_FIVE, next_nonce=Nonce(9)), 5, 5, 5),  # those it was adopted past before never came
        (TWO_OPEN, 3, 3, 5),  # nobody's nonce is missing: ours are under way
        (TWO_OPEN, 5, 5, 5),  # mined, and not final yet
    ],
)
def test_a_lane_may_go_on_where_nothing_is_missing_and_nothing_is_given_out_twice(
    record: LaneRecord, latest: int, pending: int, start: int
) -> None:
    assert against(start, record, latest=latest, pending=pending) is None


def test_a_nonce_of_the_ledger_is_never_given_out_again() -> None:
    assert "is in the lane's ledger (decided)" in (against(4, AT_FIVE, latest=5) or "")
    assert "(not decided yet)" in (against(4, TWO_OPEN, latest=3) or "")
    assert "the lowest that can be adopted is 5" in (against(0, TWO_OPEN, latest=3) or "")
    assert "the lowest that can be adopted is 9" in (against(4, AT_FIVE, latest=9) or "")


def test_below_the_count_of_the_chain_a_nonce_is_spent() -> None:
    reason = against(6, AT_FIVE, latest=7, pending=9)
    assert reason is not None
    assert "nonce 6 is spent: the account is at 7" in reason
    assert "the lowest that can be adopted is 9" in reason


def test_what_somebody_else_has_in_the_pool_is_left_to_them() -> None:
    reason = against(7, AT_FIVE, latest=7, pending=9)
    assert reason is not None
    assert "in the node's pool" in reason
    assert "adopt 9" in reason


def test_a_gap_is_refused_unless_it_is_meant() -> None:
    reason = against(8, AT_FIVE, latest=5)
    assert reason is not None
    assert "nonces 5 to 7 (3 of them) would be nobody's" in reason
    assert "--fill-gap" in reason
    assert against(8, AT_FIVE, latest=5, fill_gap=True) is None
    assert "nonce 5 would be nobody's" in (against(6, AT_FIVE, latest=5) or "")
    assert "nonce 5 would be nobody's" in (against(6, TWO_OPEN, latest=3) or ""), "3 and 4 are ours"


def test_a_gap_that_is_too_wide_is_refused_even_if_it_is_meant() -> None:
    assert against(5 + GAP_MAX, AT_FIVE, latest=5, fill_gap=True) is None
    assert f"at most {GAP_MAX}" in (against(6 + GAP_MAX, AT_FIVE, latest=5, fill_gap=True) or "")


def test_a_gap_among_what_is_final_can_never_be_filled() -> None:
    reason = against(6, AT_FIVE, latest=2, fill_gap=True)
    assert reason is not None
    assert "can never be filled" in reason
    assert "another chain" in reason


def test_a_lane_is_drained_once_nothing_is_unsettled() -> None:
    assert state_of(drained_at=None, unsettled=3) is LaneState.ACTIVE
    assert state_of(drained_at=1.0, unsettled=1) is LaneState.DRAINING
    assert state_of(drained_at=1.0, unsettled=0) is LaneState.DRAINED

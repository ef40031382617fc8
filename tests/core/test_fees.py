import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.fees import ceil_percent, first_fees, market_fees, next_base_fee, raise_fees
from headrace.core.words import Fees

GWEI = 10**9
amounts = st.integers(0, 10**12)


@st.composite
def fees(draw: st.DrawFn) -> Fees:
    tip, more = draw(amounts | st.integers(0, 3)), draw(amounts | st.integers(0, 3))
    return Fees(max_fee_wei=tip + more, tip_wei=tip)


@given(fees(), fees(), st.integers(10, 100))
def test_a_raise_is_always_enough_for_a_node(last: Fees, market: Fees, bump: int) -> None:
    raised = raise_fees(last, market, bump_percent=bump, ceiling_wei=10**14)

    assert raised is not None
    for was, is_now in ((last.max_fee_wei, raised.max_fee_wei), (last.tip_wei, raised.tip_wei)):
        assert is_now * 100 >= was * (100 + bump)
        assert is_now > was  # also from nothing: geth wants both strictly higher


@given(fees(), fees(), st.integers(10, 100))
def test_a_raise_reaches_the_market(last: Fees, market: Fees, bump: int) -> None:
    raised = raise_fees(last, market, bump_percent=bump, ceiling_wei=10**14)
    assert raised is not None
    assert raised.max_fee_wei >= market.max_fee_wei
    assert raised.tip_wei >= market.tip_wei


@given(fees(), fees(), st.integers(10, 100), st.integers(1, 10**12))
def test_a_raise_stays_under_the_ceiling_or_is_none(last: Fees, market: Fees, bump: int, ceiling: int) -> None:
    raised = raise_fees(last, market, bump_percent=bump, ceiling_wei=ceiling)
    if raised is None:
        floor = ceil_percent(last.max_fee_wei, 100 + bump)
        assert max(floor, last.max_fee_wei + 1) > ceiling
    else:
        assert raised.max_fee_wei <= ceiling


def test_a_tip_of_nothing_is_raised_by_one_wei() -> None:
    nothing = Fees(max_fee_wei=1, tip_wei=0)
    assert raise_fees(nothing, nothing, bump_percent=10, ceiling_wei=9) == Fees(max_fee_wei=2, tip_wei=1)


@given(fees(), st.integers(1, 10**12))
def test_a_first_offer_is_the_market_under_the_ceiling(market: Fees, ceiling: int) -> None:
    offer = first_fees(market, ceiling_wei=ceiling)
    assert offer.max_fee_wei == min(market.max_fee_wei, ceiling)
    assert offer.tip_wei == min(market.tip_wei, ceiling)


def test_an_offer_outlives_five_full_blocks() -> None:
    base_fee = 7 * GWEI
    offer = market_fees(base_fee_wei=base_fee, tip_wei=GWEI)
    for _ in range(5):
        base_fee = next_base_fee(base_fee_wei=base_fee, gas_used=60_000_000, gas_limit=60_000_000)
    assert offer.max_fee_wei - base_fee >= offer.tip_wei


# The test cases of go-ethereum's and the execution specs' EIP-1559 suites: (base fee, limit, used, next).
@pytest.mark.parametrize(
    ("base_fee", "gas_limit", "gas_used", "expected"),
    [
        (GWEI, 20_000_000, 10_000_000, GWEI),  # at the target
        (GWEI, 20_000_000, 9_000_000, 987_500_000),  # below
        (GWEI, 20_000_000, 11_000_000, 1_012_500_000),  # above
        (GWEI, 20_000_000, 20_000_000, 1_125_000_000),  # full
        (GWEI, 20_000_000, 0, 875_000_000),  # empty
        (1, 20_000_000, 20_000_000, 2),  # it always rises
        (7, 20_000_000, 0, 7),  # and cannot fall to nothing
        (0, 20_000_000, 0, 0),
    ],
)
def test_the_next_base_fee_is_that_of_eip_1559(
    base_fee: int, gas_limit: int, gas_used: int, expected: int
) -> None:
    assert next_base_fee(base_fee_wei=base_fee, gas_used=gas_used, gas_limit=gas_limit) == expected


@given(amounts, st.integers(0, 200))
def test_a_percentage_is_rounded_up(amount: int, percent: int) -> None:
    rounded = ceil_percent(amount, percent)
    assert rounded * 100 >= amount * percent > (rounded - 1) * 100

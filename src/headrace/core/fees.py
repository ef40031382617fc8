"""How much to pay, and how much more to pay next time. Whole numbers of wei per gas only."""

from headrace.core.words import Fees


def market_fees(*, base_fee_wei: int, tip_wei: int) -> Fees:
    """What to offer now: room for the base fee to double (six full blocks at +12.5 %), plus the tip."""
    return Fees(max_fee_wei=2 * base_fee_wei + tip_wei, tip_wei=tip_wei)


def first_fees(market: Fees, *, ceiling_wei: int) -> Fees:
    return Fees(max_fee_wei=min(market.max_fee_wei, ceiling_wei), tip_wei=min(market.tip_wei, ceiling_wei))


def raise_fees(last: Fees, market: Fees, *, bump_percent: int, ceiling_wei: int) -> Fees | None:
    """The next fees to offer, or None when the ceiling leaves no room for a valid replacement."""
    # Nodes accept a replacement only if *both* fields rise, so a calm market does not help us.
    # At least one wei: geth wants both strictly higher, and a percentage of nothing is nothing.
    floor_max = max(ceil_percent(last.max_fee_wei, 100 + bump_percent), last.max_fee_wei + 1)
    floor_tip = max(ceil_percent(last.tip_wei, 100 + bump_percent), last.tip_wei + 1)
    if floor_max > ceiling_wei or floor_tip > ceiling_wei:
        return None
    tip = max(floor_tip, market.tip_wei)
    max_fee = max(floor_max, market.max_fee_wei, tip)
    return Fees(max_fee_wei=min(max_fee, ceiling_wei), tip_wei=min(tip, ceiling_wei))


def next_base_fee(*, base_fee_wei: int, gas_used: int, gas_limit: int) -> int:
    """The coming block's base fee from its parent's header (EIP-1559, elasticity 2, denominator 8)."""
    target = gas_limit // 2
    if gas_used > target:
        return base_fee_wei + max(base_fee_wei * (gas_used - target) // target // 8, 1)
    return base_fee_wei - base_fee_wei * (target - gas_used) // target // 8


def ceil_percent(amount_wei: int, percent: int) -> int:
    # Round up: rounding down makes a bump of 1 wei vanish and the node refuses it.
    return -(-amount_wei * percent // 100)

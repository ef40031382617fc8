"""Amounts of coin as people read them. Exact amounts stay integers of wei everywhere else."""

from typing import Final

_GWEI: Final = 10**9
_COIN: Final = 10**18
# Below these an amount reads better in the smaller unit.
_GWEI_FROM: Final = 10**6
_COIN_FROM: Final = 10**14


def wei_in_words(wei: int) -> str:
    """`21 wei`, `2.1723 gwei`, `0.000353503 ether` (the chain's coin): cut, not rounded, after a few digits."""
    if abs(wei) < _GWEI_FROM:
        return f"{wei} wei"
    if abs(wei) < _COIN_FROM:
        return f"{_cut(wei, _GWEI, 4)} gwei"
    return f"{_cut(wei, _COIN, 9)} ether"


def _cut(amount: int, unit: int, digits: int) -> str:
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    whole, rest = divmod(amount, unit)
    decimals = str(rest * 10**digits // unit).zfill(digits).rstrip("0")
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.amounts import wei_in_words


@pytest.mark.parametrize(
    ("wei", "words"),
    [
        (0, "0 wei"),
        (999_999, "999999 wei"),
        (10**6, "0.001 gwei"),
        (2_172_363_282, "2.1723 gwei"),
        (3 * 10**9, "3 gwei"),
        (353_503_998_114_093, "0.000353503 ether"),
        (10**18, "1 ether"),
        (12_345 * 10**17, "1234.5 ether"),
        (-2 * 10**18, "-2 ether"),
    ],
)
def test_an_amount_is_told_in_the_unit_it_reads_best_in(wei: int, words: str) -> None:
    assert wei_in_words(wei) == words


@given(st.integers(0, 2**256 - 1))
def test_nobody_is_told_more_than_there_is(wei: int) -> None:
    number, unit = wei_in_words(wei).split()
    whole, _, decimals = number.partition(".")
    size = {"wei": 1, "gwei": 10**9, "ether": 10**18}[unit]
    told = int(whole) * size + int(decimals or "0") * size // 10 ** len(decimals)
    assert 0 <= wei - told < max(size // 10**4, 1)

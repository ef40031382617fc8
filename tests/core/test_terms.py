"""What a paid job costs."""

from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import FixTheRequest
from headrace.core.terms import (
    DURATION_S_MAX,
    JobId,
    Rate,
    Terms,
    agree,
    cost,
    decimal_text,
    exact,
    minutes,
    number_on_chain,
)
from headrace.core.words import Address, ChainId

PAYER, PAYEE, TOKEN = Address(b"\x01" * 20), Address(b"\x02" * 20), Address(b"\x03" * 20)


def rate(resource: str, amount: str, price: str) -> Rate:
    return Rate(resource=resource, amount=exact(amount, field="amount"), price=exact(price, field="price"))


EXAMPLE = (rate("cpu", "2", "1"), rate("ram", "4", "0.5"), rate("disk", "10", "0.2"), rate("gpu", "1", "3"))


def terms(**more: Any) -> Terms:
    fields: dict[str, Any] = {
        "chain": ChainId(31337),
        "token": TOKEN,
        "token_decimals": 18,
        "payer": PAYER,
        "payee": PAYEE,
        "rates": EXAMPLE,
        "minimum_duration_s": 60,
        "max_duration_s": 3600,
        "queue_max_wait_s": 0,
        "claim_duration_timeout_s": 3600,
    }
    return agree(**(fields | more))


def test_the_documented_example_costs_27_tokens() -> None:
    assert cost(terms(token_decimals=6), used_ms=125_000) == 27 * 10**6
    assert cost(terms(), used_ms=125_000) == 27 * 10**18


@pytest.mark.parametrize(
    ("used_ms", "minimum_s", "expected"),
    [
        (0, 0, 0),
        (1, 0, 1),
        (60_000, 0, 1),
        (60_001, 0, 2),
        (120_000, 60, 2),
        (0, 60, 1),
        (0, 61, 2),
        (61_000, 600, 10),
    ],
)
def test_begun_minutes_count_and_no_less_than_the_minimum(used_ms: int, minimum_s: int, expected: int) -> None:
    assert minutes(used_ms, minimum_s) == expected


def test_the_lock_covers_the_longest_run_and_the_cost_is_capped_at_it() -> None:
    agreed = terms(max_duration_s=600, queue_max_wait_s=30)
    assert agreed.lock_amount == 9 * 10 * 10**18
    assert agreed.lock_duration_s == 600 + 30 + 3600
    assert cost(agreed, used_ms=600_000) == agreed.lock_amount
    assert cost(agreed, used_ms=86_400_000) == agreed.lock_amount
    assert cost(replace(agreed, lock_amount=5), used_ms=60_000) == 5


def test_a_minimum_longer_than_the_longest_run_is_locked_for() -> None:
    assert terms(max_duration_s=60, minimum_duration_s=300).lock_amount == 9 * 5 * 10**18


def test_a_price_finer_than_the_token_is_rounded_up_once_at_the_end() -> None:
    fine = (rate("cpu", "1", "0.0000004"), rate("ram", "1", "0.0000004"))
    agreed = terms(rates=fine, token_decimals=6)
    assert cost(agreed, used_ms=60_000) == 1  # 0.8 of a unit; rounding each would be 2, down would be 0
    assert cost(agreed, used_ms=300_000) == 4  # exactly


@pytest.mark.parametrize(
    ("price", "units"), [("0.0000001", 10**11), ("0.0000003", 3 * 10**11), ("1" + "0" * 22, 10**40)]
)
def test_very_small_and_very_large_prices_are_exact(price: str, units: int) -> None:
    """As floats these are 1e-07, 3e-07 and 1e+22 in text, and no contract's number."""
    assert cost(terms(rates=(rate("cpu", "1", price),)), used_ms=60_000) == units


@pytest.mark.parametrize(
    "text",
    ["", "1e3", "-1", "+1", " 1", "1 ", ".5", "1.", "01", "NaN", "Infinity", "1,5", "٣", "1" * 31, 0.2, 1, None],
)
def test_a_price_that_is_no_number_is_refused_with_its_field(text: object) -> None:
    with pytest.raises(FixTheRequest, match=r"resources\.cpu\.price: .* is no decimal number as text"):
        exact(text, field="resources.cpu.price")


@given(st.integers(0, 10**12), st.integers(0, 30))
def test_a_decimal_text_survives_both_ways(digits: int, places: int) -> None:
    number = Fraction(digits, 10**places)
    text = decimal_text(number)
    assert exact(text, field="x") == number
    assert "e" not in text.lower()


@pytest.mark.parametrize("text", ["0.0000001", "0.0000003", "1" + "0" * 22, "0." + "0" * 29 + "1", "0"])
def test_no_number_is_written_with_an_exponent(text: str) -> None:
    """As floats write themselves, and nobody can read them."""
    assert decimal_text(Fraction(text)) == text


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_time_never_costs_less_and_never_more_than_the_lock(a: int, b: int) -> None:
    agreed = terms()
    less, more = sorted((a, b))
    assert cost(agreed, used_ms=less) <= cost(agreed, used_ms=more) <= agreed.lock_amount


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"token_decimals": -1}, "token: -1 decimals"),
        ({"token_decimals": 77}, "token: 77 decimals"),
        ({"rates": ()}, "resources: 0 of them"),
        ({"rates": EXAMPLE * 9}, "resources: 36 of them"),
        ({"rates": EXAMPLE[:1] * 2}, "named twice in cpu, cpu"),
        ({"token": Address(bytes(20))}, "token is the zero address"),
        ({"payer": Address(bytes(20))}, "payer is the zero address"),
        ({"payee": PAYER}, "payer and payee are both 0x0101"),
        ({"max_duration_s": 0}, "max_duration_s: 0 s"),
        ({"max_duration_s": -5}, "max_duration_s: -5 s"),
        ({"max_duration_s": DURATION_S_MAX + 1}, "max_duration_s: 2678401 s"),
        ({"minimum_duration_s": -1}, "minimum_duration_s: -1 s"),
        ({"queue_max_wait_s": 10**12}, "queue_max_wait_s: 1000000000000 s"),
        ({"rates": (rate("cpu", "1", "0"),)}, "start it as a free job"),
        ({"rates": (rate("cpu", "1", "9" * 30),), "token_decimals": 36, "max_duration_s": 10**6}, None),
        ({"rates": (rate("cpu", "9" * 30, "9" * 30),)}, "do not fit a uint256"),
    ],
)
def test_terms_that_no_contract_would_take_are_refused(wrong: dict[str, Any], said: str | None) -> None:
    if said is None:
        assert terms(**wrong).lock_amount < 2**256
        return
    with pytest.raises(FixTheRequest, match=said):
        terms(**wrong)


def test_a_jobs_number_on_chain_is_the_hash_of_its_id() -> None:
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, "abc"
    assert number_on_chain(JobId("abc")) == int(expected, 16)
    assert number_on_chain(JobId("é")) == int(sha256(b"\xc3\xa9").hexdigest(), 16)

"""The codec of quantities and data is strict, and says what is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.chain.hexes import (
    Malformed,
    address_text,
    data_text,
    quantity_text,
    read_address,
    read_data,
    read_quantity,
    shown,
)


@given(st.integers(0, 2**256 - 1))
def test_quantities_go_there_and_back(value: int) -> None:
    assert read_quantity(quantity_text(value), "x") == value


@given(st.binary(max_size=200))
def test_data_goes_there_and_back(value: bytes) -> None:
    assert read_data(data_text(value), "x") == value


@pytest.mark.parametrize(
    "bad", [None, 7, "", "0x", "0x01", "7", "0xg", "-0x1", "0x" + "f" * 65, " 0x1", "0x1\n", True]
)
def test_what_is_no_quantity_is_refused_by_name(bad: object) -> None:
    with pytest.raises(Malformed, match=r"block\.number: "):
        read_quantity(bad, "block.number")


@pytest.mark.parametrize("bad", [None, b"", "", "0x1", "00", "0xzz", "0x00\n", []])
def test_what_is_no_data_is_refused_by_name(bad: object) -> None:
    with pytest.raises(Malformed, match=r"log\.data: "):
        read_data(bad, "log.data")


def test_a_fixed_size_is_checked() -> None:
    with pytest.raises(Malformed, match="hash: '0x00' has 1 bytes, not 32"):
        read_data("0x00", "hash", size=32)


def test_addresses_are_read_in_any_case_and_written_with_checksum() -> None:
    text = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert read_address(text.lower(), "to") == read_address(text, "to")
    assert address_text(read_address(text.lower(), "to")) == text


def test_foreign_values_are_shown_short() -> None:
    assert len(shown("x" * 10_000)) == 80

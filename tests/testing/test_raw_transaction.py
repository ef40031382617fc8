import os

import pytest
from eth_account import Account

from headrace.testing.keys import keys_from_seed
from headrace.testing.raw_transaction import BadTransaction, read_transaction
from testing.signing import GWEI, signed

KEY = keys_from_seed(1, 1)[0]


@pytest.mark.parametrize("size", [0, 1, 55, 56, 300, 70_000])
def test_a_transaction_reads_as_it_was_signed(size: int) -> None:
    data = os.urandom(size)
    raw = signed(KEY, 7, data=data, gas=9_000_000, value=5)
    transaction = read_transaction(raw)
    assert transaction.sender == KEY.address
    assert (
        transaction.hash
        == Account.sign_transaction(
            {
                "type": 2,
                "chainId": 31337,
                "nonce": 7,
                "maxFeePerGas": 10 * GWEI,
                "maxPriorityFeePerGas": GWEI,
                "gas": 9_000_000,
                "to": b"\x11" * 20,
                "value": 5,
                "data": data,
            },
            KEY.secret,
        ).hash
    )
    assert (transaction.chain, transaction.nonce, transaction.gas) == (31337, 7, 9_000_000)
    assert (transaction.max_fee_wei, transaction.tip_wei) == (10 * GWEI, GWEI)
    assert (transaction.to, transaction.value, transaction.data) == (b"\x11" * 20, 5, data)
    assert transaction.cost_wei == 9_000_000 * 10 * GWEI + 5


def test_older_types_are_read_too() -> None:
    fields = {"nonce": 3, "gasPrice": 8 * GWEI, "gas": 50_000, "to": None, "value": 0, "data": b"\x00\x01"}
    legacy = read_transaction(bytes(Account.sign_transaction(fields | {"chainId": 5}, KEY.secret).raw_transaction))
    assert (legacy.sender, legacy.chain, legacy.nonce, legacy.to) == (KEY.address, 5, 3, None)
    assert (legacy.max_fee_wei, legacy.tip_wei) == (8 * GWEI, 8 * GWEI)
    assert legacy.intrinsic_gas == 21_000 + 4 + 16 + 32_000 + 2
    access = [{"address": "0x" + "22" * 20, "storageKeys": ["0x" + "01" * 32, "0x" + "02" * 32]}]
    listed = fields | {"type": 1, "chainId": 5, "to": b"\x11" * 20, "accessList": access}
    typed = read_transaction(bytes(Account.sign_transaction(listed, KEY.secret).raw_transaction))
    assert (typed.sender, typed.chain) == (KEY.address, 5)
    assert typed.intrinsic_gas == 21_000 + 4 + 16 + 2_400 + 2 * 1_900


def test_the_floor_counts_a_byte_that_is_not_zero_four_times() -> None:
    transaction = read_transaction(signed(KEY, 0, data=bytes(10) + b"\xff" * 10, gas=100_000))
    assert transaction.floor_gas == 21_000 + 10 * (10 + 40)
    assert transaction.intrinsic_gas == 21_000 + 4 * 10 + 16 * 10


GOOD = signed(KEY, 0)


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x02", b"\x03" + GOOD[1:], GOOD[:-1], GOOD + b"\x00", b"\xc0", b"\x7fabc", bytes(100), b"\xff" * 40],
)
def test_other_bytes_are_told_apart(raw: bytes) -> None:
    with pytest.raises(BadTransaction):
        read_transaction(raw)

"""Real signatures for these tests, by eth-account alone."""

from typing import Any

from eth_account import Account

from headrace.testing.keys import TestKey

GWEI = 10**9


def signed(key: TestKey, nonce: int, **other: Any) -> bytes:
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": 31337,
        "nonce": nonce,
        "maxFeePerGas": 10 * GWEI,
        "maxPriorityFeePerGas": GWEI,
        "gas": 21_000,
        "to": b"\x11" * 20,
        "value": 0,
        "data": b"",
    }
    return bytes(Account.sign_transaction(fields | other, key.secret).raw_transaction)


def hexed(data: bytes) -> str:
    return "0x" + data.hex()

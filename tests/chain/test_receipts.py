"""Blocks and receipts from JSON: every field checked, every mistake named by its path."""

import copy
from typing import Any

import pytest

from headrace.chain.hexes import Malformed
from headrace.chain.receipts import read_block, read_receipt
from headrace.core.words import Address, Block, Log, Receipt

HASH, OTHER, TX = "0x" + "11" * 32, "0x" + "22" * 32, "0x" + "33" * 32
BLOCK: dict[str, Any] = {
    "number": "0x10",
    "hash": HASH,
    "parentHash": OTHER,
    "timestamp": "0x6553f100",
    "baseFeePerGas": "0x7",
    "gasLimit": "0x3938700",
    "gasUsed": "0x0",
    "extraData": "0x",
}
RECEIPT: dict[str, Any] = {
    "transactionHash": TX,
    "blockNumber": "0x10",
    "blockHash": HASH,
    "status": "0x1",
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x3b9aca07",
    "logs": [{"address": "0x" + "aa" * 20, "topics": [HASH, OTHER], "data": "0x0102", "logIndex": "0x0"}],
}


def test_a_block_is_read() -> None:
    assert read_block(BLOCK) == Block(
        number=16,
        hash=b"\x11" * 32,
        parent_hash=b"\x22" * 32,
        timestamp=0x6553F100,
        base_fee_wei=7,
        gas_limit=60_000_000,
        gas_used=0,
    )  # type: ignore[arg-type]


def test_a_receipt_is_read() -> None:
    assert read_receipt(RECEIPT) == Receipt(
        transaction=b"\x33" * 32,
        block=16,
        block_hash=b"\x11" * 32,
        ok=True,
        gas_used=21_000,
        gas_price_wei=1_000_000_007,
        logs=(Log(Address(b"\xaa" * 20), (b"\x11" * 32, b"\x22" * 32), b"\x01\x02"),),
    )  # type: ignore[arg-type]
    assert not read_receipt({**RECEIPT, "status": "0x0"}).ok


@pytest.mark.parametrize(
    "field", ["number", "hash", "parentHash", "timestamp", "baseFeePerGas", "gasLimit", "gasUsed"]
)
def test_a_missing_field_of_a_block_is_named(field: str) -> None:
    with pytest.raises(Malformed, match=rf"block\.{field}: None"):
        read_block({key: value for key, value in BLOCK.items() if key != field})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"status": "0x2"}, r"receipt\.status: 2 is neither"),
        ({"status": None}, r"receipt\.status"),
        ({"blockHash": "0x11"}, r"receipt\.blockHash: '0x11' has 1 bytes"),
        ({"logs": None}, r"receipt\.logs: None is not an array"),
        ({"logs": ["x"]}, r"receipt\.logs\[0\]: 'x' is not an object"),
        ({"effectiveGasPrice": 5}, r"receipt\.effectiveGasPrice"),
    ],
)
def test_a_wrong_field_of_a_receipt_is_named(change: dict[str, object], named: str) -> None:
    with pytest.raises(Malformed, match=named):
        read_receipt({**RECEIPT, **change})


def test_a_wrong_field_of_a_log_is_named() -> None:
    receipt = copy.deepcopy(RECEIPT)
    receipt["logs"][0]["topics"] = [HASH, "0x01"]
    with pytest.raises(Malformed, match=r"receipt\.logs\[0\]\.topics\[1\]"):
        read_receipt(receipt)
    receipt["logs"][0]["topics"] = [HASH] * 5
    with pytest.raises(Malformed, match="5 topics"):
        read_receipt(receipt)
    with pytest.raises(Malformed, match="receipt: 7 is not an object"):
        read_receipt(7)

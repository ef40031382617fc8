"""Between bytes and integers, and the hex text of JSON-RPC.

Owns      the two forms of Ethereum's JSON-RPC: quantities (0x0, 0x1f; no leading zeros) and data (0x, 0x00ff).
Promises  what is not exactly of that form is `Malformed`, and says which field, what came and what was expected.
Leaves    what the values mean to `chain.receipts` and `chain.node`.
"""

import re
from typing import Final

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak as _keccak

from headrace.core.words import Address

_QUANTITY: Final = re.compile(r"0x(0|[1-9a-fA-F][0-9a-fA-F]{0,63})")
_DATA: Final = re.compile(r"0x([0-9a-fA-F]{2})*")
_SHOWN_CHARACTERS_MAX: Final = 80


class Malformed(ValueError):
    """A value that is not of the form the JSON-RPC interface promises."""


def quantity_text(value: int) -> str:
    assert value >= 0, value
    return hex(value)


def data_text(value: bytes) -> str:
    return "0x" + value.hex()


def read_quantity(value: object, what: str) -> int:
    """Raises Malformed. `what` names the field in the error."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise Malformed(f"{what}: {shown(value)} is not a quantity (0x and up to 64 hex digits, no leading zero)")
    return int(value, 16)


def read_data(value: object, what: str, *, size: int | None = None) -> bytes:
    """Raises Malformed. `size` in bytes, where it is fixed."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise Malformed(f"{what}: {shown(value)} is not data (0x and an even number of hex digits)")
    read = bytes.fromhex(value[2:])
    if size is not None and len(read) != size:
        raise Malformed(f"{what}: {shown(value)} has {len(read)} bytes, not {size}")
    return read


def read_address(value: object, what: str) -> Address:
    """Twenty bytes in any case of letters. A checksum (EIP-55) is not asked for: nodes answer in lower case."""
    return Address(read_data(value, what, size=20))


def address_text(address: bytes) -> str:
    """With the checksum of EIP-55."""
    return to_checksum_address(address)


def keccak(value: bytes) -> bytes:
    return bytes(_keccak(value))


def shown(value: object) -> str:
    """A foreign value as it may stand in an error: short, whatever it is."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[: _SHOWN_CHARACTERS_MAX - 1] + "…"

"""Between what stands in JSON and bytes, integers, words: the one place of `api` that knows hex.

Owns      the forms of single values (addresses, data, quantities, ids, topics), and the words for what is wrong.
Promises  what is not exactly of a form is refused with the field's path and the value; bounds hold.
Leaves    which fields an object has to `api.fields`, what they mean to those who ask.
"""

import math
import re
from typing import Final

from eth_utils.crypto import keccak

from headrace.core.errors import FixTheRequest
from headrace.core.words import Address, OperationId

UINT32_BITS: Final = 32
UINT256_BITS: Final = 256
OPERATION_ID_CHARACTERS_MAX: Final = 128

_HEX_QUANTITY: Final = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DECIMAL: Final = re.compile(r"[0-9]{1,78}")
_NO_ADDRESS: Final = bytes(20)
_OPERATION_ID: Final = re.compile(f"[!-~]{{1,{OPERATION_ID_CHARACTERS_MAX}}}")
_MADE_HERE: Final = "/create"  # the first half of a task that is recorded in two operations
_OF_JOBS: Final = "job/"  # operations on a job's payment
_SHOWN_CHARACTERS_MAX: Final = 80


# ---- What is wrong


def wrong(path: str, problem: str) -> FixTheRequest:
    """`path` names the field, as in `intent.to`; empty for the parameters themselves."""
    return FixTheRequest(f"{path or 'params'}: {problem}", field=path or "params")


def shown(value: object) -> str:
    """A client's value as it may stand in an error: short, whatever it is."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            cut = value if len(value) <= _SHOWN_CHARACTERS_MAX else value[: _SHOWN_CHARACTERS_MAX - 1] + "…"
            return repr(cut)
        case int() | float():
            text = repr(value)
            return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[: _SHOWN_CHARACTERS_MAX - 1] + "…"
        case dict():
            return "an object"
        case _:
            return "a list"


# ---- From JSON


def read_data(
    value: object, path: str, *, size: int | None = None, bytes_max: int | None = None, bare: bool = False
) -> bytes:
    """Hex with 0x; `bare`: with it or without. `size`: exactly so many bytes. Raises FixTheRequest."""
    read = _bytes_of(value, bare=bare) if isinstance(value, str) else None
    if read is None:
        prefix = "0x and " if not bare else ""
        raise wrong(path, f"{shown(value)} is not hex data ({prefix}an even number of hex digits)")
    if size is not None and len(read) != size:
        raise wrong(path, f"{shown(value)} has {len(read)} bytes, not {size}")
    if bytes_max is not None and len(read) > bytes_max:
        raise wrong(path, f"has {len(read)} bytes, at most {bytes_max} are taken")
    return read


def _bytes_of(text: str, *, bare: bool) -> bytes | None:
    """None where the text is no hex. (By a regular expression it would take ten times as long.)"""
    if not (bare or text.startswith("0x")):
        return None
    digits = text.removeprefix("0x")
    try:
        read = bytes.fromhex(digits)
    except ValueError:
        return None
    return read if 2 * len(read) == len(digits) else None  # fromhex passes over white space


def read_address(value: object, path: str, *, zero_ok: bool = False) -> Address:
    """20 bytes; in mixed case its checksum (EIP-55) must hold. Raises FixTheRequest."""
    read = _bytes_of(value, bare=False) if isinstance(value, str) else None
    if read is None or len(read) != 20:
        raise wrong(path, f"{shown(value)} is not a 20-byte address (0x and 40 hex digits)")
    assert isinstance(value, str)
    digits = value[2:]
    if not (digits.islower() or digits.isupper() or digits.isdigit()) and digits != _checksummed(digits.lower()):
        raise wrong(
            path, f"{shown(value)} has a wrong checksum (EIP-55): is a digit mistyped? All lower case skips it"
        )
    if not zero_ok and read == _NO_ADDRESS:
        raise wrong(path, "is the zero address")
    return Address(read)


def read_quantity(value: object, path: str, *, bits: int = UINT256_BITS, least: int = 0) -> int:
    """Hex with 0x, decimal text, or a JSON integer. Raises FixTheRequest."""
    match value:
        case bool():
            number = None
        case int():
            number = value
        case str() if _HEX_QUANTITY.fullmatch(value):
            number = int(value, 16)
        case str() if _DECIMAL.fullmatch(value):
            number = int(value)
        case _:
            number = None
    if number is None:
        raise wrong(path, f"{shown(value)} is not a whole number (0x-hex, decimal text or a JSON integer)")
    if not least <= number < 1 << bits:
        raise wrong(path, f"{shown(value)} is not within {least} to 2^{bits} - 1")
    return number


def read_seconds(value: object, path: str, *, most: float | None = None) -> float:
    """A JSON number above 0. Raises FixTheRequest."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(path, f"{shown(value)} is not a number of seconds")
    if not 0 < value < 2**53 or (most is not None and value > most):
        bound = "above 0" if most is None else f"above 0 and at most {most:g}"
        raise wrong(path, f"{shown(value)} is not {bound} seconds")
    seconds = float(value)
    assert math.isfinite(seconds), seconds
    return seconds


def read_text(value: object, path: str, *, one_of: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in one_of:
        raise wrong(path, f"{shown(value)} is none of {', '.join(one_of)}")
    return value


def read_operation_id(value: object, path: str) -> OperationId:
    """Of any operation, ours included. Raises FixTheRequest."""
    if not isinstance(value, str) or not _OPERATION_ID.fullmatch(value):
        raise wrong(
            path,
            f"{shown(value)} is not an operation id (1 to {OPERATION_ID_CHARACTERS_MAX} printable ASCII "
            "characters without spaces)",
        )
    return OperationId(value)


def read_new_operation_id(value: object, path: str) -> OperationId:
    """One that a client may choose. Raises FixTheRequest."""
    read = read_operation_id(value, path)
    if read.endswith(_MADE_HERE):
        raise wrong(path, f"{shown(value)}: ids that end in {_MADE_HERE!r} are made by the gateway only")
    if read.startswith(_OF_JOBS):
        raise wrong(path, f"{shown(value)}: ids that begin with {_OF_JOBS!r} are made by the gateway only")
    return read


# ---- To JSON


def hexed(value: bytes) -> str:
    return f"0x{value.hex()}"


def jsonable(value: object) -> object:
    """The same in JSON's own types, bytes as hex: for what errors and news carry."""
    match value:
        case bytes():
            return hexed(value)
        case dict():
            return {str(key): jsonable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [jsonable(inner) for inner in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def _checksummed(digits: str) -> str:
    """EIP-55: a letter is upper case where the hash of the lower-case digits has 8 or more."""
    marks = keccak(text=digits).hex()
    return "".join(d.upper() if int(mark, 16) >= 8 else d for d, mark in zip(digits, marks, strict=False))

"""What a policy's expression can call beyond CEL itself.

Owns      exact arithmetic on wei, and reading the arguments of a call; described in `operators.expression`.
Promises  plain functions of their arguments; a ValueError where they do not fit, which makes the policy say no.
"""

from collections.abc import Callable
from typing import Any, Final

_WORD: Final = 32
_DIGITS_MAX: Final = 78  # of 2^256


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX:
        return int(value)
    raise ValueError(f"{value!r} is no whole number in decimal")


def _wei_at_most(value: object, limit: object) -> bool:
    return _whole(value) <= _whole(limit)


def _wei_at_least(value: object, limit: object) -> bool:
    return _whole(value) >= _whole(limit)


def _argument(data: object, index: object) -> bytes:
    if not isinstance(data, str) or not isinstance(index, int) or index < 0:
        raise ValueError("takes intent.data and an index")
    raw = bytes.fromhex(data.removeprefix("0x"))
    start = 4 + index * _WORD
    if len(raw) < start + _WORD:
        raise ValueError(f"the data has no argument {index}: {len(raw)} bytes")
    return raw[start : start + _WORD]


def _uint_argument(data: object, index: object) -> str:
    return str(int.from_bytes(_argument(data, index), "big"))


def _address_argument(data: object, index: object) -> str:
    word = _argument(data, index)
    if any(word[:12]):
        raise ValueError(f"argument {index} is no address: 0x{word.hex()}")
    return f"0x{word[12:].hex()}"


def _lower(text: object) -> str:
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no text")
    return text.lower()


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "wei_at_most": _wei_at_most,
    "wei_at_least": _wei_at_least,
    "uint_argument": _uint_argument,
    "address_argument": _address_argument,
    "lower": _lower,
}

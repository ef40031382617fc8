"""ABI values to bytes and back: eth-abi, set up for foreign data.

Promises  addresses are 20 bytes and `bytes` are bytes on both sides; a string may hold any bytes; reading costs at
          most a few times the data's length; what cannot be read is `Undecodable`.
Leaves    names and structure of contracts to `chain.abi`.
"""

import io
from collections.abc import Sequence
from typing import Any, Final

from eth_abi import exceptions
from eth_abi.codec import ABICodec
from eth_abi.decoding import AddressDecoder, ContextFramesBytesIO, StringDecoder
from eth_abi.encoding import AddressEncoder, TextStringEncoder
from eth_abi.registry import BaseEquals
from eth_abi.registry import registry as standard_registry

_READ_TIMES: Final = 4
_READ_BYTES_MIN: Final = 4096


class Undecodable(ValueError):
    """Data that is not what the ABI says it is."""


class _AddressBytes(AddressDecoder):
    decoder_fn = staticmethod(bytes)  # type: ignore[assignment] # eth-abi's answers with text


class _Metered(ContextFramesBytesIO):
    """Many pointers to the same long tail make little data into much: reading is bounded by the data's length."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)  # type: ignore[no-untyped-call]
        self._left = _READ_TIMES * len(data) + _READ_BYTES_MIN

    def read(self, size: int | None = -1, /) -> bytes:
        read = io.BytesIO.read(self, size)
        self._left -= len(read)
        if self._left < 0:
            raise exceptions.DecodingError("the data points to the same bytes again and again")
        return read


def _made() -> ABICodec:
    registry: Any = standard_registry.copy()  # type: ignore[no-untyped-call]
    same: Any = BaseEquals
    registry.unregister("address")
    registry.unregister("string")
    registry.register(same("address"), AddressEncoder, _AddressBytes, label="address")
    string: Any = StringDecoder
    registry.register(same("string"), TextStringEncoder, string("replace"), label="string")
    codec = ABICodec(registry)
    codec.stream_class = _Metered
    return codec


_CODEC: Final = _made()


def encode_values(types: Sequence[str], values: Sequence[object]) -> bytes:
    """Raises ValueError."""
    try:
        return _CODEC.encode(types, values)
    except (exceptions.EncodingError, TypeError, OverflowError) as error:
        raise ValueError(str(error)) from error


def is_type(type_text: str) -> bool:
    """Whether values of it can be read."""
    try:
        return _CODEC.is_encodable_type(type_text)
    except exceptions.ParseError:
        return False


def fits(type_text: str, value: object) -> bool:
    return _CODEC.is_encodable(type_text, value)


def decode_values(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Not strict about padding, like Solidity. Raises Undecodable."""
    try:
        return _CODEC.decode(types, data, strict=False)
    except (exceptions.DecodingError, ValueError, OverflowError, MemoryError) as error:
        raise Undecodable(f"{len(data)} bytes are not ({', '.join(types)})") from error

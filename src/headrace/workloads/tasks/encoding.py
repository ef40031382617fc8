"""The three structs of the task contracts to bytes and back, written out for exactly these three.

Owns      their ABI types, and where each of their words stands.
Promises  byte for byte what eth-abi gives, values and errors alike, at a twentieth of the time: what does not
          fit the plain form is handed to eth-abi, to be encoded, read or refused as it does (tests compare).
Leaves    what the values mean to `tasks.structs`, batches of them to `tasks.batches`.

Reading takes the plain form for granted: each part where our own encoding would put it. The caller encodes what
was read again, and believes it only where the bytes are the same (docs/decisions/0025).
"""

from struct import Struct, error
from typing import Any, Final

from eth_abi.codec import ABICodec
from eth_abi.registry import registry

INTENT: Final = "(address,address,uint256,bytes,uint256,bytes)"
TASK: Final = f"(bytes32,address,uint32,uint32,{INTENT},bytes,bytes,bytes,uint256)"
RESPONSE: Final = "(bytes32,address,bytes32,bytes32,bytes,uint32)"

WORD: Final = 32
_ADDRESS_BYTES: Final = 20
_BODY_AT: Final = WORD.to_bytes(WORD, "big")  # a dynamic struct is encoded as the offset of its body, and the body

# The fixed words of each body: an address is 12x20s, a uint32 or an offset 28xI, any other word 32s.
_INTENT_HEAD: Final = Struct(">12x20s12x20s32s28xI32s28xI")
_TASK_HEAD: Final = Struct(">32s12x20s28xI28xI28xI28xI28xI28xI32s")
_RESPONSE_HEAD: Final = Struct(">32s12x20s32s32s28xI28xI")

_codec = ABICodec(registry)
_NOT_PLAIN: Final = (error, OverflowError, TypeError, AttributeError)  # wrong in type or size: eth-abi says how


def bytes_part(value: bytes) -> bytes:
    """A `bytes` behind its offset: its length, and itself, in whole words."""
    size = len(value)
    return size.to_bytes(WORD, "big") + value + bytes(-size % WORD)


def encode_intent(from_: bytes, to: bytes, value: int, data: bytes, chain: int, signature: bytes) -> bytes:
    if len(from_) == len(to) == _ADDRESS_BYTES:
        try:
            first = bytes_part(data)
            head_size = _INTENT_HEAD.size
            head = _INTENT_HEAD.pack(from_, to, _word(value), head_size, _word(chain), head_size + len(first))
            return b"".join((_BODY_AT, head, first, bytes_part(signature)))
        except _NOT_PLAIN:
            pass
    return _codec.encode([INTENT], [(from_, to, value, data, chain, signature)])


def encode_task(
    task_id: bytes,
    client: bytes,
    block: int,
    threshold: int,
    intent: bytes,
    signature: bytes,
    arguments: bytes,
    quorums: bytes,
    timestamp: int,
    *,
    intent_values: tuple[object, ...],
) -> bytes:
    """`intent` as `encode_intent` gives it; `intent_values` are what it was made of."""
    if len(task_id) == WORD and len(client) == _ADDRESS_BYTES:
        try:
            first, second, third = bytes_part(signature), bytes_part(arguments), bytes_part(quorums)
            first_at = _TASK_HEAD.size + len(intent) - WORD
            second_at = first_at + len(first)
            head = _TASK_HEAD.pack(
                *(task_id, client, block, threshold),
                *(_TASK_HEAD.size, first_at, second_at, second_at + len(second)),
                _word(timestamp),
            )
            return b"".join((_BODY_AT, head, intent[WORD:], first, second, third))
        except _NOT_PLAIN:
            pass
    fields = (task_id, client, block, threshold, intent_values, signature, arguments, quorums, timestamp)
    return _codec.encode([TASK], [fields])


def encode_response(
    task_id: bytes, client: bytes, policy: bytes, intent_hash: bytes, result: bytes, expire: int
) -> bytes:
    if len(task_id) == len(policy) == len(intent_hash) == WORD and len(client) == _ADDRESS_BYTES:
        try:
            head = _RESPONSE_HEAD.pack(task_id, client, policy, intent_hash, _RESPONSE_HEAD.size, expire)
            return b"".join((_BODY_AT, head, bytes_part(result)))
        except _NOT_PLAIN:
            pass
    return _codec.encode([RESPONSE], [(task_id, client, policy, intent_hash, result, expire)])


# ---- Reading. What is no plain form gives other bytes when it is encoded again, or is None here already.

Intents = tuple[bytes, bytes, int, bytes, int, bytes]
Tasks = tuple[bytes, bytes, int, int, Intents, bytes, bytes, bytes, int]
Responses = tuple[bytes, bytes, bytes, bytes, bytes, int]


def plain_task(encoded: bytes) -> Tasks | None:
    try:
        head = _TASK_HEAD.unpack_from(encoded, WORD)
        task_id, client, block, threshold, _, _, _, _, timestamp = head
        intent_at = WORD + _TASK_HEAD.size
        from_, to, value, _, chain, _ = _INTENT_HEAD.unpack_from(encoded, intent_at)
    except error:
        return None  # too short
    data, at = _part(encoded, intent_at + _INTENT_HEAD.size)
    function_signature, at = _part(encoded, at)
    signature, at = _part(encoded, at)
    arguments, at = _part(encoded, at)
    quorums, _ = _part(encoded, at)
    intent = (from_, to, int.from_bytes(value, "big"), data, int.from_bytes(chain, "big"), function_signature)
    seconds = int.from_bytes(timestamp, "big")
    return (task_id, client, block, threshold, intent, signature, arguments, quorums, seconds)


def plain_response(encoded: bytes) -> Responses | None:
    try:
        task_id, client, policy, intent_hash, _, expire = _RESPONSE_HEAD.unpack_from(encoded, WORD)
    except error:
        return None  # too short
    result, _ = _part(encoded, WORD + _RESPONSE_HEAD.size)
    return (task_id, client, policy, intent_hash, result, expire)


def any_task(encoded: bytes) -> Tasks:
    """As eth-abi reads it, strictly. Raises its DecodingError."""
    (fields,) = _codec.decode([TASK], encoded)
    task_id, client, block, threshold, intent, *rest, timestamp = fields
    from_, to, *others = intent
    signature, arguments, quorums = rest
    inner: Any = (_address(from_), _address(to), *others)
    return (task_id, _address(client), block, threshold, inner, signature, arguments, quorums, timestamp)


def any_response(encoded: bytes) -> Responses:
    """As eth-abi reads it, strictly. Raises its DecodingError."""
    (fields,) = _codec.decode([RESPONSE], encoded)
    task_id, client, *rest = fields
    result: Any = (task_id, _address(client), *rest)
    return result  # type: ignore[no-any-return]


def _address(value: object) -> bytes:
    assert isinstance(value, str), value  # eth-abi gives addresses as text
    return bytes.fromhex(value[2:])


def _word(value: int) -> bytes:
    return value.to_bytes(WORD, "big")


def _part(encoded: bytes, at: int) -> tuple[bytes, int]:
    """A `bytes` that stands there, and where the next one would."""
    size = int.from_bytes(encoded[at : at + WORD], "big")
    start = at + WORD
    return encoded[start : start + size], start + size + -size % WORD

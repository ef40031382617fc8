"""The events of an escrow that tell where money went, read from raw logs.

Owns      their signatures and their decoding (signatures: the escrow's public interface and ERC-20).
Promises  a log that is none of them is None; a log that claims to be one and is cut short is a ValueError.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eth_utils.crypto import keccak

DEPOSIT: Final = keccak(text="Deposit(address,address,uint256)")
WITHDRAW: Final = keccak(text="Withdraw(address,address,uint256)")
LOCK: Final = keccak(text="Lock(address,address,uint256,uint256,uint256,address)")
CLAIMED: Final = keccak(text="Claimed(address,uint256,address,address,uint256,bytes)")
CANCELED: Final = keccak(text="Canceled(address,uint256,address,address,uint256)")
TRANSFER: Final = keccak(text="Transfer(address,address,uint256)")  # of the token, not of the escrow

_WORD: Final = 32


@dataclass(frozen=True, slots=True)
class Deposited:
    user: bytes
    token: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    user: bytes
    token: bytes
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LockMade:
    """`seconds`: how long it lasts from its block on."""

    payer: bytes
    payee: bytes
    job: int
    amount: int
    seconds: int
    token: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LockClaimed:
    """`amount` is what the payer paid, the collector's share included."""

    payee: bytes
    job: int
    token: bytes
    payer: bytes
    amount: int
    proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LockCanceled:
    payee: bytes
    job: int
    token: bytes
    payer: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class Moved:
    """Tokens went from one account to another."""

    sender: bytes
    to: bytes
    amount: int


EscrowEvent = Deposited | Withdrawn | LockMade | LockClaimed | LockCanceled


def read_escrow_event(topics: Sequence[bytes], data: bytes) -> EscrowEvent | None:
    """One log of the escrow. Raises ValueError for one of our topics with the wrong shape."""
    match topics:
        case [topic, user] if topic == DEPOSIT:
            return Deposited(user[12:], _address(data, 0), _whole(data, 1))
        case [topic, user] if topic == WITHDRAW:
            return Withdrawn(user[12:], _address(data, 0), _whole(data, 1))
        case [topic] if topic == LOCK:
            return LockMade(
                payer=_address(data, 0),
                payee=_address(data, 1),
                job=_whole(data, 2),
                amount=_whole(data, 3),
                seconds=_whole(data, 4),
                token=_address(data, 5),
            )
        case [topic, payee, payer] if topic == CLAIMED:
            return LockClaimed(
                payee=payee[12:],
                payer=payer[12:],
                job=_whole(data, 0),
                token=_address(data, 1),
                amount=_whole(data, 2),
                proof=_bytes(data, 3),
            )
        case [topic, payee, payer] if topic == CANCELED:
            return LockCanceled(
                payee=payee[12:],
                payer=payer[12:],
                job=_whole(data, 0),
                token=_address(data, 1),
                amount=_whole(data, 2),
            )
        case [topic, *_] if topic in (DEPOSIT, WITHDRAW, LOCK, CLAIMED, CANCELED):
            raise ValueError(f"event 0x{topic.hex()} with {len(topics)} topics: not the interface we know")
        case _:
            return None


def read_transfer(topics: Sequence[bytes], data: bytes) -> Moved | None:
    """One log of a token. Raises ValueError for one that is cut short."""
    match topics:
        case [topic, sender, to] if topic == TRANSFER:
            return Moved(sender[12:], to[12:], _whole(data, 0))
        case _:
            return None


def _word(data: bytes, index: int) -> bytes:
    word = data[index * _WORD : (index + 1) * _WORD]
    if len(word) < _WORD:
        raise ValueError(f"event data of {len(data)} bytes ends inside word {index}")
    return word


def _whole(data: bytes, index: int) -> int:
    return int.from_bytes(_word(data, index))


def _address(data: bytes, index: int) -> bytes:
    return _word(data, index)[12:]


def _bytes(data: bytes, index: int) -> bytes:
    """An argument of type bytes: its place holds an offset, there is its length, then the content."""
    start = _whole(data, index)
    length = int.from_bytes(data[start : start + _WORD])
    content = data[start + _WORD : start + _WORD + length]
    if len(data) < start + _WORD or len(content) < length:
        raise ValueError(f"event data of {len(data)} bytes promises {length} bytes at {start + _WORD}")
    return content

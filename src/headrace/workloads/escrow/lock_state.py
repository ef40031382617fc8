"""Reads the escrow's views: which locks live, what an account has there.

Promises  works with the five words per lock of v2.5 to v2.8 and with the sixth (start time) of v2.9; an answer
          that is neither raises Undecodable, it is never "no lock".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from headrace.chain.abi_codec import Undecodable, decode_values
from headrace.core.words import Address
from headrace.workloads.escrow.payload import LockKey

_WORD: Final = 32
_LOCK_WORDS: Final = (5, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLock:
    """`expiry` in unix seconds: claimable up to and including a block of that time."""

    key: LockKey
    amount: int
    expiry: int


def live_locks(answer: bytes, *, payee: Address) -> list[LiveLock]:
    """What `getLocks` answered. Raises Undecodable."""
    if len(answer) < 2 * _WORD or len(answer) % _WORD or _whole(answer[:_WORD]) != _WORD:
        raise Undecodable(f"{len(answer)} bytes are no answer of getLocks")
    count, body = _whole(answer[_WORD : 2 * _WORD]), answer[2 * _WORD :]
    if count == 0 and not body:
        return []
    words = len(body) // _WORD // count if count else 0
    if words not in _LOCK_WORDS or len(body) != count * words * _WORD:
        raise Undecodable(f"{len(answer)} bytes are no {count} locks of {_LOCK_WORDS} words")
    return [_lock(body[at : at + words * _WORD], payee) for at in range(0, len(body), words * _WORD)]


def find_lock(answer: bytes, key: LockKey) -> LiveLock | None:
    """The one lock. Raises Undecodable."""
    return next((lock for lock in live_locks(answer, payee=key.payee) if lock.key == key), None)


def available_funds(answer: bytes) -> int:
    """What `getUserFunds` answered: not locked, in the token's smallest unit. Raises Undecodable."""
    available, _locked = decode_values(["uint256", "uint256"], answer)
    return int(available)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What a payer allows a payee, in one token: amounts in its smallest unit, how long one lock may last, how
    many there may be at once; and what of that is taken."""

    locked_max: int
    locked_now: int
    lock_seconds_max: int
    locks_max: int
    locks_now: int


def authorization(answer: bytes, *, payee: Address) -> Authorization | None:
    """What `getAuthorizations` answered. None: there is none for this payee. Raises Undecodable."""
    (found,) = decode_values(["(address,uint256,uint256,uint256,uint256,uint256)[]"], answer)
    for who, locked_max, locked_now, lock_seconds_max, locks_max, locks_now in found:
        if who == payee:
            return Authorization(
                locked_max=locked_max,
                locked_now=locked_now,
                lock_seconds_max=lock_seconds_max,
                locks_max=locks_max,
                locks_now=locks_now,
            )
    return None


def _lock(words: bytes, payee: Address) -> LiveLock:
    job, payer, amount, expiry, token, *_start = _split(words)
    key = LockKey(payee=payee, payer=Address(payer[12:]), token=Address(token[12:]), job=_whole(job))
    return LiveLock(key=key, amount=_whole(amount), expiry=_whole(expiry))


def _split(words: bytes) -> Iterator[bytes]:
    return (words[at : at + _WORD] for at in range(0, len(words), _WORD))


def _whole(word: bytes) -> int:
    return int.from_bytes(word, "big")

"""The escrow's batch calls: one array per argument.

Owns      the signatures of the functions that operations travel to, and of the views that are asked.
"""

from collections.abc import Sequence
from typing import Final

from eth_utils.crypto import keccak

from headrace.chain.abi_codec import encode_values
from headrace.core.words import Address
from headrace.workloads.escrow.payload import CANCEL, CLAIM, LOCK, NOBODY, RELEASE, WITHDRAW, LockKey, Payload

_CREATE_LOCKS: Final = ("uint256[]", "address[]", "address[]", "uint256[]", "uint256[]")
_CLAIM_LOCKS: Final = ("uint256[]", "address[]", "address[]", "uint256[]", "bytes[]")
_CANCEL_LOCKS: Final = ("uint256[]", "address[]", "address[]", "address[]")
_WITHDRAW: Final = ("address[]", "uint256[]")
_WORD: Final = 32


def _selector(name: str, types: Sequence[str]) -> bytes:
    return keccak(text=f"{name}({','.join(types)})")[:4]


# Not the forms that also withdraw: they pay out everything that the payee has there, its own deposits too.
SELECTOR: Final = {
    LOCK: _selector("createLocks", _CREATE_LOCKS),
    CLAIM: _selector("claimLocks", _CLAIM_LOCKS),
    RELEASE: _selector("claimLocks", _CLAIM_LOCKS),
    CANCEL: _selector("cancelExpiredLocks", _CANCEL_LOCKS),
    WITHDRAW: _selector("withdraw", _WITHDRAW),
}
GET_LOCKS: Final = _selector("getLocks", ("address", "address", "address"))
GET_USER_FUNDS: Final = _selector("getUserFunds", ("address", "address"))
GET_AUTHORIZATIONS: Final = _selector("getAuthorizations", ("address", "address", "address"))
DECIMALS: Final = _selector("decimals", ())  # of the token's contract

# Words that one item adds: its arguments, and for a claim its proof's offset, length and content.
_ITEM_WORDS: Final = {LOCK: 5, CLAIM: 4, RELEASE: 4, CANCEL: 4, WITHDRAW: 2}


def batch_calldata(form: str, payloads: Sequence[Payload]) -> bytes:
    keys = [p.key for p in payloads]
    jobs, tokens = [k.job for k in keys], [k.token for k in keys]
    payers, amounts = [k.payer for k in keys], [p.amount for p in payloads]
    if form == LOCK:
        return _call(form, _CREATE_LOCKS, jobs, tokens, payers, amounts, [p.duration_s for p in payloads])
    if form == CLAIM:
        return _call(form, _CLAIM_LOCKS, jobs, tokens, payers, amounts, [p.proof for p in payloads])
    if form == RELEASE:
        return _call(form, _CLAIM_LOCKS, jobs, tokens, payers, [0 for _ in payloads], [p.proof for p in payloads])
    if form == CANCEL:
        return _call(form, _CANCEL_LOCKS, jobs, tokens, payers, [k.payee for k in keys])
    assert form == WITHDRAW, form
    return _call(form, _WITHDRAW, tokens, amounts)


def item_bytes(form: str, payload: Payload) -> int:
    words = _ITEM_WORDS[form]
    if form in (CLAIM, RELEASE):
        words += 2 + -(-len(payload.proof) // _WORD)
    return words * _WORD


def get_locks(key: LockKey) -> bytes:
    """Answers with more than was asked (the filters are joined by "or"): `lock_state` looks for the one."""
    return GET_LOCKS + encode_values(["address"] * 3, [key.token, key.payer, key.payee])


def get_locks_of(payee: Address) -> bytes:
    """All of them."""
    return GET_LOCKS + encode_values(["address"] * 3, [NOBODY, NOBODY, payee])


def get_user_funds(user: Address, token: Address) -> bytes:
    return GET_USER_FUNDS + encode_values(["address"] * 2, [user, token])


def get_authorizations(token: Address, *, payer: Address, payee: Address) -> bytes:
    return GET_AUTHORIZATIONS + encode_values(["address"] * 3, [token, payer, payee])


def _call(form: str, types: Sequence[str], *arguments: Sequence[object]) -> bytes:
    return SELECTOR[form] + encode_values(types, arguments)

"""Signed transactions as a node reads them: who, which nonce, what it may cost.

Owns      decoding of raw bytes (legacy and EIP-2930, 1559, 7702), sender by recovery, gas due before code runs.
Promises  written apart from `headrace.chain`, so that a mistake there is not repeated here.
Leaves    blob transactions: a node behind this would refuse them without their sidecar.
"""

from dataclasses import dataclass
from typing import Final

from eth_account import Account
from eth_utils.crypto import keccak

from headrace.core.words import Address, ChainId, Nonce, TxHash

Rlp = bytes | list["Rlp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How many fields a type has, and where each stands."""

    count: int
    nonce: int
    tip: int
    max_fee: int
    access_list: int | None = None
    authorizations: int | None = None

    @property
    def gas(self) -> int:
        return self.max_fee + 1  # then `to`, value, data, in every type


_LEGACY: Final = _Layout(count=9, nonce=0, tip=1, max_fee=1)
_TYPED: Final = {
    1: _Layout(count=11, nonce=1, tip=2, max_fee=2, access_list=7),
    2: _Layout(count=12, nonce=1, tip=2, max_fee=3, access_list=8),
    4: _Layout(count=13, nonce=1, tip=2, max_fee=3, access_list=8, authorizations=9),
}


class BadTransaction(ValueError):
    """These bytes are no signed transaction that we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTransaction:
    """Fees in wei per gas. `to` None: makes a contract. `chain` None: an old one, valid on any chain."""

    raw: bytes
    hash: TxHash
    sender: Address
    chain: ChainId | None
    nonce: Nonce
    gas: int
    max_fee_wei: int
    tip_wei: int
    to: Address | None
    value: int
    data: bytes
    access_addresses: int = 0
    access_slots: int = 0
    authorizations: int = 0

    @property
    def cost_wei(self) -> int:
        """The most it can take from its sender."""
        return self.gas * self.max_fee_wei + self.value

    @property
    def intrinsic_gas(self) -> int:
        """What must be paid before code runs (yellow paper; EIP-2028, 2930, 3860, 7702)."""
        zeros = self.data.count(0)
        gas = 21_000 + 4 * zeros + 16 * (len(self.data) - zeros)
        if self.to is None:
            gas += 32_000 + 2 * -(-len(self.data) // 32)
        return gas + 2_400 * self.access_addresses + 1_900 * self.access_slots + 25_000 * self.authorizations

    @property
    def floor_gas(self) -> int:
        """The least a transaction with this data pays (EIP-7623)."""
        zeros = self.data.count(0)
        return 21_000 + 10 * (zeros + 4 * (len(self.data) - zeros))


def read_transaction(raw: bytes) -> RawTransaction:
    """Raises BadTransaction."""
    if not raw:
        raise BadTransaction("empty bytes")
    if raw[0] >= 0xC0:
        layout, fields = _LEGACY, _decode_list(raw)
    elif raw[0] in _TYPED:
        layout, fields = _TYPED[raw[0]], _decode_list(raw[1:])
    else:
        raise BadTransaction(f"transaction type {raw[0]} is not supported")
    if len(fields) != layout.count:
        raise BadTransaction(f"{len(fields)} fields, a transaction of this type has {layout.count}")
    addresses, slots = _count_access(fields, layout.access_list)
    authorizations = layout.authorizations
    try:
        sender = bytes.fromhex(Account.recover_transaction(raw)[2:])
    except Exception as error:  # eth-account and what is under it raise many kinds; each means the same here
        raise BadTransaction(f"no valid signature: {error}") from error
    return RawTransaction(
        raw=raw,
        hash=TxHash(keccak(raw)),
        sender=Address(sender),
        chain=_legacy_chain(fields) if layout is _LEGACY else ChainId(_number(fields, 0)),
        nonce=Nonce(_number(fields, layout.nonce)),
        gas=_number(fields, layout.gas),
        max_fee_wei=_number(fields, layout.max_fee),
        tip_wei=_number(fields, layout.tip),
        to=_to(_bytes(fields, layout.gas + 1)),
        value=_number(fields, layout.gas + 2),
        data=_bytes(fields, layout.gas + 3),
        access_addresses=addresses,
        access_slots=slots,
        authorizations=0 if authorizations is None else len(_list(fields[authorizations])),
    )


def _legacy_chain(fields: list[Rlp]) -> ChainId | None:
    v = _number(fields, 6)
    return ChainId((v - 35) // 2) if v >= 35 else None  # EIP-155


def _to(to: bytes) -> Address | None:
    if len(to) not in (0, 20):
        raise BadTransaction(f"`to` has {len(to)} bytes, an address has 20")
    return Address(to) if to else None


def _count_access(fields: list[Rlp], at: int | None) -> tuple[int, int]:
    if at is None:
        return 0, 0
    entries = [_list(entry) for entry in _list(fields[at])]
    return len(entries), sum(len(_list(entry[1])) for entry in entries if len(entry) == 2)


def _number(fields: list[Rlp], at: int) -> int:
    return int.from_bytes(_bytes(fields, at), "big")


def _bytes(fields: list[Rlp], at: int) -> bytes:
    value = fields[at]
    if isinstance(value, list):
        raise BadTransaction(f"field {at} is a list")
    return value


def _list(value: Rlp) -> list[Rlp]:
    if isinstance(value, bytes):
        raise BadTransaction("a field that must be a list is not one")
    return value


def _decode_list(data: bytes) -> list[Rlp]:
    value, end = _decode(data, 0)
    if end != len(data):
        raise BadTransaction(f"{len(data) - end} bytes after the end")
    return _list(value)


def _decode(data: bytes, at: int) -> tuple[Rlp, int]:
    """One RLP value that begins at `at`, and where it ends."""
    if at >= len(data):
        raise BadTransaction("cut short")
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    is_list, base = (True, 0xC0) if first >= 0xC0 else (False, 0x80)
    short = first - base
    begin, size = at + 1, short
    if short > 55:
        begin = at + 1 + short - 55
        size = int.from_bytes(data[at + 1 : begin], "big")
    end = begin + size
    if end > len(data):
        raise BadTransaction("cut short")
    if not is_list:
        return data[begin:end], end
    items: list[Rlp] = []
    while begin < end:
        item, begin = _decode(data, begin)
        items.append(item)
    if begin != end:
        raise BadTransaction("a list runs over its end")
    return items, end

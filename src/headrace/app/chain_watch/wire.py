"""The parts of a node's JSON that the watcher reads, and their way from hex text to bytes and ints.

Leaves    meaning to `events` and `record`. Fields that are not named here are skipped while decoding.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from headrace.app.chain_watch.events import Event, read_event
from headrace.app.chain_watch.record import TransactionContent

# Root of the empty trie: keccak(rlp("")). A block with it carries no transaction, so there is nothing to fetch.
EMPTY_ROOT: Final = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"


class WireBlock(msgspec.Struct, rename="camel", frozen=True):
    """A header: from eth_getBlockBy..., or from a newHeads subscription (which has no transaction list)."""

    number: str
    hash: str
    parent_hash: str
    timestamp: str
    transactions_root: str


class WireLog(msgspec.Struct, rename="camel", frozen=True):
    address: str
    topics: list[str]
    data: str
    transaction_hash: str
    block_number: str
    block_hash: str
    removed: bool = False


class WireReceipt(msgspec.Struct, rename="camel", frozen=True):
    transaction_hash: str
    block_hash: str
    block_number: str
    gas_used: str
    effective_gas_price: str
    logs: list[WireLog]
    status: str = "0x1"
    to: str | None = None
    from_: str = msgspec.field(name="from", default="0x")
    l1_fee: str = "0x0"  # rollups add it; it is paid too


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block as the watcher knows it. `timestamp_s` is what its producer wrote: whole unix seconds."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp_s: int
    empty: bool


def to_bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def to_hex(data: bytes) -> str:
    return "0x" + data.hex()


def read_block(wire: WireBlock) -> Block:
    return Block(
        number=int(wire.number, 16),
        hash=to_bytes(wire.hash),
        parent_hash=to_bytes(wire.parent_hash),
        timestamp_s=int(wire.timestamp, 16),
        empty=wire.transactions_root == EMPTY_ROOT,
    )


def read_receipt(wire: WireReceipt, contracts: frozenset[bytes]) -> TransactionContent | None:
    """What one transaction did to our contracts; None where it neither called them nor made them speak."""
    events = [event for log in wire.logs if (event := _read_log(log, contracts)) is not None]
    called_us = wire.to is not None and to_bytes(wire.to) in contracts
    if not events and not called_us:
        return None
    gas_used = int(wire.gas_used, 16)
    return TransactionContent(
        hash=to_bytes(wire.transaction_hash),
        sender=to_bytes(wire.from_),
        ok=int(wire.status, 16) == 1,
        gas_used=gas_used,
        fee_wei=gas_used * int(wire.effective_gas_price, 16) + int(wire.l1_fee, 16),
        events=tuple(events),
    )


def _read_log(log: WireLog, contracts: frozenset[bytes]) -> Event | None:
    if to_bytes(log.address) not in contracts:
        return None
    return read_event([to_bytes(topic) for topic in log.topics], to_bytes(log.data))

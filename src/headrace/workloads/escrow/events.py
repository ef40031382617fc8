"""What the escrow's events say, by lock.

Owns      the layout of Lock, Claimed, Canceled and Withdraw.
Promises  an event is read only from the escrow's own address; what is not laid out as described is no event.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from eth_utils.crypto import keccak

from headrace.chain.abi_codec import Undecodable, decode_values
from headrace.core.words import Address, Log
from headrace.workloads.escrow.payload import LockKey

LOCK_TOPIC: Final = keccak(text="Lock(address,address,uint256,uint256,uint256,address)")
CLAIMED_TOPIC: Final = keccak(text="Claimed(address,uint256,address,address,uint256,bytes)")
CANCELED_TOPIC: Final = keccak(text="Canceled(address,uint256,address,address,uint256)")
WITHDRAW_TOPIC: Final = keccak(text="Withdraw(address,address,uint256)")
TRANSFER_TOPIC: Final = keccak(text="Transfer(address,address,uint256)")  # of a token


@dataclass(frozen=True, slots=True)
class Locked:
    """`duration_s` counts from the block that the event is in."""

    amount: int
    duration_s: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """`amount` before the fee."""

    amount: int
    proof: bytes


@dataclass(frozen=True, slots=True)
class Canceled:
    """`amount` went back to the payer."""

    amount: int


@dataclass(frozen=True, slots=True)
class EscrowEvents:
    """Of one transaction, or of a range of blocks. A lock's later event replaces an earlier one."""

    locked: dict[LockKey, Locked] = field(default_factory=dict)
    claimed: dict[LockKey, Claimed] = field(default_factory=dict)
    canceled: dict[LockKey, Canceled] = field(default_factory=dict)
    withdrawn: list[tuple[Address, Address, int]] = field(default_factory=list)  # who, token, amount


def read_events(logs: Iterable[Log], *, escrow: Address) -> EscrowEvents:
    events = EscrowEvents()
    for log in logs:
        if log.address == escrow and log.topics:
            try:
                _add(events, log)
            except Undecodable:
                continue  # somebody else's event under the same topic
    return events


def earned_in(logs: Sequence[Log], *, escrow: Address, payee: Address) -> dict[Address, int]:
    """What a payee has more in the escrow after a transaction, by token: what it claimed, less whatever left the
    escrow by the same transaction (the collector's fee; a payout, where it was claimed and withdrawn at once).
    Exact for a transaction of the payee that claims; tokens without gain are left out."""
    earned: dict[Address, int] = {}
    for key, claimed in read_events(logs, escrow=escrow).claimed.items():
        if key.payee == payee:
            earned[key.token] = earned.get(key.token, 0) + claimed.amount
    for log in logs:
        is_transfer = len(log.topics) == 3 and log.topics[0] == TRANSFER_TOPIC and len(log.data) == 32
        if is_transfer and log.address in earned and _address(log.topics[1]) == escrow:
            earned[log.address] -= int.from_bytes(log.data, "big")
    return {token: amount for token, amount in earned.items() if amount > 0}


def _add(events: EscrowEvents, log: Log) -> None:
    topic, indexed = log.topics[0], log.topics[1:]
    if topic == LOCK_TOPIC and not indexed:
        payer, payee, job, amount, duration_s, token = decode_values(
            ["address", "address", "uint256", "uint256", "uint256", "address"], log.data
        )
        key = LockKey(payee=Address(payee), payer=Address(payer), token=Address(token), job=job)
        events.locked[key] = Locked(amount, duration_s)
    elif topic == CLAIMED_TOPIC and len(indexed) == 2:
        job, token, amount, proof = decode_values(["uint256", "address", "uint256", "bytes"], log.data)
        events.claimed[_key(indexed, token, job)] = Claimed(amount, bytes(proof))
    elif topic == CANCELED_TOPIC and len(indexed) == 2:
        job, token, amount = decode_values(["uint256", "address", "uint256"], log.data)
        events.canceled[_key(indexed, token, job)] = Canceled(amount)
    elif topic == WITHDRAW_TOPIC and len(indexed) == 1:
        token, amount = decode_values(["address", "uint256"], log.data)
        events.withdrawn.append((_address(indexed[0]), Address(token), amount))


def _key(indexed: tuple[bytes, ...], token: bytes, job: int) -> LockKey:
    payee, payer = indexed
    return LockKey(payee=_address(payee), payer=_address(payer), token=Address(token), job=job)


def _address(topic: bytes) -> Address:
    return Address(topic[12:])

"""The words of this project. Each one means one thing; docs/glossary.md tells the same story."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NewType

OperationId = NewType("OperationId", str)  # chosen by the client, else by us; also the idempotency key
BatchId = NewType("BatchId", str)
ChainId = NewType("ChainId", int)
Address = NewType("Address", bytes)  # 20 bytes
Nonce = NewType("Nonce", int)
TxHash = NewType("TxHash", bytes)  # 32 bytes
BlockNumber = NewType("BlockNumber", int)
BlockHash = NewType("BlockHash", bytes)  # 32 bytes
Selector = NewType("Selector", bytes)  # 4 bytes; empty where revert data has fewer than 4


class Outcome(Enum):
    """How an operation ended."""

    LANDED = "landed"
    ALREADY_DONE = "already_done"  # the chain had this very effect before our transaction
    CONFLICT = "conflict"  # the chain has another effect under the same key
    REJECTED = "rejected"  # the contract refuses it, now and later
    EXPIRED = "expired"  # its deadline passed before it could land
    CANCELLED = "cancelled"  # by the client, or because what it waited for did not land


class Verdict(Enum):
    """What a revert means for one operation."""

    ALREADY_DONE = "already_done"
    CONFLICT = "conflict"
    RETRY = "retry"  # its own transient failure: spends one of its retries
    WAIT = "wait"  # what it builds on is not there (any more): back to the queue, costs nothing
    MORE_GAS = "more_gas"  # it ran dry; nothing is known about the operation itself
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Revert:
    """Why the EVM said no. `name` and `args` where the selector is known; raw bytes always."""

    data: bytes
    name: str | None = None
    args: Mapping[str, object] = field(default_factory=dict)  # JSON values; bytes as 0x text

    @property
    def selector(self) -> Selector:
        return Selector(self.data[:4] if len(self.data) >= 4 else b"")

    def __str__(self) -> str:
        if self.name is None:
            return f"unknown revert 0x{self.data[:68].hex()}" if self.data else "empty revert data"
        return f"{self.name}({_named(self.args)})"


_SHOWN_ITEMS_MAX: Final = 3
_SHOWN_CHARACTERS_MAX: Final = 300


def _named(args: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in args.items())


def _shown(value: object) -> str:
    """Short, whatever a contract put into it: a failed batch may carry a hundred reasons."""
    match value:
        case list():
            more = f", and {len(value) - _SHOWN_ITEMS_MAX} more" if len(value) > _SHOWN_ITEMS_MAX else ""
            return f"[{', '.join(_shown(item) for item in value[:_SHOWN_ITEMS_MAX])}{more}]"
        case Mapping():
            # Raw bytes that stand beside what they mean are not repeated.
            return f"({_named({k: v for k, v in value.items() if k != 'reason' or 'error' not in value})})"
        case _:
            text = str(value)
            return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """EIP-1559 fees per unit of gas, in wei."""

    max_fee_wei: int
    tip_wei: int

    def __post_init__(self) -> None:
        assert 0 <= self.tip_wei <= self.max_fee_wei, self


class Purpose(Enum):
    """What an attempt carries: the transaction's batch, or nothing (it only fills the nonce)."""

    BATCH = "batch"
    NO_OP = "no_op"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One signed form of a transaction. There may be several; any of them can be mined, at most one is."""

    hash: TxHash
    fees: Fees
    raw: bytes
    purpose: Purpose = Purpose.BATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block's header, as far as we look at it. `timestamp` in unix seconds."""

    number: BlockNumber
    hash: BlockHash
    parent_hash: BlockHash
    timestamp: int
    base_fee_wei: int
    gas_limit: int
    gas_used: int


@dataclass(frozen=True, slots=True)
class Log:
    address: Address
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A mined transaction's receipt. `ok` is the status; it proves no operation's effect."""

    transaction: TxHash
    block: BlockNumber
    block_hash: BlockHash
    ok: bool
    gas_used: int
    gas_price_wei: int
    logs: tuple[Log, ...]


class Reply(Enum):
    """A node's answer to eth_sendRawTransaction, named by what we do next, not by what went wrong."""

    IN_POOL = "count it as sent"  # accepted now, or the node already had these bytes
    RAISE_FEES = "offer more"
    LOOK_FOR_RECEIPT = "this nonce is spent: find out by which attempt"
    SEND_LATER = "same bytes again, later"
    FUND_LANE = "the lane's account is short of coin"
    TOO_LARGE = "no node will ever mine this much in one transaction"  # over a limit: ours should have held
    REFUSED = "this node will never take these bytes"
    UNSURE = "it may have been taken: keep it, keep looking"

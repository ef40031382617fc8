"""A chain, through its nodes, and the keys that sign for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.core.ports.workloads import Call
from headrace.core.words import (
    Address,
    Attempt,
    Block,
    BlockHash,
    BlockNumber,
    ChainId,
    Fees,
    Nonce,
    Receipt,
    Reply,
    TxHash,
)


class NodeTrouble(Exception):
    """No node gave a usable answer. Nothing is known about what was asked, and nothing was decided by it."""


@dataclass(frozen=True, slots=True)
class Returned:
    data: bytes


@dataclass(frozen=True, slots=True)
class Reverted:
    data: bytes  # raw revert data; empty where the node gave none


@dataclass(frozen=True, slots=True)
class Ran:
    """What one of several calls did, and the gas it took."""

    result: Returned | Reverted
    gas_used: int


class Node(Protocol):
    """One chain, through one or more endpoints. Every call may raise NodeTrouble, except `send`."""

    async def chain_id(self) -> ChainId: ...

    async def send(self, raw: bytes) -> tuple[Reply, str]:
        """Offers signed bytes. Never raises NodeTrouble: a lost answer is `Reply.UNSURE`, with its text."""
        ...

    async def call(
        self,
        *,
        to: Address,
        data: bytes,
        sender: Address | None = None,
        gas: int | None = None,
        as_of: BlockNumber | None = None,
        in_block: BlockNumber | None = None,
        timestamp: int | None = None,
    ) -> Returned | Reverted:
        """eth_call. `as_of`: state after that block (default latest). `in_block`, `timestamp`: block override,
        what NUMBER and TIMESTAMP answer."""
        ...

    async def run_in_turn(
        self, calls: Sequence[Call], *, sender: Address, gas: int, in_block: BlockNumber, timestamp: int
    ) -> Sequence[Ran] | None:
        """Tries the calls one after the other in one question, as if mined in `in_block` on the block before it;
        each sees what those before it did (a reverted one did nothing), and may use up to `gas`. None where no
        node can do that, or not this time: whoever asks has another way."""
        ...

    async def head(self) -> Block: ...

    async def block(self, number: BlockNumber) -> Block | None: ...

    async def receipts(self, block: BlockHash) -> Sequence[Receipt] | None:
        """All receipts of a block, by its hash. None where the node does not know that block (any more)."""
        ...

    async def receipt(self, hash: TxHash) -> Receipt | None:
        """From the canonical chain, now."""
        ...

    async def nonces(self, account: Address) -> tuple[Nonce, Nonce]:
        """The account's next nonce: by the latest block, and with the node's pool counted in."""
        ...

    async def nonce_after(self, account: Address, block: BlockNumber) -> Nonce:
        """The account's next nonce as of that block."""
        ...

    async def balance(self, account: Address) -> int:
        """Wei."""
        ...

    async def code(self, account: Address) -> bytes: ...


class Signer(Protocol):
    """The key of one lane. Never shows it. Blocking CPU work of about 0.3 ms per call."""

    @property
    def address(self) -> Address: ...

    def sign(
        self, *, chain: ChainId, nonce: Nonce, to: Address, data: bytes, gas_limit: int, fees: Fees
    ) -> Attempt: ...

    def sign_again(self, attempt: Attempt, *, fees: Fees) -> Attempt:
        """The same transaction at other fees."""
        ...

    def call_of(self, attempt: Attempt) -> Call:
        """What an attempt's bytes call."""
        ...

    def sign_no_op(self, *, chain: ChainId, nonce: Nonce, fees: Fees) -> Attempt:
        """Fills a nonce: nothing to ourselves, 21,000 gas."""
        ...

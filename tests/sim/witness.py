"""What the world outside saw of the gateway: bytes, news, answers. The gateway's own memory has no part in it.

Owns      every byte string that a node was shown, what was told to listeners, and what of the chain is final.
Promises  nothing here is asked of the engine; the store is read by a connection of its own, and only to compare.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from headrace.core.words import Address, Nonce, TxHash
from headrace.testing.fake_chain import FakeBlock, FakeChain
from headrace.testing.raw_transaction import RawTransaction
from headrace.testing.task_abi import TASK_CREATED, TASK_RESPONDED


class Violation(AssertionError):
    """An invariant does not hold. Its first word is the invariant's name."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event of the task contracts on the canonical chain."""

    digest: bytes
    sender: Address
    transaction: TxHash
    block: int


@dataclass(frozen=True, slots=True)
class Records:
    """Per task id, all of them, in the order of the chain."""

    created: dict[bytes, list[Recorded]]
    responded: dict[bytes, list[Recorded]]


def read_records(blocks: list[FakeBlock]) -> Records:
    records = Records(defaultdict(list), defaultdict(list))
    for block in blocks:
        for transaction, receipt in zip(block.transactions, block.receipts, strict=True):
            for log in receipt.logs:
                if log.topics[0] in (TASK_CREATED, TASK_RESPONDED):
                    kind = records.created if log.topics[0] == TASK_CREATED else records.responded
                    one = Recorded(log.data, transaction.sender, transaction.hash, block.header.number)
                    kind[log.topics[1]].append(one)
    return records


@dataclass(slots=True)
class Witness:
    """`seen` by lane and nonce, in the order of arrival. `final_nonce`: nonces below are spent in final blocks."""

    chain: FakeChain
    lanes: tuple[Address, ...]
    confirmations: int
    seen: dict[tuple[Address, Nonce], list[RawTransaction]] = field(default_factory=dict)
    final_block: int = 0
    final_nonce: dict[Address, int] = field(default_factory=dict)
    tasks_ever: set[bytes] = field(default_factory=set)  # ids of tasks that some block had, canonical or not
    undone: set[bytes] = field(default_factory=set)  # task ids that a reorg below the final block touched
    mined_told: dict[str, tuple[TxHash, int]] = field(default_factory=dict)  # batch: what listeners were told last
    _looked: set[bytes] = field(default_factory=set)

    def saw_block(self) -> None:
        """After each change of the chain."""
        for block in reversed(self.chain.blocks):
            if block.header.hash in self._looked:
                break
            self._looked.add(block.header.hash)
            self.tasks_ever |= set(read_records([block]).created)
        self.final_block = max(self.final_block, self.chain.head.number - self.confirmations + 1)
        if 0 <= self.final_block < len(self.chain.blocks):
            world = self.chain.blocks[self.final_block].world
            for lane in self.lanes:
                self.final_nonce[lane] = max(self.final_nonce.get(lane, 0), world.nonce(lane))

    def reverted(self, subject: bytes) -> int:
        """How many transactions of ours that carried it were mined and reverted as a whole, on any branch."""
        return sum(
            not receipt.ok and subject in transaction.data
            for block in [*self.chain.blocks, *self.chain.uncled]
            for transaction, receipt in zip(block.transactions, block.receipts, strict=True)
            if transaction.sender in self.lanes
        )

    def deepest_reorg(self) -> int:
        """How many blocks may go without touching what is final."""
        return int(self.chain.head.number) - max(self.final_block, 0)

    def undo(self, depth: int, subjects: Collection[bytes]) -> None:
        """Before a reorg: which of these tasks lose something that was final. Also where a stranger's hold on a
        nonce was: whatever rode there may land yet."""
        gone = [b for b in self.chain.blocks[-depth:] if b.header.number <= self.final_block]
        records = read_records(gone)
        self.undone |= set(records.created) | set(records.responded)
        for spent in (t for block in gone for t in block.transactions):
            for ours in self.seen.get((spent.sender, spent.nonce), ()):
                self.undone.add(ours.hash)
                self.undone |= {subject for subject in subjects if subject in ours.data}


def saved_raw(db: sqlite3.Connection, hash: TxHash) -> bytes | None:
    row = db.execute("SELECT raw FROM attempts WHERE hash = ?", (hash,)).fetchone()
    return None if row is None else row[0]

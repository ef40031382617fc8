"""What the chain has shown so far: per task, per transaction. No I/O, no clock.

Owns      adding a block's content and taking it back.
Promises  `take_back(add(content))` leaves the record as it was; memory grows with tasks and transactions,
          and by one number for each block.
Leaves    which blocks are canonical to `watch`, times to whoever calls.
"""

from dataclasses import dataclass, field, replace
from typing import assert_never

from headrace.app.chain_watch.events import Event, ItemFailed, TaskCreated, TaskResponded

FAILURES_KEPT = 8  # of one task, the newest: a gateway that retries for ever must not fill our memory


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionContent:
    """One transaction, as a block brought it."""

    hash: bytes
    sender: bytes
    ok: bool
    gas_used: int
    fee_wei: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockContent:
    """Everything of interest in one block. `seen_at_s` on the clock of whoever watches (monotonic)."""

    number: int
    hash: bytes
    timestamp_s: int
    seen_at_s: float
    transactions: tuple[TransactionContent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Where and when an effect was seen. Shared by all effects of one transaction."""

    transaction: bytes
    block_number: int
    block_hash: bytes
    block_timestamp_s: int
    seen_at_s: float


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed try of a task inside a batch that went on. `reason` is revert data."""

    sighting: Sighting
    index: int
    reason: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSeen:
    """All that the chain showed about one task id.

    `creations` and `responses` count events: more than one of either means that something was done twice.
    """

    created: Sighting | None = None
    responded: Sighting | None = None
    creations: int = 0
    responses: int = 0
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionSeen:
    """A mined transaction to our contracts, also a reverted one. `tasks`: how many had an effect in it."""

    sighting: Sighting
    sender: bytes
    ok: bool
    gas_used: int
    fee_wei: int
    tasks: int
    failed_items: int


@dataclass(frozen=True, slots=True)
class Undo:
    """What a block changed, for the day it is replaced."""

    number: int
    tasks: tuple[tuple[bytes, TaskSeen | None], ...]  # values before, in the order of change
    transactions: tuple[bytes, ...]
    events: int


@dataclass(slots=True)
class ChainRecord:
    tasks: dict[bytes, TaskSeen] = field(default_factory=dict)
    transactions: dict[bytes, TransactionSeen] = field(default_factory=dict)
    blocks_seen: int = 0
    blocks_removed: int = 0
    events_removed: int = 0
    first_block: int | None = None
    last_block: int | None = None
    # When each canonical block was seen, by its number: also those without a transaction of ours.
    block_seen_at_s: dict[int, float] = field(default_factory=dict)

    def add(self, content: BlockContent) -> Undo:
        """Takes in a block. Returns what `take_back` needs to undo it."""
        before: list[tuple[bytes, TaskSeen | None]] = []
        for transaction in content.transactions:
            sighting = Sighting(
                transaction=transaction.hash,
                block_number=content.number,
                block_hash=content.hash,
                block_timestamp_s=content.timestamp_s,
                seen_at_s=content.seen_at_s,
            )
            done: set[bytes] = set()
            failed_items = 0
            for event in transaction.events:
                seen = self.tasks.get(event.task_id)
                before.append((event.task_id, seen))
                self.tasks[event.task_id] = _learn(seen or TaskSeen(), event, sighting)
                if isinstance(event, ItemFailed):
                    failed_items += 1
                else:
                    done.add(event.task_id)
            self.transactions[transaction.hash] = TransactionSeen(
                sighting=sighting,
                sender=transaction.sender,
                ok=transaction.ok,
                gas_used=transaction.gas_used,
                fee_wei=transaction.fee_wei,
                tasks=len(done),
                failed_items=failed_items,
            )
        self.block_seen_at_s[content.number] = content.seen_at_s
        self.blocks_seen += 1
        if self.first_block is None:
            self.first_block = content.number
        self.last_block = content.number
        return Undo(
            number=content.number,
            tasks=tuple(before),
            transactions=tuple(transaction.hash for transaction in content.transactions),
            events=len(before),
        )

    def take_back(self, undo: Undo, *, last_block: int | None) -> None:
        """Forgets a block that is no longer canonical. Blocks are taken back newest first."""
        for task_id, seen in reversed(undo.tasks):
            if seen is None:
                self.tasks.pop(task_id, None)
            else:
                self.tasks[task_id] = seen
        for transaction in undo.transactions:
            self.transactions.pop(transaction, None)
        self.block_seen_at_s.pop(undo.number, None)
        self.blocks_seen -= 1
        self.blocks_removed += 1
        self.events_removed += undo.events
        self.last_block = last_block


def _learn(seen: TaskSeen, event: Event, sighting: Sighting) -> TaskSeen:
    match event:
        case TaskCreated():
            return replace(seen, created=seen.created or sighting, creations=seen.creations + 1)
        case TaskResponded():
            return replace(seen, responded=seen.responded or sighting, responses=seen.responses + 1)
        case ItemFailed(index=index, reason=reason):
            failures = (*seen.failures, Failure(sighting, index, reason))
            return replace(seen, failures=failures[-FAILURES_KEPT:])
        case _:
            assert_never(event)

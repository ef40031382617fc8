"""Journals and chain records without a gateway and without a chain, for arithmetic."""

from headrace.app.chain_watch.events import Event, ItemFailed, TaskCreated, TaskResponded
from headrace.app.chain_watch.record import BlockContent, ChainRecord, TransactionContent
from headrace.app.load.journal import Accepted, Answer, Entry, Journal
from headrace.app.load.task_source import Kind

SENDER = b"s" * 20


def task_id(number: int) -> bytes:
    return number.to_bytes(32)


def entry(
    number: int,
    *,
    at_s: float = 0.0,
    took_s: float | None = 0.1,
    answer: Answer | None = None,
    kind: Kind = Kind.GOOD,
    attempts: int = 1,
) -> Entry:
    return Entry(
        operation_id=f"op-{number}",
        kind=kind,
        policy_client=b"p" * 20,
        scheduled_at_s=at_s,
        sent_at_s=at_s,
        answered_at_s=None if took_s is None else at_s + took_s,
        attempts=attempts,
        answer=answer if answer is not None else Accepted(task_id(number), certified=True),
    )


def journal_of(*entries: Entry) -> Journal:
    journal = Journal()
    for one in entries:
        journal.offer(one.scheduled_at_s)
        journal.close_entry(one)
    return journal


def created(number: int) -> Event:
    return TaskCreated(task_id(number), b"h" * 32, b"c" * 20)


def responded(number: int) -> Event:
    return TaskResponded(task_id(number), b"r" * 32)


def item_failed(number: int) -> Event:
    return ItemFailed(task_id(number), 0, b"\x2e\x98\xc5\x33")


def transaction(
    number: int, *events: Event, ok: bool = True, gas: int = 100, fee_wei: int = 1_000, sender: bytes = SENDER
) -> TransactionContent:
    return TransactionContent(
        hash=(10**6 + number).to_bytes(32), sender=sender, ok=ok, gas_used=gas, fee_wei=fee_wei, events=events
    )


def block(number: int, *transactions: TransactionContent, seen_at_s: float) -> BlockContent:
    return BlockContent(
        number=number, hash=number.to_bytes(32), timestamp_s=0, seen_at_s=seen_at_s, transactions=transactions
    )


def record_of(*blocks: BlockContent) -> ChainRecord:
    record = ChainRecord()
    for one in blocks:
        record.add(one)
    return record

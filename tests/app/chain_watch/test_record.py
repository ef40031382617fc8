from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from headrace.app.chain_watch.events import Event, ItemFailed, TaskCreated, TaskResponded
from headrace.app.chain_watch.record import FAILURES_KEPT, BlockContent, ChainRecord, TransactionContent, Undo

IDS = [bytes([n]) * 32 for n in range(1, 5)]
EVENTS = st.one_of(
    st.builds(TaskCreated, st.sampled_from(IDS), st.just(b"h" * 32), st.just(b"c" * 20)),
    st.builds(TaskResponded, st.sampled_from(IDS), st.just(b"r" * 32)),
    st.builds(ItemFailed, st.sampled_from(IDS), st.integers(0, 9), st.binary(max_size=4)),
)


def content(number: int, *transactions: tuple[Event, ...], seen_at_s: float = 0.0) -> BlockContent:
    return BlockContent(
        number=number,
        hash=number.to_bytes(32),
        timestamp_s=1_000 + number,
        seen_at_s=seen_at_s,
        transactions=tuple(
            TransactionContent(
                hash=(number * 1_000 + i).to_bytes(32),
                sender=b"s" * 20,
                ok=True,
                gas_used=100,
                fee_wei=7,
                events=events,
            )
            for i, events in enumerate(transactions)
        ),
    )


def created(id_: bytes) -> TaskCreated:
    return TaskCreated(id_, b"h" * 32, b"c" * 20)


def responded(id_: bytes) -> TaskResponded:
    return TaskResponded(id_, b"r" * 32)


def test_creation_and_response_are_kept_with_where_and_when_they_were_seen() -> None:
    record = ChainRecord()
    record.add(content(5, (created(IDS[0]),), seen_at_s=10.5))
    record.add(content(6, (responded(IDS[0]),), seen_at_s=12.5))
    seen = record.tasks[IDS[0]]
    assert seen.created is not None and seen.responded is not None
    assert (seen.created.block_number, seen.created.seen_at_s) == (5, 10.5)
    assert (seen.responded.block_number, seen.responded.seen_at_s) == (6, 12.5)
    assert (record.blocks_seen, record.first_block, record.last_block) == (2, 5, 6)


def test_each_canonical_block_is_kept_with_the_moment_it_was_seen() -> None:
    record = ChainRecord()
    record.add(content(5, seen_at_s=10.5))
    undo = record.add(content(6, (created(IDS[0]),), seen_at_s=12.5))
    assert record.block_seen_at_s == {5: 10.5, 6: 12.5}
    record.take_back(undo, last_block=5)
    assert record.block_seen_at_s == {5: 10.5}


def test_a_task_that_is_created_twice_is_counted_twice_and_keeps_the_first_sighting() -> None:
    record = ChainRecord()
    record.add(content(1, (created(IDS[0]),)))
    record.add(content(2, (created(IDS[0]),)))
    seen = record.tasks[IDS[0]]
    assert seen.creations == 2
    assert seen.created is not None and seen.created.block_number == 1


def test_a_transaction_counts_each_task_once_and_failed_items_apart() -> None:
    record = ChainRecord()
    record.add(content(1, (created(IDS[0]), responded(IDS[0]), created(IDS[1]), ItemFailed(IDS[2], 2, b"no!!"))))
    (transaction,) = record.transactions.values()
    assert (transaction.tasks, transaction.failed_items) == (2, 1)


def test_failures_without_end_do_not_fill_the_memory() -> None:
    record = ChainRecord()
    for number in range(100):
        record.add(content(number, (ItemFailed(IDS[0], number, b""),)))
    assert [failure.index for failure in record.tasks[IDS[0]].failures] == list(range(100 - FAILURES_KEPT, 100))


def state_of(record: ChainRecord) -> tuple[object, ...]:
    return record.tasks, record.transactions, record.blocks_seen, record.block_seen_at_s, record.last_block


@given(st.lists(st.lists(st.lists(EVENTS, max_size=4), max_size=3), min_size=1, max_size=6), st.integers(0, 6))
def test_taking_back_what_was_added_leaves_the_record_as_it_was(
    blocks: list[list[list[Event]]], keep: int
) -> None:
    record = ChainRecord()
    undos: list[Undo] = []
    before = None
    for number, transactions in enumerate(blocks):
        if number == keep:
            before = deepcopy(state_of(record))
        undos.append(record.add(content(number, *map(tuple, transactions))))
    if before is None:
        return
    for number in range(len(blocks) - 1, keep - 1, -1):
        record.take_back(undos[number], last_block=number - 1 if number else None)
    assert state_of(record) == before
    assert record.blocks_removed == len(blocks) - keep

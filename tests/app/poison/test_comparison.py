"""What is held against what, over made-up legs: blocks every two seconds, seen at even seconds."""

from dataclasses import replace

from app.load.made_up import block, entry, item_failed, journal_of, record_of, responded, transaction
from headrace.app.chain_watch import ChainRecord
from headrace.app.load.endings import SaidEnding
from headrace.app.load.journal import Entry, Refused, Unanswered
from headrace.app.load.task_source import Kind
from headrace.app.poison.comparison import REASON, BatchSeen, Comparison, Leg, leg_of

NO_POLICY_CLIENT = SaidEnding("rejected", REASON, ended_at=1.5)


def chain(*blocks: tuple[int, ...]) -> ChainRecord:
    """Block 10 is there at 0 s; each further block responds to these tasks, two seconds after the one before."""
    contents = [block(10, seen_at_s=0.0)]
    for index, tasks in enumerate(blocks, 1):
        rides = [transaction(10 + index, *(responded(task) for task in tasks))] if tasks else []
        contents.append(block(10 + index, *rides, seen_at_s=2.0 * index))
    return record_of(*contents)


def leg(
    record: ChainRecord, *entries: Entry, endings: dict[str, SaidEnding] | None = None, poisoned: bool = False
) -> Leg:
    return leg_of(journal_of(*entries).entries, record, endings or {}, poisoned=poisoned)


def poison(number: int, *, at_s: float = 0.5) -> Entry:
    return entry(number, at_s=at_s, kind=Kind.POISON)


def waited(*blocks: int, poisoned: bool, took_s: float = 10.0) -> Leg:
    return Leg(
        poisoned=poisoned,
        valid=len(blocks),
        waited_blocks=sorted(blocks),
        waited_s=[2.0 * n for n in sorted(blocks)],
        took_s=took_s,
        backlog_max=0,
        poison=0,
        poison_rejected=0,
        poison_on_chain=0,
        batches=(),
    )


def test_a_task_in_the_very_next_block_has_waited_one() -> None:
    found = leg(chain((1,), (2,), (), (3,)), *(entry(n, at_s=0.5) for n in (1, 2, 3)))
    assert found.waited_blocks == [1, 2, 4], "empty blocks are waited for too"
    assert found.waited_s == [1.5, 3.5, 7.5]


def test_blocks_count_from_the_newest_that_was_seen_when_the_task_was_asked_for() -> None:
    found = leg(chain((), (1, 2)), entry(1, at_s=1.99), entry(2, at_s=2.0))
    assert found.waited_blocks == [1, 2]


def test_throughput_is_of_valid_tasks_until_the_last_of_them_landed() -> None:
    found = leg(chain((1,), (2, 3), ()), entry(1, at_s=1.0), poison(9), entry(2, at_s=2.0), entry(3, at_s=3.0))
    assert (found.valid, found.landed, found.took_s) == (3, 3, 3.5)


def test_the_backlog_is_what_was_asked_for_and_had_not_landed_when_a_block_came() -> None:
    entries = [entry(n, at_s=n / 2) for n in range(1, 9)]  # until 4 s
    assert leg(chain((1, 2, 3), (4, 5, 6), (7, 8)), *entries).backlog_max == 4
    assert leg(chain((), (), tuple(range(1, 9))), *entries).backlog_max == 8


def test_what_was_turned_away_or_never_answered_counts_as_valid_and_not_landed() -> None:
    entries = (
        entry(1),
        entry(2, answer=Refused(-32005, "full")),
        entry(3, answer=Unanswered("no answer"), took_s=None),
        entry(4),
    )
    found = leg(chain((1,)), *entries)
    assert (found.valid, found.landed) == (4, 1)
    assert Comparison.of([found]).valid_not_landed == 3


def test_where_nothing_landed_there_is_no_throughput() -> None:
    found = Comparison.of([leg(chain(()), entry(1)), leg(chain(()), entry(2), poisoned=True)])
    assert (found.throughput_percent, found.additional_blocks(), found.valid_not_landed) == (0.0, 0, 2)


def test_poison_must_be_rejected_by_the_name_of_its_own_revert() -> None:
    endings = {
        "op-1": NO_POLICY_CLIENT,
        "op-2": SaidEnding("rejected", "0x2c7ca6d7"),  # not decoded
        "op-3": SaidEnding("expired", REASON),
    }
    found = Comparison.of([leg(chain(()), *map(poison, range(1, 5)), endings=endings, poisoned=True)])
    assert (found.poison, found.poison_not_rejected) == (4, 3)


def test_poison_that_failed_inside_a_mined_batch_was_on_chain() -> None:
    record = record_of(block(1, seen_at_s=0.0), block(2, transaction(1, item_failed(1)), seen_at_s=2.0))
    found = leg(record, poison(1), poison(2), endings={"op-1": NO_POLICY_CLIENT}, poisoned=True)
    assert found.poison_on_chain == 1


def test_poison_belongs_to_the_batch_that_was_sealed_next() -> None:
    landed = SaidEnding("landed", None)
    rides = {"op-1": ("a", 1.6), "op-2": ("a", 1.6), "op-3": ("b", 1.7), "op-4": ("c", 3.0)}
    endings = {id_: replace(landed, batch=batch, batched_at=at) for id_, (batch, at) in rides.items()}
    ends = {"op-7": 1.5, "op-8": 1.6, "op-9": 2.9, "op-10": 3.5}
    endings |= {id_: replace(NO_POLICY_CLIENT, ended_at=at) for id_, at in ends.items()}
    found = leg(
        chain((1, 2, 3, 4)), *map(entry, range(1, 5)), *map(poison, range(7, 11)), endings=endings, poisoned=True
    )
    assert found.batches == [BatchSeen(2, 2), BatchSeen(1, 0), BatchSeen(1, 1)]
    assert [batch.size for batch in found.batches] == [4, 1, 2]
    assert Comparison.of([found]).with_poison_percent == 75.0


def test_additional_blocks_are_those_of_the_slowest_over_the_slowest_clean_one() -> None:
    clean = [waited(1, 2, poisoned=False), waited(1, 3, poisoned=False)]
    assert Comparison.of([*clean, waited(1, 5, poisoned=True)]).additional_blocks() == 2
    assert Comparison.of([*clean, waited(1, 1, poisoned=True)]).additional_blocks() == 0


def test_one_slow_clean_task_does_not_excuse_many_slow_poisoned_ones() -> None:
    clean, poisoned = waited(*[1] * 499, 9, poisoned=False), waited(*[9] * 500, poisoned=True)
    found = Comparison.of([clean, poisoned])
    assert (found.additional_blocks(), found.additional_blocks(99)) == (0, 8)


def test_throughput_is_compared_over_all_legs_of_a_side() -> None:
    found = Comparison.of(
        [
            waited(*[1] * 100, poisoned=False, took_s=8),
            waited(*[1] * 90, poisoned=True, took_s=10),
            waited(*[1] * 100, poisoned=False, took_s=12),
            waited(*[1] * 100, poisoned=True, took_s=10),
        ]
    )
    assert (found.clean.per_second, found.poisoned.per_second) == (10.0, 9.5)
    assert found.throughput_percent == 95.0

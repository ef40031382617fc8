"""What counts as lost, doubled, misjudged: the client's journals against the chain, and nothing else."""

from pathlib import Path

import pytest

from app.load.made_up import block, created, entry, item_failed, journal_of, record_of, responded, transaction
from headrace.app.chain_watch import ChainRecord
from headrace.app.chaos.judgement import Judgement, judge
from headrace.app.chaos.told import Told, ToldBook
from headrace.app.load.journal import Entry, Refused, Unanswered
from headrace.app.load.task_source import Kind

REJECTED = Told(word="done", outcome="rejected", revert="InterfaceNotSupported")
EXPIRED = Told(word="done", outcome="expired")


def landed(number: int, *, block: int = 1) -> Told:
    return Told(word="done", outcome="landed", transaction=(10**6 + number).to_bytes(32), block=block)


ON_CHAIN = record_of(block(1, transaction(1, created(1), responded(1)), seen_at_s=1.0))
NOT_ON_CHAIN = record_of()


@pytest.fixture
def book(tmp_path: Path):
    with ToldBook(tmp_path / "told.jsonl") as book:
        yield book


def judged(book: ToldBook, chain: ChainRecord, *entries: Entry, told: dict[str, list[Told]]) -> Judgement:
    for operation, words in told.items():
        for word in words:
            book.hear(operation, word, how="asked")
    return judge(journal_of(*entries), book, chain)


def wrong(found: Judgement) -> tuple[list[str], list[str], list[str]]:
    return list(found.lost), list(found.doubled), list(found.misjudged)


def test_an_operation_that_landed_and_was_told_so_is_complete(book) -> None:
    found = judged(book, ON_CHAIN, entry(1), told={"op-1": [landed(1)]})
    assert wrong(found) == ([], [], [])
    assert (found.operations, found.valid, found.completed, found.completed_percent) == (1, 1, 1, 100)


def test_acknowledged_and_not_on_chain_is_lost_unless_the_client_was_told_otherwise(book) -> None:
    found = judged(
        book, NOT_ON_CHAIN, entry(1), entry(2), entry(3), told={"op-2": [EXPIRED], "op-3": [Told(word="mined")]}
    )
    assert list(found.lost) == ["op-1", "op-3"]
    assert not found.misjudged
    assert found.completed == 0


def test_told_landed_and_not_on_chain_is_lost_and_misjudged(book) -> None:
    found = judged(book, NOT_ON_CHAIN, entry(1), told={"op-1": [landed(1)]})
    assert wrong(found) == (["op-1"], [], ["op-1"])


@pytest.mark.parametrize("outcome", ["rejected", "expired", "conflict", "cancelled"])
def test_told_a_bad_end_and_on_chain_is_misjudged(book, outcome: str) -> None:
    found = judged(book, ON_CHAIN, entry(1), told={"op-1": [Told(word="done", outcome=outcome)]})
    assert wrong(found) == ([], [], ["op-1"])


def test_an_end_that_was_told_wrongly_stays_wrong_though_it_was_corrected_later(book) -> None:
    found = judged(book, ON_CHAIN, entry(1), told={"op-1": [EXPIRED, landed(1)]})
    assert wrong(found) == ([], [], ["op-1"])
    assert found.completed == 1


def test_told_landed_by_another_transaction_or_in_another_block_is_misjudged(book) -> None:
    chain = record_of(
        block(1, transaction(1, created(1), responded(1)), seen_at_s=1.0),
        block(2, transaction(2, created(2), responded(2)), seen_at_s=2.0),
    )
    found = judged(book, chain, entry(1), entry(2), told={"op-1": [landed(2)], "op-2": [landed(2, block=1)]})
    assert wrong(found) == ([], [], ["op-1", "op-2"])


def test_a_retraction_before_the_end_is_no_error(book) -> None:
    words = [Told(word="mined", block=9), Told(word="retracted"), Told(word="mined", block=1), landed(1)]
    assert wrong(judged(book, ON_CHAIN, entry(1), told={"op-1": words})) == ([], [], [])


def test_an_effect_twice_is_doubled(book) -> None:
    twice = record_of(
        block(1, transaction(1, created(1), responded(1)), seen_at_s=1.0),
        block(2, transaction(2, responded(1)), seen_at_s=2.0),
    )
    assert list(judged(book, twice, entry(1), told={"op-1": [landed(1)]}).doubled) == ["op-1"]


def test_a_task_on_chain_that_nobody_was_told_of_is_doubled(book) -> None:
    chain = record_of(block(1, transaction(1, created(1), responded(1), created(7), responded(7)), seen_at_s=1.0))
    assert list(judged(book, chain, entry(1), told={"op-1": [landed(1)]}).doubled) == [
        "0x" + (7).to_bytes(32).hex()
    ]


def test_a_request_without_an_answer_may_be_one_of_those_that_nobody_was_told_of(book) -> None:
    chain = record_of(block(1, transaction(1, created(7), responded(7)), seen_at_s=1.0))
    unanswered = entry(2, answer=Unanswered("no answer"), took_s=None)
    found = judged(book, chain, unanswered, told={})
    assert wrong(found) == ([], [], [])
    assert (found.valid, found.completed) == (1, 0), "asked for, valid, and never completed"


def test_one_task_acknowledged_to_two_operations_is_one_lost(book) -> None:
    other = entry(2, answer=entry(1).answer)
    found = judged(book, ON_CHAIN, entry(1), other, told={"op-1": [landed(1)], "op-2": [landed(1)]})
    assert found.lost


def test_poison_is_complete_when_it_was_told_rejected_and_is_no_valid_operation(book) -> None:
    chain = record_of(block(1, transaction(1, item_failed(1)), seen_at_s=1.0))
    poison = [entry(1, kind=Kind.POISON), entry(2, kind=Kind.POISON)]
    found = judged(book, chain, *poison, told={"op-1": [REJECTED]})
    assert wrong(found) == ([], [], [])
    assert (found.operations, found.valid, found.poisoned, found.poison_rejected) == (2, 0, 2, 1)
    assert list(found.undecided) == ["op-2"]


def test_what_a_policy_refused_is_no_operation(book) -> None:
    refused = entry(1, kind=Kind.REFUSED, answer=Refused(-32615, "no"))
    found = judged(book, NOT_ON_CHAIN, refused, told={})
    assert (found.operations, found.valid, wrong(found)) == (0, 0, ([], [], []))


def test_the_book_of_what_was_told_is_on_disk_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "told.jsonl"
    with ToldBook(file) as book:
        book.hear("op-1", EXPIRED, how="pushed")
        book.hear("op-1", EXPIRED, how="asked")
        assert len(file.read_text().splitlines()) == 1, "the same again is no news"
        assert book.without_effect == {"op-1"}
        book.hear("op-1", landed(1), how="asked")
        assert book.without_effect == set()
        assert '"outcome":"landed"' in file.read_text()
    assert book.ending("op-1") == landed(1)
    assert book.words == {"done": 2}

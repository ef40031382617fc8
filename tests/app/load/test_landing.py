import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.load.made_up import block, created, entry, item_failed, journal_of, record_of, responded, transaction
from headrace.app.load.journal import Journal, Refused, Unanswered
from headrace.app.load.landing import Ended, Landing, LiveCounts, finish_when
from headrace.app.load.stopping import Stop
from headrace.app.load.task_source import Kind
from headrace.testing.clock import HandClock


def test_counts_follow_each_task_to_the_chain() -> None:
    journal = journal_of(
        entry(1),
        entry(2),
        entry(3),
        entry(4),
        entry(5, answer=Refused(-32615, "no")),
        entry(6, answer=Unanswered("silence"), took_s=None),
    )
    journal.offer(9.0)
    record = record_of(
        block(1, transaction(1, created(1), responded(1), created(2), item_failed(3)), seen_at_s=1.0),
    )
    counts = Landing(journal, record).step(3.0)
    assert (counts.offered, counts.waiting, counts.accepted, counts.refused) == (7, 1, 4, 1)
    assert (counts.created, counts.responded, counts.failed, counts.in_flight) == (2, 1, 1, 2)
    assert counts.block == 1


def test_a_reorg_puts_tasks_back_under_way() -> None:
    journal = journal_of(entry(1))
    record = record_of(block(1, seen_at_s=0.0))
    undo = record.add(block(2, transaction(1, created(1), responded(1)), seen_at_s=1.0))
    landing = Landing(journal, record)
    assert landing.step(1.0).responded == 1 and landing.all_landed
    record.take_back(undo, last_block=1)
    counts = landing.step(2.0)
    assert (counts.responded, counts.in_flight) == (0, 1) and not landing.all_landed


def test_poison_and_what_is_known_to_be_rejected_is_not_waited_for() -> None:
    rejected: set[str] = set()
    landing = Landing(journal_of(entry(1, kind=Kind.POISON), entry(2)), record_of(), rejected=rejected)
    landing.step(0.0)
    assert not landing.all_landed
    rejected.add("op-2")
    assert landing.all_landed and landing.step(0.0).failed == 1


class Run:
    """`finish_when` on a clock that its own sleeping moves; `at` runs things at a time."""

    def __init__(self, journal: Journal) -> None:
        self.clock = HandClock(0.0)
        self.journal = journal
        self.record = record_of()
        self.counts: list[LiveCounts] = []
        self.at: dict[float, Callable[[], object]] = {}

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for due in [due for due in self.at if due <= self.clock.now()]:
            self.at.pop(due)()
        await asyncio.sleep(0)

    async def finish(self, offering: Awaitable[None], late_limit_s: float = 30.0) -> Ended:
        task = asyncio.ensure_future(offering)
        assert isinstance(task, asyncio.Task)
        return await finish_when(
            Landing(self.journal, self.record),
            self.journal,
            task,
            late_limit_s=late_limit_s,
            clock=self.clock.now,
            sleep=self.sleep,
            on_counts=self.counts.append,
        )


async def done() -> None:
    return None


async def test_a_run_ends_as_soon_as_every_valid_task_has_its_effect() -> None:
    run = Run(journal_of(entry(1), entry(2, kind=Kind.POISON), entry(3, answer=Refused(1, ""))))
    run.at[5.0] = lambda: run.record.add(block(1, transaction(1, created(1), responded(1)), seen_at_s=5.0))
    assert await run.finish(done()) is Ended.ALL_LANDED
    assert 5.0 <= run.clock.now() < 6.0
    assert run.counts[0].responded == 0 and run.counts[-1].responded == 1


async def test_a_creation_alone_does_not_end_a_run_but_the_late_limit_does() -> None:
    run = Run(journal_of(entry(1), entry(2, at_s=10.0)))
    run.at[5.0] = lambda: run.record.add(block(1, transaction(1, created(1), created(2)), seen_at_s=5.0))
    assert await run.finish(done(), late_limit_s=30.0) is Ended.LATE_LIMIT
    assert 40.0 <= run.clock.now() < 41.0  # after the last request, not the first


async def test_it_waits_for_all_requests_to_be_answered() -> None:
    run = Run(journal_of())
    answered = asyncio.Event()

    async def offering() -> None:
        await answered.wait()

    def answer() -> None:
        run.journal.offer(0.0)
        run.journal.close_entry(entry(1))
        run.record.add(block(1, transaction(1, created(1), responded(1)), seen_at_s=99.0))
        answered.set()

    run.at[99.0] = answer
    assert await run.finish(offering(), late_limit_s=1.0) is Ended.ALL_LANDED
    assert run.clock.now() >= 99.0


async def test_a_person_who_does_not_want_to_wait_ends_it_at_once() -> None:
    stop = Stop()
    journal = journal_of(entry(1))
    clock = HandClock(0.0)

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)
        if clock.now() in (5.0, 9.0):
            stop.ask()
        await asyncio.sleep(0)

    offering = asyncio.create_task(asyncio.Event().wait())
    ended = await finish_when(
        Landing(journal, record_of()),
        journal,
        offering,  # type: ignore[arg-type]
        late_limit_s=180.0,
        clock=clock.now,
        sleep=sleep,
        stop=stop,
    )
    assert ended is Ended.STOPPED and clock.now() == 9.0
    offering.cancel()


async def test_what_breaks_the_offering_breaks_the_run() -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Run(journal_of()).finish(broken())

"""What a batch asks of the database, step by step, whatever is in it: counted, so that no machine matters.

The bounds that we hold ourselves to: 8 statements and 5 commits a batch (and one statement more where others wait
for what is in it, as a response waits for its task), one commit for all that came in together, none for each.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from costs.counting import Statements, counted_statements
from engine.world import World, open_world
from headrace.core.operation import Operation
from headrace.core.ports import Added, Evaluation
from headrace.core.settlement import Claimed, Claiming, Due, Move
from headrace.core.words import OperationId
from headrace.store import SqliteStore, open_store
from headrace.workloads.tasks.payload import CREATE, RESPOND
from store.contract_settling import PROOF
from store.made import NOW, StillClock, an_operation, digest
from store.made_jobs import change, due

STATEMENTS_MAX = 8
COMMITS_MAX = 5

# Step: what the writer is asked, what the reader, commits. A block costs one look at what waits, for each lane.
LIFE = {
    "together in": (["operations.add_operations_if_new"], [], 1),
    "claimed, sealed, sent": (
        [
            "operations.claim_oldest_queued",
            "transactions.seal_if_nonce_is_free",
            "transactions.add_attempt",
            "transactions.seal_claimed_operations",
            "transactions.record_if_not_mined_before",
        ],
        [],
        3,
    ),
    "mined": (["transactions.record_if_not_mined_before"], ["operations.what_waits"], 1),
    "deeper": ([], ["operations.what_waits"], 0),
    "final": (["transactions.settle_if_mined_so_before", "endings.end_unless_done"], ["operations.what_waits"], 1),
    "idle": ([], ["operations.what_waits"], 0),
}
BATCHES = (1, 10, 60)


@asynccontextmanager
async def warm(folder: Path) -> AsyncIterator[tuple[World, Statements]]:
    """A gateway that has been at work: it knows what an operation costs, and nothing is left to do."""
    with counted_statements() as heard:
        async with open_world(folder) as world:
            for _ in range(2):
                await world.add(*(world.made.operation(created_block=2) for _ in range(60)))
                await world.finish()
            heard.since_last_asked()
            yield world, heard


async def live(world: World, heard: Statements, operations: Sequence[Operation]) -> dict[str, Statements]:
    """A batch of them from its intake to its end, and one block more; what each step asked."""
    steps: dict[str, Statements] = {}

    async def step(name: str, doing: Awaitable[object]) -> None:
        await doing
        steps[name] = heard.since_last_asked()

    async def come_in() -> None:
        assert set(await world.store.add_operations(operations)) == {Added.FRESH}
        world.gateway.packer.noticed(len([o for o in operations if o.after is None]))

    await step("together in", come_in())
    await step("claimed, sealed, sent", world.flush())
    for name in ("mined", "deeper", "final", "idle"):
        await step(name, world.mine())
    return steps


@pytest.mark.parametrize("count", BATCHES)
async def test_a_batch_asks_the_same_few_questions_whatever_is_in_it(tmp_path: Path, count: int) -> None:
    async with warm(tmp_path) as (world, heard):
        steps = await live(world, heard, [world.made.operation(created_block=2) for _ in range(count)])
        found = {
            name: (list(s.written.elements()), list(s.read.elements()), s.commits) for name, s in steps.items()
        }
        assert {n: (sorted(w), r, c) for n, (w, r, c) in found.items()} == {
            n: (sorted(w), r, c) for n, (w, r, c) in LIFE.items()
        }
        on_its_way = [s for name, s in steps.items() if name != "together in"]
        assert sum(s.written.total() for s in on_its_way) <= STATEMENTS_MAX
        assert sum(s.commits for s in on_its_way) <= COMMITS_MAX
        assert all(s.frames["SAVEPOINT"] == 0 for s in steps.values())


@pytest.mark.parametrize("count", BATCHES)
async def test_a_batch_that_others_wait_for_asks_one_question_more(tmp_path: Path, count: int) -> None:
    async with warm(tmp_path) as (world, heard):
        tasks = [world.made.task(created_block=2) for _ in range(count)]
        creates = [world.made.operation(CREATE, task=task) for task in tasks]
        responds = [
            world.made.operation(RESPOND, task=task, after=create.id)
            for task, create in zip(tasks, creates, strict=True)
        ]
        await world.store.add_operations([*creates, *responds])
        came_in = heard.since_last_asked()
        assert (came_in.count, came_in.commits) == (3, 1), (
            "those that come after another have statements of theirs"
        )
        world.gateway.packer.noticed(count)
        while await world.open_operations():
            await world.flush()
            await world.mine()
        asked = heard.since_last_asked()
        batches = asked.written["transactions.seal_if_nonce_is_free"]
        assert batches == 2, "their tasks, then the responses"
        empty_flushes = asked.written["operations.claim_oldest_queued"] - batches
        assert asked.written.total() - empty_flushes <= STATEMENTS_MAX * batches + 1
        assert asked.commits - empty_flushes <= COMMITS_MAX * batches


def an_evaluation(id: str) -> Evaluation:
    return Evaluation(
        operation=OperationId(id),
        content=digest("asked", id),
        subject=digest("task", id),
        request=b"",
        task=b"task" * 100,
        resume=False,
        received_at=1_000.0,
    )


@asynccontextmanager
async def held(store: SqliteStore) -> AsyncIterator[None]:
    """The store's writer is busy, so that what comes meanwhile shares the next commit."""
    entered, leave = threading.Event(), threading.Event()

    def stand(_: object) -> None:
        entered.set()
        assert leave.wait(30)

    standing = asyncio.ensure_future(store._writer.run(stand))
    assert await asyncio.to_thread(entered.wait, 30)
    try:
        yield
    finally:
        leave.set()
        await standing


@dataclass
class Group:
    store: SqliteStore
    heard: Statements

    async def asked(self, ask: Callable[[int], Awaitable[object]], count: int) -> Statements:
        """By `count` callers whose wishes share a commit."""
        async with held(self.store):
            waiting = [asyncio.ensure_future(ask(i)) for i in range(count)]
            await asyncio.sleep(0)
            self.heard.since_last_asked()
        await asyncio.gather(*waiting)
        return self.heard.since_last_asked()


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Group]:
    with counted_statements() as heard:
        async with open_store(tmp_path / "store.db", clock=StillClock()) as store:
            yield Group(store, heard)


@pytest.mark.parametrize("count", BATCHES)
async def test_task_requests_that_come_together_are_begun_in_one_statement_and_one_commit(
    group: Group, count: int
) -> None:
    asked = await group.asked(lambda i: group.store.begin_evaluation(an_evaluation(f"{i}")), count)
    assert dict(asked.written) == {"evaluations.begin_evaluations_if_new": 1}
    assert asked.commits <= 2, "one for whoever held it up"
    assert not asked.frames["SAVEPOINT"] and not asked.read


@pytest.mark.parametrize("count", BATCHES)
async def test_answers_that_come_together_are_saved_with_what_follows_in_two_statements_and_one_commit(
    group: Group, count: int
) -> None:
    for i in range(count):
        await group.store.begin_evaluation(an_evaluation(f"{i}"))

    async def conclude(i: int) -> None:
        id = OperationId(f"{i}")
        await group.store.conclude_evaluation(id, result=b"yes", operations=[an_operation(id)])

    asked = await group.asked(conclude, count)
    assert dict(asked.written) == {
        "evaluations.conclude_evaluations_if_open": 1,
        "operations.add_operations_if_new": 1,
    }
    assert asked.commits <= 2 and not asked.frames["SAVEPOINT"] and not asked.read


async def test_who_asks_twice_costs_one_question_for_all_of_them(group: Group) -> None:
    operations = [an_operation(f"{i}") for i in range(60)]
    await group.store.add_operations(operations)
    group.heard.since_last_asked()
    assert set(await group.store.add_operations(operations)) == {Added.SAME}
    assert group.heard.since_last_asked().count == 2


@pytest.mark.parametrize("count", BATCHES)
async def test_claims_that_begin_together_are_saved_with_their_operations_in_three_statements(
    group: Group, count: int
) -> None:
    changes = []
    for i in range(count):
        await due(group.store, f"{i}")
        claiming = Claiming(move=Move.CLAIM, amount=7, operation=OperationId(f"op-{i}"))
        changes.append((change(f"{i}", Due(), claiming), an_operation(f"op-{i}")))
    group.heard.since_last_asked()
    assert set(await group.store.begin_settling(changes, now=NOW)) == {Added.FRESH}
    asked = group.heard.since_last_asked()
    assert dict(asked.written) == {
        "jobs.change_settlements_if_still_there": 1,
        "jobs.add_job_events": 1,
        "operations.add_operations_if_new": 1,
    }
    assert asked.commits == 1
    ends = [change(f"{i}", wanted.after, Claimed(7, PROOF)) for i, (wanted, _) in enumerate(changes)]
    assert len(await group.store.change_settlements(ends, now=NOW)) == count
    asked = group.heard.since_last_asked()
    assert dict(asked.written) == {"jobs.change_settlements_if_still_there": 1, "jobs.add_job_events": 1}

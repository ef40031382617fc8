import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.tapped import nothing
from engine.world import World, open_world
from headrace.core.errors import FixTheRequest, NeedsOperator, OtherContent, TryLater
from headrace.core.operation import Operation
from headrace.core.ports import Added
from headrace.core.words import OperationId
from headrace.engine.intake import Intake
from headrace.testing.builders import Builder
from headrace.testing.clock import settle

MADE = Builder(11)


class Commits:
    """The store's door, and what went through it together. Closed until `opened`."""

    def __init__(self, world: World) -> None:
        self._world, self.opened = world, asyncio.Event()
        self.sizes: list[int] = []
        self.error: Exception | None = None

    async def add_operations(self, operations: Sequence[Operation]) -> Sequence[Added]:
        await self.opened.wait()
        if self.error is not None:
            raise self.error
        added = await self._world.store.add_operations(operations)
        self.sizes.append(len(operations))
        return added


@asynccontextmanager
async def open_intake(
    folder: Path, *, waiting_max: int = 100, backlog_max: int = 100, per_commit_max: int = 500
) -> AsyncIterator[tuple[Intake, Commits, World, asyncio.Task[None]]]:
    async with open_world(folder, tap=nothing) as world:
        commits = Commits(world)
        intake = Intake(
            store=commits,  # type: ignore[arg-type]
            noticed=world.gateway.packer.noticed,
            backlog=world.gateway.packer.backlog,
            waiting_max=waiting_max,
            backlog_max=backlog_max,
            per_commit_max=per_commit_max,
        )
        running = asyncio.create_task(intake.run())
        try:
            yield intake, commits, world, running
        finally:
            running.cancel()
            await asyncio.wait([running])


async def test_operations_that_arrive_together_share_a_commit_and_each_is_durable_at_yes(tmp_path: Path) -> None:
    async with open_intake(tmp_path) as (intake, commits, world, _):
        operations = [MADE.operation() for _ in range(20)]
        asked = [asyncio.create_task(intake.admit(o)) for o in operations]
        await settle()
        assert not any(one.done() for one in asked), "no yes before it is durable"
        commits.opened.set()
        assert await asyncio.gather(*asked) == [Added.FRESH] * 20
        assert commits.sizes == [20]
        assert world.gateway.packer.due() == 20
        assert [await world.stage(o) for o in operations] == ["queued"] * 20


async def test_a_commit_has_a_bound(tmp_path: Path) -> None:
    async with open_intake(tmp_path, per_commit_max=8) as (intake, commits, _, _):
        commits.opened.set()
        await asyncio.gather(*(intake.admit(MADE.operation()) for _ in range(20)))
        assert commits.sizes == [8, 8, 4]


async def test_a_full_intake_says_try_later_at_once(tmp_path: Path) -> None:
    async with open_intake(tmp_path, waiting_max=2) as (intake, commits, _, _):
        first = asyncio.create_task(intake.admit(MADE.operation()))
        await settle()  # taken to the store, which does not answer
        others = [asyncio.create_task(intake.admit(MADE.operation())) for _ in range(2)]
        await settle()
        with pytest.raises(TryLater, match="intake is full"):
            await intake.admit(MADE.operation())
        commits.opened.set()
        assert await asyncio.gather(first, *others) == [Added.FRESH] * 3


async def test_a_backlog_at_its_bound_says_try_later(tmp_path: Path) -> None:
    async with open_intake(tmp_path, backlog_max=2) as (intake, commits, _, _):
        commits.opened.set()
        await asyncio.gather(*(intake.admit(MADE.operation()) for _ in range(2)))
        with pytest.raises(TryLater, match="2 operations wait"):
            await intake.admit(MADE.operation())


async def test_the_same_twice_is_once_and_something_else_under_the_id_is_refused(tmp_path: Path) -> None:
    async with open_intake(tmp_path) as (intake, commits, _, _):
        commits.opened.set()
        operation = MADE.operation()
        other = replace(MADE.operation(), id=operation.id)
        answers = await asyncio.gather(
            intake.admit(operation), intake.admit(operation), intake.admit(other), return_exceptions=True
        )
        assert answers[:2] == [Added.FRESH, Added.SAME]
        assert isinstance(answers[2], OtherContent)
        assert operation.id in answers[2].message


async def test_a_task_that_is_under_way_under_another_id_is_refused_by_its_task_id(tmp_path: Path) -> None:
    async with open_intake(tmp_path) as (intake, commits, _, _):
        commits.opened.set()
        operation = MADE.operation()
        await intake.admit(operation)
        with pytest.raises(OtherContent, match=operation.subject.hex()):
            await intake.admit(replace(operation, id=OperationId("another")))


async def test_an_unknown_predecessor_is_the_fault_of_its_own_request_only(tmp_path: Path) -> None:
    async with open_intake(tmp_path) as (intake, commits, _, _):
        commits.opened.set()
        good, bad = MADE.operation(), MADE.operation(after="nobody")
        answers = await asyncio.gather(
            intake.admit(good), intake.admit(bad), intake.admit(MADE.operation()), return_exceptions=True
        )
        assert [answers[0], answers[2]] == [Added.FRESH] * 2
        assert isinstance(answers[1], FixTheRequest)
        assert "'nobody'" in answers[1].message and answers[1].data["field"] == "after"
        assert commits.sizes == [3], "its neighbours are not committed one by one"


async def test_a_caller_that_hung_up_does_not_disturb_the_others(tmp_path: Path) -> None:
    async with open_intake(tmp_path) as (intake, commits, _, _):
        gone = asyncio.create_task(intake.admit(MADE.operation()))
        stays = asyncio.create_task(intake.admit(MADE.operation()))
        await settle()
        gone.cancel()
        commits.opened.set()
        assert await stays is Added.FRESH


async def test_a_busy_store_is_try_later_for_each_and_the_intake_goes_on(tmp_path: Path) -> None:
    async with open_intake(tmp_path) as (intake, commits, _, running):
        commits.opened.set()
        commits.error = TryLater("the store's writer is busy")
        for answer in await asyncio.gather(
            *(intake.admit(MADE.operation()) for _ in range(3)), return_exceptions=True
        ):
            assert isinstance(answer, TryLater)
        commits.error = None
        assert await intake.admit(MADE.operation()) is Added.FRESH
        assert not running.done()


async def test_a_broken_store_is_heard_by_every_caller_and_ends_the_intake_loudly(tmp_path: Path) -> None:
    async with open_intake(tmp_path) as (intake, commits, _, running):
        commits.opened.set()
        commits.error = NeedsOperator("the disk is full")
        for answer in await asyncio.gather(
            *(intake.admit(MADE.operation()) for _ in range(3)), return_exceptions=True
        ):
            assert isinstance(answer, NeedsOperator)
        with pytest.raises(NeedsOperator):
            await running


async def test_what_is_handed_in_together_shares_a_commit_and_what_has_no_room_is_told(tmp_path: Path) -> None:
    async with open_intake(tmp_path, waiting_max=3) as (intake, commits, _, _):
        operations = [MADE.operation() for _ in range(4)]
        repeat = replace(operations[0], content=bytes(32))
        asked = asyncio.create_task(intake.admit_all([operations[0], repeat, *operations[1:]]))
        await settle()
        assert not asked.done()
        commits.opened.set()
        first, other, second, *full = await asked
        assert (first, second) == (Added.FRESH, Added.FRESH)
        assert isinstance(other, OtherContent)
        assert all(isinstance(answer, TryLater) for answer in full) and len(full) == 2
        assert commits.sizes == [3]
        assert intake.waiting == 0

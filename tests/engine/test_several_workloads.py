"""Workloads that share a lane: none starves another, and each is packed by its own sizes and bounds."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from engine.world import Settings, World, open_world
from headrace.core.operation import Operation
from headrace.core.words import OperationId, Outcome
from headrace.workloads.tasks.errors import TaskReverts, task_errors
from headrace.workloads.tasks.workload import Tasks


class Errands(Tasks):
    """Tasks by another name."""

    name = "errands"  # type: ignore[assignment]


class OneByOne(Errands):
    @property
    def in_turn(self) -> Collection[str]:
        return self.forms


def beside(world: World, kind: type[Errands]) -> None:
    """A second workload on the world's lane."""
    other = kind(world.settings.contracts, read_revert=TaskReverts(task_errors()).read)
    packer, room = world.gateway.packer, world.gateway.room
    packer._workloads = room._workloads = [world.gateway.workload, other]


def errands(world: World, count: int) -> list[Operation]:
    made = [world.made.operation() for _ in range(count)]
    return [replace(o, id=OperationId(f"errand/{o.id}"), workload="errands") for o in made]


async def sealed(world: World, operations: Sequence[Operation]) -> int:
    return sum([await world.stage(o) in ("sealed", "done") for o in operations])


async def test_a_flood_of_one_leaves_the_other_every_second_flush(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(most=2, in_flight_max=1)) as world:
        beside(world, Errands)
        flood, few = [world.made.operation() for _ in range(40)], errands(world, 4)
        await world.add(*flood, *few)
        for flush in range(1, 5):
            await world.flush()
            await world.mine()
            assert await sealed(world, few) >= 2 * (flush // 2), flush
        assert await sealed(world, few) == 4
        assert await sealed(world, flood) == 4
        await world.finish(blocks=80)
        assert await world.outcomes([*flood, *few]) == {Outcome.LANDED}


async def test_batches_that_hang_on_each_other_are_tried_when_the_one_before_is_mined(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(most=2, in_flight_max=8)) as world:
        beside(world, OneByOne)
        tasks, one_by_one = [world.made.operation() for _ in range(6)], errands(world, 6)
        await world.add(*tasks, *one_by_one)
        await world.flush()
        assert (await sealed(world, tasks), await sealed(world, one_by_one)) == (6, 2)
        await world.flush()
        assert await sealed(world, one_by_one) == 2, "the first is not mined yet"
        await world.mine()
        await world.flush()
        assert await sealed(world, one_by_one) == 4
        await world.finish()
        assert await world.outcomes([*tasks, *one_by_one]) == {Outcome.LANDED}


async def test_each_form_is_filled_by_its_own_size(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(most=1000)) as world:
        beside(world, Errands)
        room, (tasks, other) = world.gateway.room, world.gateway.room._workloads
        for form in tasks.forms:
            room.saw_item(tasks, form, 20_000)
        many = room.claim_most(other)
        assert room.full() <= 131_072 // 20_000
        for form in other.forms:
            room.saw_item(other, form, 20_000)
        assert room.claim_most(other) < many

"""What the bench measures with, on a real chain."""

import pytest

from headrace.app.gas.escrow import EscrowGas, open_escrow_stage
from headrace.app.gas.figures import OURS, PLAIN, PLAIN_TWO_CALLS, SINGLE, STRICT, TRY
from headrace.app.gas.stage import open_task_stage
from headrace.app.gas.tasks import Incomplete, TaskGas
from headrace.chain.reverts import Errors
from headrace.core.gas import GasBook
from headrace.workloads.escrow.payload import CANCEL, CLAIM, LOCK, RELEASE
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, RESPOND
from headrace.workloads.tasks.workload import TaskContracts, Tasks


async def test_every_way_records_every_task_and_the_floor_of_calldata_is_under_it() -> None:
    async with open_task_stage() as stage:
        found = await TaskGas(stage, seed=3).measure([1, 3])
    ways = (TRY, STRICT, PLAIN)
    for kind in (CREATE, RESPOND):
        assert {(f.way, f.size) for f in found.all if f.kind == kind} == {
            (SINGLE, 5),
            *((way, size) for way in ways for size in (1, 3)),
        }
    two_calls = found.of(CREATE_AND_RESPOND, PLAIN_TWO_CALLS, 3)
    assert two_calls.gas > found.of(CREATE_AND_RESPOND, PLAIN, 3).gas
    assert found.single(CREATE_AND_RESPOND).transactions == 10
    assert not any(figure.floor_binds for figure in found.all)


async def test_the_same_seed_costs_the_same_and_the_largest_batch_fits() -> None:
    gas = []
    for _ in range(2):
        async with open_task_stage() as stage:
            experiment = TaskGas(stage, seed=4, body_bytes=900)
            gas.append((await experiment.one(CREATE_AND_RESPOND, TRY, 4)).gas)
            full = await experiment.full(CREATE, await experiment.one(CREATE, TRY, 30))
    assert gas[0] == gas[1]
    assert full.size > 60
    assert full.gas_max <= 1 << 24
    assert full.calldata_bytes < 128 * 1024


async def test_what_did_not_land_is_not_counted() -> None:
    async with open_task_stage() as stage:
        await TaskGas(stage, seed=5).one(CREATE, TRY, 2)
        with pytest.raises(
            Incomplete, match="2 create, try form: 0 tasks and 0 responses were recorded, not 2 and 0"
        ):
            await TaskGas(stage, seed=5).one(CREATE, TRY, 2)


async def test_locks_are_measured_from_the_same_state_in_any_order() -> None:
    async with open_escrow_stage(6) as stage:
        found = await EscrowGas(stage).measure([2, 6])
    async with open_escrow_stage(6) as stage:
        again = await EscrowGas(stage).measure([6, 2])
    for kind in (LOCK, CLAIM, RELEASE, CANCEL):
        for size in (2, 6):
            assert found.of(kind, OURS, size) == again.of(kind, OURS, size)
    assert {figure.kind for figure in found.all if figure.way == PLAIN} == {CANCEL}


@pytest.mark.parametrize("kind", [CREATE, RESPOND, CREATE_AND_RESPOND])
async def test_the_gateways_first_guess_of_gas_is_never_too_low_and_neither_is_what_it_learns(kind: str) -> None:
    async with open_task_stage() as stage:
        contracts = TaskContracts(task_manager=stage.task_manager, batch=stage.batch, item_gas=450_000)
        tasks = Tasks(contracts, read_revert=Errors.of().decode)
        learned = GasBook().of(tasks, kind)
        experiment = TaskGas(stage, seed=6)
        for size in (1, 2, 3, 8, 40):
            figure = await experiment.one(kind, TRY, size)
            sizes = [(figure.calldata_bytes - 132) // size] * size
            guess = GasBook().of(tasks, kind)
            for estimate in (guess, learned):
                assert figure.gas <= estimate.of_batch(sizes) - estimate.tail * 64 // 63, size
            learned.learn(gas_used=figure.gas, sizes=sizes)

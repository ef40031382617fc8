"""What goes on after a yes: over rounds without a quorum, crashes, and trouble with the store."""

import asyncio
from pathlib import Path

import pytest

from headrace.core.errors import FixTheRequest, NeedsOperator, TryLater
from headrace.core.words import OperationId
from headrace.operators.answers import Signed
from headrace.operators.evaluation import Certified, Failed, result_of
from headrace.testing.clock import settle
from headrace.workloads.tasks.operations import operation_of
from headrace.workloads.tasks.structs import Task, TaskResponse
from operators.builders import CHAIN, honest, until
from operators.office import ID, OPERATORS, PATIENCE_S, REQUEST, WINDOWS, Office, create, head_at, open_office

# ---- Said yes to


async def test_newt_send_task_says_yes_when_the_task_is_stored_and_the_answer_follows(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.keep_quiet()
        evaluation = await office.desk.send(REQUEST, operation=ID)
        assert await office.evaluation(ID) == evaluation
        assert evaluation.result is None
        office.let_answer()
        await until(lambda: office.noticed == [1])
        assert isinstance(result_of(await office.evaluation(ID)), Certified)
        assert (await office.desk.send(REQUEST, operation=ID)).task == evaluation.task
        assert office.desk.running() == 0


async def test_after_a_crash_before_the_quorum_it_goes_on(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.keep_quiet()
        said_yes = await office.desk.send(REQUEST, operation=ID)
        waiting = asyncio.create_task(create(office, "nobody was told yes"))
        await until(lambda: office.asked() == 2 * OPERATORS)
        waiting.cancel()
    async with open_office(tmp_path, at_block=120) as office:
        assert await office.desk.resume() == 1
        await until(lambda: office.noticed == [1])
        evaluation = await office.evaluation(ID)
        assert evaluation.task == said_yes.task
        assert isinstance(result_of(evaluation), Certified)
        assert [o.id for o in await office.operations()] == [ID]
        assert await office.desk.resume() == 0


async def test_a_round_without_a_quorum_is_followed_by_another(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.keep_quiet()
        await office.desk.send(REQUEST, operation=ID)
        for rounds in (1, 2, 3):
            await until(lambda: office.asked() == rounds * OPERATORS)  # noqa: B023
            await settle()
            office.clock.advance(PATIENCE_S)  # nobody answers
            await until(lambda: office.clock.sleeping == 1)
            office.clock.advance(0.5 * 2 ** (rounds - 1))  # the pause doubles
        office.let_answer()
        await until(lambda: office.noticed == [1])


async def test_when_the_creation_window_has_closed_it_failed_with_the_reason(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.keep_quiet()
        await office.desk.send(REQUEST, operation=ID)
        waiting = asyncio.create_task(create(office, "asked"))
        await until(lambda: office.asked() == 2 * OPERATORS)
        office.head = head_at(100 + WINDOWS.creation)
        office.clock.advance(PATIENCE_S)
        await until(lambda: office.clock.sleeping == 3)  # both pause, one has a caller
        office.clock.advance(0.5)
        with pytest.raises(
            FixTheRequest, match=r"creation window closed: no quorum .* new operation_id"
        ) as refused:
            await waiting
        assert refused.value.data["operation_id"] == "asked"
        await until(lambda: office.desk.running() == 0)
        result = result_of(await office.evaluation(ID))
        assert isinstance(result, Failed)
        assert "0 % of the stake signed, 67 % must" in result.message
        assert await office.operations() == []
        with pytest.raises(FixTheRequest, match="creation window closed"):  # for good
            await create(office, "asked")


async def test_nobody_is_asked_about_a_task_that_came_back_too_late(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.keep_quiet()
        await office.desk.send(REQUEST, operation=ID)
        await until(lambda: office.asked() == OPERATORS)
    async with open_office(tmp_path, at_block=100 + WINDOWS.creation) as office:
        await office.desk.resume()
        await until(lambda: office.desk.running() == 0)
        assert isinstance(result_of(await office.evaluation(ID)), Failed)
        assert office.asked() == 0


async def test_a_task_that_somebody_submitted_meanwhile_fails_with_that_reason(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.keep_quiet()
        waiting = asyncio.create_task(create(office))
        await until(lambda: office.asked() == OPERATORS)
        other = await create_elsewhere(office)
        office.let_answer()
        with pytest.raises(FixTheRequest, match="its operations cannot be saved"):
            await waiting
        assert [o.id for o in await office.operations()] == [other]
        assert office.noticed == []


async def create_elsewhere(office: Office) -> str:
    """An operation of the same kind about the same task, under another id."""
    task = Task.from_abi((await office.evaluation(ID)).task)
    signed = honest(0, task)
    assert isinstance(signed, Signed)
    submitted = operation_of(
        id=OperationId("submitted"),
        chain=CHAIN,
        kind="create_and_respond",
        task=task,
        response=TaskResponse.from_abi(signed.response),
        signature_data=signed.signature + bytes(32),
        windows=WINDOWS,
        received_at=office.clock.now(),
    )
    await office.store.add_operations([submitted])
    return submitted.id


# ---- Trouble with the store


@pytest.mark.parametrize("trouble", [TryLater("the writer is full"), NeedsOperator("the disk is full")])
async def test_what_was_said_yes_to_outlives_trouble_with_the_store(tmp_path: Path, trouble: Exception) -> None:
    async with open_office(tmp_path) as office:
        office.counter.refuse_with = [trouble, trouble]
        await office.desk.send(REQUEST, operation=ID)
        for tried, pause_s in ((1, 0.5), (2, 1.0)):
            await until(lambda: office.counter.concluding == tried and office.clock.sleeping == 1)  # noqa: B023
            assert office.noticed == []
            office.clock.advance(pause_s)
        await until(lambda: office.noticed == [1])
        assert office.asked() == OPERATORS, "the answer was kept"


async def test_who_waits_hears_of_trouble_with_the_store_and_may_ask_again(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.counter.refuse_with = [NeedsOperator("the disk is full")]
        with pytest.raises(NeedsOperator, match="the disk is full"):
            await create(office)
        await settle()
        assert office.desk.running() == 0
        assert await office.operations() == []
        assert (await create(office)).operation == ID

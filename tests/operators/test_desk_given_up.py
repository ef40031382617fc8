"""Evaluations that nobody waits for any more, and how they end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace.core.errors import FixTheRequest, TryLater
from headrace.core.ports import EvaluationNews
from headrace.operators.evaluation import CANCELLED, NOBODY_ASKED_AGAIN, Certified, Failed, result_of
from operators.builders import until
from operators.office import ID, OPERATORS, REQUEST, WINDOWS, Office, create, head_at, open_office

PAST = head_at(100 + WINDOWS.creation)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """Its only evaluation was given up: the caller hung up while the operators were asked."""
    async with open_office(tmp_path) as opened:
        opened.keep_quiet()
        waiting = asyncio.create_task(create(opened))
        await until(lambda: opened.asked() == OPERATORS)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        opened.let_answer()
        yield opened


def told(office: Office) -> list[str]:
    return [news.what for news in office.news if isinstance(news, EvaluationNews)]


async def test_it_ends_when_somebody_looks_after_the_window_of_its_task(office: Office) -> None:
    assert not await office.desk.end_late(await office.evaluation(ID))
    office.head = PAST
    assert await office.desk.end_late(await office.evaluation(ID))
    ended = await office.evaluation(ID)
    assert result_of(ended) == Failed(NOBODY_ASKED_AGAIN)
    assert told(office) == ["evaluating", "failed"]
    assert not await office.desk.end_late(ended)
    assert office.desk.running() == 0


async def test_a_store_that_is_full_does_not_hinder_who_only_looks(office: Office) -> None:
    office.head = PAST
    office.counter.refuse_with.append(TryLater("full"))
    assert not await office.desk.end_late(await office.evaluation(ID))
    assert await office.desk.end_late(await office.evaluation(ID))


async def test_it_is_cancelled_once_and_for_good(office: Office) -> None:
    await office.desk.cancel(ID)
    await office.desk.cancel(ID)
    assert result_of(await office.evaluation(ID)) == Failed(CANCELLED)
    assert told(office) == ["evaluating", "failed"]
    with pytest.raises(FixTheRequest, match=CANCELLED):
        await create(office)
    assert office.asked() == OPERATORS


async def test_who_asks_while_it_is_being_cancelled_gets_that_for_an_answer(office: Office) -> None:
    office.counter.may_conclude.clear()
    cancelling = asyncio.create_task(office.desk.cancel(ID))
    await until(lambda: office.counter.concluding == 1)
    asking = asyncio.create_task(create(office))
    office.counter.may_conclude.set()
    await cancelling
    with pytest.raises(FixTheRequest, match=CANCELLED):
        await asking
    assert office.asked() == OPERATORS, "no certificate is made for what is cancelled"


async def test_one_that_is_asked_about_again_is_left_alone(office: Office) -> None:
    office.keep_quiet()
    asking = asyncio.create_task(create(office))
    await until(lambda: office.asked() == 2 * OPERATORS)
    await office.desk.cancel(ID)
    office.let_answer()
    answer = await asking
    await office.desk.cancel(ID)
    assert result_of(await office.evaluation(ID)) == answer.result


async def test_an_answer_that_came_meanwhile_stays(office: Office) -> None:
    seen = await office.evaluation(ID)
    await create(office)
    office.head = PAST
    assert await office.desk.end_late(seen), "it was open when it was looked at"
    assert isinstance(result_of(await office.evaluation(ID)), Certified)
    assert "failed" not in told(office)


async def test_what_was_said_yes_to_is_left_to_the_next_start(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        office.keep_quiet()
        await office.desk.send(REQUEST, operation=ID)
        await office.desk.close()
        await office.desk.cancel(ID)
        office.head = PAST
        assert not await office.desk.end_late(await office.evaluation(ID))
        assert result_of(await office.evaluation(ID)) is None

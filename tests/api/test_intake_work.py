"""What an acknowledgement costs, in counts that no machine changes: a shared commit, and nothing for one alone."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from api.gateway import Gateway, post, submission
from headrace.store.reader import ReadThread
from headrace.store.writer import Writer

TOGETHER = 64


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    return counted(monkeypatch, ReadThread, "run")


@pytest.fixture
def errands(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    return counted(monkeypatch, Writer, "run")


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    return counted(monkeypatch, Writer, "_commit")


def counted(monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> Callable[[], int]:
    """How often the method was called, which goes on doing what it does."""
    called, method = 0, getattr(kind, name)

    def counting(self: object, *arguments: Any, **named: Any) -> Any:
        nonlocal called
        called += 1
        return method(self, *arguments, **named)

    monkeypatch.setattr(kind, name, counting)
    return lambda: called


def call(number: int) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": "headrace_submit", "params": submission()}


async def test_those_that_come_together_are_saved_by_one_commit(
    gateway: Gateway, looks: Callable[[], int], errands: Callable[[], int], commits: Callable[[], int]
) -> None:
    bodies = [json.dumps(call(number)).encode() for number in range(TOGETHER)]
    answers = await asyncio.gather(*(post(gateway.app, body) for body in bodies))
    assert all(json.loads(body)["result"]["state"] == "queued" for _, _, body in answers)
    assert gateway.stored() == (0, TOGETHER)
    assert looks() == 0, "what is acknowledged needs no look into the store"
    assert errands() <= 2 and commits() <= 2


async def test_a_batch_of_calls_is_saved_by_one_commit(
    gateway: Gateway, looks: Callable[[], int], errands: Callable[[], int], commits: Callable[[], int]
) -> None:
    _, _, body = await post(gateway.app, json.dumps([call(number) for number in range(TOGETHER)]).encode())
    assert len(json.loads(body)) == TOGETHER
    assert gateway.stored() == (0, TOGETHER)
    assert (looks(), errands(), commits()) == (0, 1, 1)


async def test_a_call_takes_no_task_and_no_timer_of_its_own(gateway: Gateway) -> None:
    loop = asyncio.get_running_loop()
    made: list[str] = []

    def make_task(inner: asyncio.AbstractEventLoop, work: Any, **named: Any) -> asyncio.Task[Any]:
        made.append("task")
        return asyncio.Task(work, loop=inner, **named)

    await post(gateway.app, json.dumps(call(0)).encode())  # the one timer for all bodies begins with the first
    at = loop.call_at
    loop.set_task_factory(make_task)  # type: ignore[arg-type]
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "call_at", lambda *args, **named: (made.append("timer"), at(*args, **named))[1])
            await post(gateway.app, json.dumps(call(1)).encode())
    finally:
        loop.set_task_factory(None)
    assert made == []

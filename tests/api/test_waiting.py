"""headrace_waitOperation."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from api.ferry import Ferry
from api.gateway import FORBIDDEN_INTENT, Gateway, submission, task_params, until
from headrace.core.operation import Account
from headrace.core.words import OperationId


def start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(work)


async def waiting(gateway: Gateway, until_: str, *, listening: int = 1, **more: object) -> asyncio.Task[Any]:
    """A waiter that has read once, and waits."""
    sleeping = gateway.clock.sleeping
    params = {"operation_id": "one", "until": until_, **more}
    task = start(gateway.call("headrace_waitOperation", params))
    await until(lambda: gateway.clock.sleeping > sleeping and gateway.topics.subscriptions >= listening)
    return task


async def test_a_waiter_hears_when_it_is_mined_and_another_when_it_is_final(gateway: Gateway) -> None:
    await gateway.call("headrace_submit", submission(operation_id="one"))
    mined, final = await waiting(gateway, "mined"), await waiting(gateway, "final", timeout=120)
    ferry = Ferry(gateway)
    await ferry.batch()
    await ferry.send()
    await ferry.mine()
    assert (await mined)["state"] == "mined"
    assert not final.done()
    await ferry.settle()
    operation = await final
    assert (operation["state"], operation["outcome"]) == ("done", "landed")
    assert (gateway.topics.subscriptions, gateway.topics.listeners) == (0, 0)


async def test_what_is_reached_already_is_answered_at_once(gateway: Gateway) -> None:
    await gateway.call("headrace_submit", submission(operation_id="one"))
    ferry = Ferry(gateway)
    await ferry.batch()
    await ferry.mine()
    assert (await gateway.call("headrace_waitOperation", {"operation_id": "one", "until": "mined"}))[
        "state"
    ] == "mined"
    await ferry.settle()
    for name in ("mined", "final"):
        operation = await gateway.call("headrace_waitOperation", {"operation_id": "one", "until": name})
        assert operation["state"] == "done"


async def test_when_the_time_is_up_the_answer_is_the_operation_as_it_is(gateway: Gateway) -> None:
    await gateway.call("headrace_submit", submission(operation_id="one"))
    waiter = await waiting(gateway, "final", timeout=3)
    gateway.clock.advance(2.9)
    await asyncio.sleep(0)
    assert not waiter.done()
    gateway.clock.advance(0.2)
    assert (await waiter)["state"] == "queued"
    assert gateway.topics.subscriptions == 0 and gateway.clock.sleeping == 0


async def test_a_waiter_of_an_open_evaluation_follows_it_to_the_end(gateway: Gateway) -> None:
    gateway.keep_operators_quiet()
    await gateway.call("newt_sendTask", task_params(operation_id="one"))
    waiter = await waiting(gateway, "final", listening=2)
    gateway.let_operators_answer()
    await until(lambda: gateway.stored() == (1, 1))
    ferry = Ferry(gateway)
    await ferry.batch()
    await ferry.mine()
    await ferry.settle()
    assert (await waiter)["outcome"] == "landed"


async def test_a_waiter_hears_of_a_refusal_by_the_operators(gateway: Gateway) -> None:
    gateway.keep_operators_quiet()
    await gateway.call("newt_sendTask", task_params(operation_id="one", intent=FORBIDDEN_INTENT))
    waiter = await waiting(gateway, "mined", listening=2)
    gateway.let_operators_answer()
    operation = await waiter
    assert (operation["state"], operation["outcome"]) == ("done", "rejected") and operation["reason"]


async def test_a_waiter_hears_of_a_cancellation(gateway: Gateway) -> None:
    await gateway.call("headrace_submit", submission(operation_id="one"))
    waiter = await waiting(gateway, "mined")
    await gateway.call("headrace_cancelOperation", {"operation_id": "one"})
    assert (await waiter)["outcome"] == "cancelled"


async def test_a_block_uncled_between_the_news_and_the_look_is_not_taken_for_mined(gateway: Gateway) -> None:
    await gateway.call("headrace_submit", submission(operation_id="one"))
    waiter = await waiting(gateway, "mined")
    ferry = Ferry(gateway)
    await ferry.batch()
    await ferry.tell("mined")  # told, but when we look the store says otherwise
    await until(lambda: gateway.clock.sleeping == 1)
    assert not waiter.done()
    await ferry.mine()
    assert (await waiter)["state"] == "mined"


async def test_a_waiter_asks_the_store_only_after_news(gateway: Gateway) -> None:
    looks = 0
    account = gateway.store.account

    async def counted(operation: OperationId) -> Account | None:
        nonlocal looks
        looks += 1
        return await account(operation)

    await gateway.call("headrace_submit", submission(operation_id="one"))
    gateway.store.account = counted  # type: ignore[method-assign]
    waiter = await waiting(gateway, "final", timeout=100)
    gateway.clock.advance(99)
    await asyncio.sleep(0)
    assert looks == 1
    await gateway.end("one")
    await waiter
    assert looks == 2

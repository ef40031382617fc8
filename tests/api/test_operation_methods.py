"""headrace_submit, get, cancel, list and lanes, on a real store."""

import asyncio
from dataclasses import replace

import pytest

from api.ferry import Ferry
from api.gateway import HEAD, WINDOWS, Gateway, submission, task_params, until
from headrace.api.topics import operation_topic
from headrace.core.ports import OperationNews
from headrace.core.words import BlockNumber, OperationId, Outcome, Revert
from headrace.workloads.tasks.payload import KINDS
from operators.builders import CHAIN

KEYS = [
    "operation_id",
    "workload",
    "kind",
    "chain_id",
    "state",
    "outcome",
    "reason",
    "revert",
    "transaction",
    "attempts",
    "gas_share",
    "cost_share_wei",
    "proof",
    "times",
]


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_is_taken_and_reads_as_queued(gateway: Gateway, kind: str) -> None:
    result = await gateway.call("headrace_submit", submission(kind, operation_id="one"))
    assert result == {"operation_id": "one", "state": "queued"}
    operation = await gateway.call("headrace_getOperation", {"operation_id": "one"})
    assert list(operation) == KEYS
    assert operation["kind"] == kind
    assert (operation["workload"], operation["chain_id"], operation["state"]) == ("tasks", CHAIN, "queued")
    assert operation["times"]["received"] == gateway.clock.now()
    rest = {operation[key] for key in ("outcome", "reason", "revert", "transaction", "proof")}
    assert rest == {None} and set(operation["times"]) == {"received", "batched", "sent", "mined", "done"}
    assert (operation["attempts"], operation["gas_share"], operation["cost_share_wei"]) == (0, 0, "0")


async def test_the_same_submission_twice_is_one_operation(gateway: Gateway) -> None:
    params = submission(operation_id="one", deadline=2e9)
    first = await gateway.call("headrace_submit", params)
    gateway.clock.advance(5)
    params["payload"]["signature_data"] = "0x" + "07" * 128  # aggregated again: who signed is not what was asked
    assert await gateway.call("headrace_submit", params) == first
    assert gateway.stored() == (0, 1)


async def test_a_repeat_is_answered_with_the_state_it_is_in_by_now(gateway: Gateway) -> None:
    params = submission(operation_id="one")
    ferry = Ferry(gateway)

    async def state() -> object:
        return (await gateway.call("headrace_submit", params))["state"]

    assert [await state(), await state()] == ["queued", "queued"]
    await ferry.batch()
    assert await state() == "batched"
    await ferry.send()
    assert await state() == "sent"
    await ferry.mine()
    assert await state() == "mined"
    await ferry.settle()
    assert await state() == "done"
    assert gateway.stored() == (0, 1)


async def test_a_repeat_is_answered_after_its_deadline_too(gateway: Gateway) -> None:
    params = submission(operation_id="one", deadline=gateway.clock.now() + 60)
    await gateway.call("headrace_submit", params)
    gateway.clock.advance(61)
    assert await gateway.call("headrace_submit", params) == {"operation_id": "one", "state": "queued"}
    await gateway.end("one", Outcome.EXPIRED)
    assert await gateway.call("headrace_submit", params) == {"operation_id": "one", "state": "done"}
    other = await gateway.error("headrace_submit", params | {"kind": "respond"})
    assert (other["code"], other["data"]["operation_id"]) == (-32009, "one")
    unknown = await gateway.error("headrace_submit", params | {"operation_id": "two"})
    assert unknown["code"] == -32602 and "in the past" in unknown["message"]
    assert gateway.stored() == (0, 1)


async def test_a_follower_of_something_that_failed_is_done_at_once_and_told(gateway: Gateway) -> None:
    await gateway.call("headrace_submit", submission("create", seed=5, operation_id="create"))
    await gateway.end("create", Outcome.REJECTED)
    follower = submission("respond", seed=5, operation_id="respond", after="create")
    with gateway.topics.listen() as listener:
        gateway.topics.subscribe(listener, operation_topic(OperationId("respond")))
        done = {"operation_id": "respond", "state": "done"}
        assert await gateway.call("headrace_submit", follower) == done
        heard = await listener.next()
        assert not isinstance(heard, bytes) and heard.event == "done"
        assert b'"cancelled"' in heard.result
        # Asked again it is the same, and no news.
        assert await gateway.call("headrace_submit", follower) == done
        gateway.topics(OperationNews(operation=OperationId("respond"), what="queued", at=0.0))
        heard = await listener.next()
        assert not isinstance(heard, bytes) and heard.event == "queued"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "respond"},
        {"deadline": 2e9 + 1},
        {"after": "earlier"},
        {"payload": submission(seed=77)["payload"]},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_the_same_id_with_other_content_is_refused(gateway: Gateway, change: dict[str, object]) -> None:
    await gateway.call("headrace_submit", submission(operation_id="earlier"))
    params = submission(operation_id="one", deadline=2e9)
    await gateway.call("headrace_submit", params)
    error = await gateway.error("headrace_submit", params | change)
    assert (error["code"], error["data"]["operation_id"]) == (-32009, "one")
    assert gateway.stored() == (0, 2)


async def test_a_task_id_in_use_is_refused_under_another_id(gateway: Gateway) -> None:
    params = submission(operation_id="one")
    await gateway.call("headrace_submit", params)
    error = await gateway.error("headrace_submit", params | {"operation_id": "two"})
    assert error["code"] == -32009 and error["message"].startswith("task_id: 0x")
    assert error["data"]["task_id"] == params["payload"]["task"]["task_id"]
    assert gateway.stored() == (0, 1)


async def test_the_id_of_a_task_request_under_evaluation_is_refused(gateway: Gateway) -> None:
    gateway.keep_operators_quiet()
    await gateway.call("newt_sendTask", task_params(operation_id="one"))
    assert (await gateway.error("headrace_submit", submission(operation_id="one")))["code"] == -32009
    assert gateway.stored() == (1, 0)


async def test_a_follower_waits_and_reads_as_queued(gateway: Gateway) -> None:
    create = submission("create", seed=5, operation_id="create")
    await gateway.call("headrace_submit", create)
    await gateway.call("headrace_submit", submission("respond", seed=5, operation_id="respond", after="create"))
    operation = await gateway.call("headrace_getOperation", {"operation_id": "respond"})
    assert operation["state"] == "queued"
    account = await gateway.store.account(OperationId("respond"))
    assert account is not None and account.operation.wait_until == gateway.clock.now() + 60


async def test_a_follower_of_a_task_under_evaluation_comes_back_later(gateway: Gateway) -> None:
    gateway.keep_operators_quiet()
    await gateway.call("newt_sendTask", task_params(operation_id="one"))
    follower = submission(operation_id="two", after="one")
    assert (await gateway.error("headrace_submit", follower))["code"] == -32005
    gateway.let_operators_answer()
    await until(lambda: gateway.stored() == (1, 1))
    await gateway.call("headrace_submit", follower)


async def test_an_operation_reads_all_the_way_to_its_end(gateway: Gateway) -> None:
    for id in ("one", "two"):
        await gateway.call("headrace_submit", submission(operation_id=id))
    ferry = Ferry(gateway, nonce=7)
    await ferry.batch()
    operation = await gateway.call("headrace_getOperation", {"operation_id": "two"})
    assert operation["state"] == "batched"
    assert operation["transaction"]["index"] == 1
    assert operation["transaction"]["block_number"] is operation["transaction"]["block_hash"] is None
    await ferry.send()
    assert (await gateway.call("headrace_getOperation", {"operation_id": "two"}))["state"] == "sent"
    await ferry.mine()
    operation = await gateway.call("headrace_getOperation", {"operation_id": "one"})
    assert operation["state"] == "mined"
    assert set(operation["transaction"]) == {
        "hash",
        "block_number",
        "block_hash",
        "lane",
        "nonce",
        "batch_id",
        "index",
    }
    assert (operation["transaction"]["block_number"], operation["transaction"]["nonce"]) == (7, 7)
    assert operation["transaction"]["lane"] == "0x" + "01" * 20
    assert (operation["gas_share"], operation["cost_share_wei"], operation["attempts"]) == (501, "1502", 1)
    revert = Revert(bytes.fromhex("2e98c533") + b"\x01" * 32, "TaskAlreadyExists", {"existingTaskHash": "0x01"})
    await ferry.settle(Outcome.CONFLICT, revert)
    operation = await gateway.call("headrace_getOperation", {"operation_id": "one"})
    assert (operation["state"], operation["outcome"]) == ("done", "conflict")
    assert operation["revert"] == {
        "selector": "0x2e98c533",
        "name": "TaskAlreadyExists",
        "args": {"existingTaskHash": "0x01"},
    }
    assert all(operation["times"].values())


# ---- Cancelling


async def test_a_queued_operation_is_cancelled_and_told(gateway: Gateway) -> None:
    await gateway.call("headrace_submit", submission(operation_id="one"))
    with gateway.topics.listen() as listener:
        gateway.topics.subscribe(listener, ("operation", "one"))  # type: ignore[arg-type]
        cancelled = await gateway.call("headrace_cancelOperation", {"operation_id": "one"})
        assert (cancelled["state"], cancelled["outcome"]) == ("done", "cancelled")
        heard = await listener.next()
        assert not isinstance(heard, bytes) and heard.event == "done" and b'"cancelled"' in heard.result
    assert await gateway.call("headrace_cancelOperation", {"operation_id": "one"}) == cancelled


async def test_the_end_of_those_that_come_after_a_cancelled_one_is_told_too(gateway: Gateway) -> None:
    await gateway.call("headrace_submit", submission("create", seed=5, operation_id="create"))
    await gateway.call("headrace_submit", submission("respond", seed=5, operation_id="respond", after="create"))
    with gateway.topics.listen() as listener:
        gateway.topics.subscribe(listener, operation_topic(OperationId("respond")))
        await gateway.call("headrace_cancelOperation", {"operation_id": "create"})
        heard = await listener.next()
        assert not isinstance(heard, bytes) and heard.event == "done" and b'"cancelled"' in heard.result
    assert (await gateway.call("headrace_getOperation", {"operation_id": "respond"}))["outcome"] == "cancelled"


async def test_what_is_signed_or_done_cannot_be_cancelled(gateway: Gateway) -> None:
    await gateway.call("headrace_submit", submission(operation_id="one"))
    ferry = Ferry(gateway)
    await ferry.batch()
    error = await gateway.error("headrace_cancelOperation", {"operation_id": "one"})
    assert error["code"] == -32602 and "is batched" in error["message"]
    await ferry.mine()
    await ferry.settle()
    assert "is done" in (await gateway.error("headrace_cancelOperation", {"operation_id": "one"}))["message"]


async def test_a_task_under_evaluation_can_be_cancelled_later(gateway: Gateway) -> None:
    gateway.keep_operators_quiet()
    await gateway.call("newt_sendTask", task_params(operation_id="one"))
    assert (await gateway.error("headrace_cancelOperation", {"operation_id": "one"}))["code"] == -32005
    gateway.let_operators_answer()
    await until(lambda: gateway.stored() == (1, 1))
    assert (await gateway.call("headrace_cancelOperation", {"operation_id": "one"}))["outcome"] == "cancelled"


async def given_up(gateway: Gateway) -> None:
    """A task request `one` whose caller hung up."""
    gateway.keep_operators_quiet()
    waiting = asyncio.create_task(gateway.call("newt_createTask", task_params(operation_id="one")))
    await until(lambda: gateway.desk.running() == 1)
    waiting.cancel()
    await until(lambda: gateway.desk.running() == 0)
    assert (await gateway.call("headrace_getOperation", {"operation_id": "one"}))["state"] == "queued"


async def test_a_task_that_nobody_waits_for_is_cancelled_at_once(gateway: Gateway) -> None:
    await given_up(gateway)
    cancelled = await gateway.call("headrace_cancelOperation", {"operation_id": "one"})
    assert (cancelled["state"], cancelled["reason"]) == ("done", "cancelled by the client")
    assert await gateway.call("headrace_cancelOperation", {"operation_id": "one"}) == cancelled
    assert await gateway.call("headrace_getOperation", {"operation_id": "one"}) == cancelled


async def test_a_task_that_nobody_waits_for_expires_with_its_window(gateway: Gateway) -> None:
    await given_up(gateway)
    gateway.head = replace(HEAD, number=BlockNumber(HEAD.number + WINDOWS.creation))
    found = await gateway.call("headrace_getOperation", {"operation_id": "one"})
    assert (found["state"], found["outcome"]) == ("done", "expired")
    assert found["reason"] == "nobody asked again before the task's creation window closed"


# ---- Lists


async def pages(gateway: Gateway, **filters: object) -> list[list[str]]:
    found, cursor = [], None
    while True:
        page = await gateway.call("headrace_listOperations", {**filters, "cursor": cursor})
        found.append([operation["operation_id"] for operation in page["operations"]])
        cursor = page["cursor"]
        if cursor is None:
            return found


async def test_lists_come_newest_first_page_by_page(gateway: Gateway) -> None:
    ids = [f"op-{number}" for number in range(7)]
    for id in ids:
        await gateway.call("headrace_submit", submission(operation_id=id))
    assert await pages(gateway, limit=3) == [ids[:3:-1], ids[3:0:-1], ids[:1]]
    assert await pages(gateway) == [ids[::-1]]
    assert await pages(gateway, state="queued", workload="tasks", limit=500) == [ids[::-1], [], []]
    assert (await gateway.call("headrace_listOperations"))["cursor"] is None


async def test_lists_are_filtered_by_state_and_outcome(gateway: Gateway) -> None:
    for nonce in range(3):
        await gateway.call("headrace_submit", submission(operation_id=f"ferried-{nonce}"))
        ferry = Ferry(gateway, nonce=nonce)
        await ferry.batch()
        if nonce > 0:
            await ferry.send()
            await ferry.mine()
        if nonce > 1:
            await ferry.settle()
    for id in ("wished", "given-up"):
        await gateway.call("headrace_submit", submission(operation_id=id))
    await gateway.call("headrace_submit", submission("respond", operation_id="follower", after="wished"))
    await gateway.call("headrace_cancelOperation", {"operation_id": "given-up"})

    async def listed(**filters: object) -> list[str]:
        return [id for page in await pages(gateway, **filters) for id in page]

    assert await listed(state="queued") == ["wished", "follower"]
    assert await listed(state="queued", limit=1) == ["wished", "follower"]
    assert await listed(state="batched") == ["ferried-0"]
    assert await listed(state="sent") == []
    assert await listed(state="mined") == ["ferried-1"]
    assert await listed(state="done") == ["given-up", "ferried-2"]
    assert await listed(outcome="landed") == ["ferried-2"]
    assert await listed(outcome="cancelled", state="done") == ["given-up"]
    assert await listed(outcome="expired") == []


async def test_lanes_are_shown_with_what_a_person_must_do(gateway: Gateway) -> None:
    assert await gateway.call("headrace_lanes") == {"lanes": []}
    await gateway.call("headrace_submit", submission())
    await Ferry(gateway, nonce=3).batch()
    (lane,) = (await gateway.call("headrace_lanes", {}))["lanes"]
    assert lane == {
        "chain_id": CHAIN,
        "lane": "0x" + "01" * 20,
        "state": "active",
        "drained_at": None,
        "next_nonce": 4,
        "in_flight": 1,
        "mined": 0,
        "settled": 0,
        "help_wanted": "no coin",
        "balance_wei": None,
    }


async def test_news_of_a_returned_operation_is_told(gateway: Gateway) -> None:
    with gateway.topics.listen() as listener:
        gateway.topics.subscribe(listener, ("operation", "one"))  # type: ignore[arg-type]
        gateway.topics(OperationNews(operation=OperationId("one"), what="queued", at=1.0, reason="again"))
        heard = await listener.next()
        assert not isinstance(heard, bytes) and heard.event == "queued"


async def test_of_what_others_did_no_transaction_is_made_up(gateway: Gateway) -> None:
    """D13: whoever finds its work done gets no receipt of ours, and none that looks like one."""
    await gateway.call("headrace_submit", submission(operation_id="one"))
    await gateway.end("one", Outcome.ALREADY_DONE)
    operation = await gateway.call("headrace_getOperation", {"operation_id": "one"})
    assert (operation["state"], operation["outcome"]) == ("done", "already_done")
    assert operation["transaction"] is None
    assert (operation["attempts"], operation["gas_share"], operation["cost_share_wei"]) == (0, 0, "0")

"""How the client asks: same id again and again, bounded connections, a deadline."""

import time
from collections.abc import Awaitable, Callable

import pytest

from app.load.gateway import Answer, certificate, error, stand_in, task_of
from headrace.api.task_forms import CREATE_TASK, SEND_TASK, TaskForms
from headrace.app.load.gateway_calls import GatewayCalls
from headrace.app.load.journal import Accepted, Refused, Unanswered
from headrace.app.load.replies import Method
from headrace.app.load.request import GatewayLimits, rpc_url, task_params
from headrace.app.load.task_source import PolicyClient, TaskSource
from headrace.testing.clock import HandClock

WISH = TaskSource([PolicyClient(address=b"\x05" * 20)], chain_id=31337, seed=3).next()


class Time:
    """A clock that sleeping moves at once, and a note of every sleep."""

    def __init__(self) -> None:
        self.clock = HandClock(0.0)
        self.slept_s: list[float] = []

    def now(self) -> float:
        return self.clock.now()

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.clock.advance(seconds)


def calls(url: str, time_: Time, **options: object) -> GatewayCalls:
    return GatewayCalls(url, clock=time_.now, sleep=time_.sleep, **options)


def first_tries(*answers: Answer) -> Callable[[str, int], Answer]:
    """These answers first, then a certificate."""
    return lambda operation_id, attempt: (
        answers[attempt - 1] if attempt <= len(answers) else certificate(operation_id)
    )


async def test_a_task_is_asked_for_by_the_names_of_the_public_api() -> None:
    async with stand_in() as gateway, calls(gateway.url, Time(), api_key="k3y") as client:
        asked = await client.ask(WISH, "op-1", 0.0)
    assert asked.answer == Accepted(bytes.fromhex(task_of("op-1")[2:]), certified=True)
    (request,) = gateway.requests
    assert request["method"] == "newt_createTask" and isinstance(request["id"], str)
    params = request["params"]
    assert params["operation_id"] == "op-1" and params["timeout"] == 30
    assert params["policy_client"] == "0x" + "05" * 20
    assert set(params["intent"]) == {"from", "to", "value", "data", "chain_id", "function_signature"}
    assert params["intent"]["chain_id"] == "0x7a69" and int(params["intent"]["value"], 16) == WISH.intent.value_wei
    assert gateway.headers[0]["Authorization"] == "Bearer k3y"


@pytest.mark.parametrize("method", list(Method))
def test_the_gateway_reads_exactly_what_was_meant(method: Method) -> None:
    shape = CREATE_TASK if method is Method.CREATE_TASK else SEND_TASK
    forms = TaskForms(quorums=b"\x00", threshold_percent=67)
    read = forms.read_request(shape.read(task_params(WISH, "load-1-0000001", method, 30), "params"))
    assert (read.intent.from_, read.intent.to) == (WISH.intent.from_, WISH.intent.to)
    assert (read.intent.value, read.intent.data) == (WISH.intent.value_wei, WISH.intent.data)
    assert read.intent.function_signature == WISH.intent.function_signature
    assert (read.intent.chain, read.policy_client) == (31337, WISH.policy_client)
    assert read.intent_signature == WISH.intent_signature


async def test_sending_a_task_leaves_out_what_only_creating_knows() -> None:
    async with stand_in() as gateway, calls(gateway.url, Time(), method=Method.SEND_TASK) as client:
        asked = await client.ask(WISH, "op-1", 0.0)
    assert gateway.requests[0]["method"] == "newt_sendTask" and "timeout" not in gateway.requests[0]["params"]
    assert isinstance(asked.answer, Accepted) and not asked.answer.certified


@pytest.mark.parametrize("first", [None, 500, 503, error(-32005, "full")], ids=["hang-up", "500", "503", "later"])
async def test_it_asks_again_with_the_same_operation_id_and_the_same_content(first: Answer) -> None:
    async with stand_in(first_tries(first, first)) as gateway, calls(gateway.url, time_ := Time()) as client:
        asked = await client.ask(WISH, "op-1", 0.0)
    assert isinstance(asked.answer, Accepted) and asked.attempts == 3
    assert [request["params"] for request in gateway.requests] == [gateway.requests[0]["params"]] * 3
    assert len(time_.slept_s) == 2 and time_.slept_s[1] <= 0.1


async def test_pauses_grow_up_to_a_bound() -> None:
    async with stand_in(first_tries(*[500] * 12)) as gateway, calls(gateway.url, time_ := Time()) as client:
        await client.ask(WISH, "op-1", 0.0)
    assert time_.slept_s[0] <= 0.05 and 1.0 <= time_.slept_s[-1] <= 2.0


async def test_the_pause_that_the_gateway_names_is_kept() -> None:
    later = error(-32005, "full", retry_after_s=7.5)
    async with stand_in(first_tries(later)) as gateway, calls(gateway.url, time_ := Time()) as client:
        asked = await client.ask(WISH, "op-1", 0.0)
    assert time_.slept_s == [7.5] and asked.answered_at_s == 7.5


@pytest.mark.parametrize("url", ["http://gate:1", "http://gate:1/", "http://gate:1/rpc", "http://gate:1/rpc/"])
def test_the_address_of_a_gateway_may_be_given_with_or_without_its_rpc_path(url: str) -> None:
    assert rpc_url(url) == "http://gate:1/rpc"


async def test_a_conclusive_refusal_is_not_asked_again() -> None:
    async with (
        stand_in(first_tries(error(-32615, "policy says no"))) as gateway,
        calls(gateway.url, Time()) as client,
    ):
        asked = await client.ask(WISH, "op-1", 0.0)
    assert asked.answer == Refused(-32615, "policy says no") and asked.attempts == 1


async def test_it_gives_up_by_its_deadline_counted_from_the_scheduled_moment() -> None:
    limits = GatewayLimits(give_up_s=10)
    async with stand_in(lambda operation_id, attempt: 503) as gateway:
        time_ = Time()
        time_.clock.advance(4)  # scheduled at 0, sent at 4
        async with calls(gateway.url, time_, limits=limits) as client:
            asked = await client.ask(WISH, "op-1", 0.0)
    assert isinstance(asked.answer, Unanswered) and "503" in asked.answer.reason
    assert asked.sent_at_s == 4 and asked.answered_at_s is None
    assert time_.now() < 10


async def test_a_gateway_that_is_not_there_is_asked_until_the_deadline() -> None:
    async with calls("http://127.0.0.1:1/rpc", time_ := Time(), limits=GatewayLimits(give_up_s=3)) as client:
        asked = await client.ask(WISH, "op-1", 0.0)
    assert isinstance(asked.answer, Unanswered) and "Connect" in asked.answer.reason
    assert asked.attempts > 3 and 1 < time_.now() < 3


async def test_a_silent_gateway_does_not_hold_a_request_beyond_its_deadline() -> None:
    async def no_sleep(seconds: float) -> None:
        return None

    sleep: Callable[[float], Awaitable[None]] = no_sleep
    async with stand_in(gate=True) as gateway:
        limits = GatewayLimits(give_up_s=0.2)
        async with GatewayCalls(gateway.url, clock=time.monotonic, sleep=sleep, limits=limits) as client:
            asked = await client.ask(WISH, "op-1", time.monotonic())
    assert asked.answer == Unanswered("TimeoutError")

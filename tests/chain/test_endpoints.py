"""Fail-over over endpoints that misbehave in every way we know."""

import asyncio
import logging
import socket
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from chain.conftest import until
from chain.misbehaving import Misbehaving, Plan
from headrace.chain.endpoints import Endpoints, RpcError
from headrace.core.ports import NodeTrouble
from headrace.testing.clock import HandClock

GOOD: Plan = {"result": "0x2a"}


@asynccontextmanager
async def asking(
    *nodes: Misbehaving | str, clock: HandClock | None = None, timeout_s: float = 5.0, concurrent_max: int = 64
) -> AsyncIterator[Endpoints]:
    urls: Sequence[str] = [node if isinstance(node, str) else node.url for node in nodes]
    endpoints = Endpoints(urls, clock=clock or HandClock(), timeout_s=timeout_s, concurrent_max=concurrent_max)
    yield endpoints
    await endpoints.close()


def nobody_there() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v3/secret-key"


@pytest.mark.parametrize(
    "bad",
    [
        "drop",
        "half",
        429,
        500,
        502,
        503,
        401,
        404,
        301,
        "<html>gateway</html>",
        "[]",
        "null",
        '{"jsonrpc": "2.0", "id": 1}',
        '{"jsonrpc": "2.0", "id": 1, "error": "no"}',
        "\udcff".encode("utf-8", "surrogatepass").decode("latin-1"),
        {"error": {"code": 429, "message": "exceeded its compute units per second capacity"}},
        {"error": {"code": -32005, "message": "project ID request rate exceeded"}},
    ],
)
async def test_trouble_with_the_first_is_answered_by_the_second(bad: Plan) -> None:
    async with Misbehaving(bad) as first, Misbehaving(GOOD) as second, asking(first, second) as endpoints:
        assert await endpoints.ask("eth_chainId") == "0x2a"
        assert endpoints.resting() == (f"127.0.0.1:{first.port}",)
        assert (len(first.asked), len(second.asked)) == (1, 1)


async def test_a_slow_endpoint_is_left_when_its_time_is_over() -> None:
    async with Misbehaving("silent") as slow, Misbehaving(GOOD) as good:
        async with asking(slow, good, timeout_s=0.05) as endpoints:
            assert await endpoints.ask("eth_chainId") == "0x2a"
        slow.release.set()


async def test_a_closed_port_is_trouble() -> None:
    async with Misbehaving(GOOD) as good, asking(nobody_there(), good) as endpoints:
        assert await endpoints.ask("eth_chainId") == "0x2a"


async def test_an_error_is_an_answer_and_nobody_else_is_asked() -> None:
    refusal: Plan = {"error": {"code": 3, "message": "execution reverted", "data": "0x01"}}
    async with Misbehaving(refusal) as first, Misbehaving(GOOD) as second, asking(first, second) as endpoints:
        with pytest.raises(RpcError) as answered:
            await endpoints.ask("eth_call")
        assert (answered.value.code, answered.value.message, answered.value.data) == (
            3,
            "execution reverted",
            "0x01",
        )
        assert second.asked == []
        assert endpoints.resting() == ()


async def test_an_error_under_http_400_is_an_answer_too() -> None:
    refusal: Plan = {"error": {"code": -32000, "message": "nonce too low"}}
    async with Misbehaving(refusal, status=400) as first, asking(first) as endpoints:
        with pytest.raises(RpcError, match="nonce too low"):
            await endpoints.ask("eth_sendRawTransaction")


async def test_none_is_a_result() -> None:
    async with Misbehaving({"result": None}) as node, asking(node) as endpoints:
        assert await endpoints.ask("eth_getTransactionReceipt", "0x00") is None


async def test_when_all_fail_each_is_named_with_its_reason_and_without_its_key() -> None:
    async with Misbehaving(503) as first, Misbehaving("drop") as second:
        async with asking(first, second, nobody_there()) as endpoints:
            with pytest.raises(NodeTrouble) as trouble:
                await endpoints.ask("eth_chainId")
        text = "".join(traceback.format_exception(trouble.value))
        assert f"127.0.0.1:{first.port}: HTTP 503" in text
        assert f"127.0.0.1:{second.port}: ServerDisconnectedError" in text
        assert "connection refused" in text
        assert "secret" not in text


async def test_credentials_and_keys_show_nowhere_not_even_in_debug_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Misbehaving(GOOD, "drop") as node:
        url = node.url.replace("http://", "http://user:secret-pass@") + "?apikey=secret-query"
        async with asking(url) as endpoints:
            await endpoints.ask("eth_chainId")
            with pytest.raises(NodeTrouble) as trouble:
                await endpoints.ask("eth_chainId")
            assert "secret" not in repr(endpoints.names)
    assert "secret" not in str(trouble.value)
    assert "secret" not in caplog.text


async def test_one_that_failed_is_asked_last_until_its_pause_is_over() -> None:
    clock = HandClock()
    first, second = Misbehaving(500, GOOD), Misbehaving(GOOD)
    async with first, second, asking(first, second, clock=clock) as endpoints:
        await endpoints.ask("eth_chainId")
        await endpoints.ask("eth_chainId")
        assert (len(first.asked), len(second.asked)) == (1, 2)
        clock.advance(1)
        await endpoints.ask("eth_chainId")
        await endpoints.ask("eth_chainId")
        assert (len(first.asked), len(second.asked)) == (3, 2)
        assert endpoints.resting() == ()


async def test_pauses_grow_with_each_failure_in_a_row_up_to_a_bound() -> None:
    clock = HandClock()
    pauses = []
    first, second = Misbehaving(500), Misbehaving(GOOD)
    async with first, second, asking(first, second, clock=clock) as endpoints:
        for _ in range(9):
            await endpoints.ask("eth_chainId")
            waited = 0
            while endpoints.resting():
                clock.advance(1)
                waited += 1
            pauses.append(waited)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_many_failures_at_once_count_as_one() -> None:
    clock = HandClock()
    async with Misbehaving("silent") as first, Misbehaving(GOOD) as second:
        async with asking(first, second, clock=clock, timeout_s=0.1) as endpoints:
            await asyncio.gather(*(endpoints.ask("eth_chainId") for _ in range(20)))
            clock.advance(1)
            assert endpoints.resting() == ()
        first.release.set()


async def test_after_its_pause_one_request_tries_it_and_the_others_do_not_wait_for_that() -> None:
    clock = HandClock()
    first, second = Misbehaving(500, "silent"), Misbehaving(GOOD)
    async with first, second, asking(first, second, clock=clock) as endpoints:
        await endpoints.ask("eth_chainId")
        clock.advance(1)
        trial = asyncio.create_task(endpoints.ask("eth_chainId"))
        await until(lambda: len(first.asked) == 2)
        await asyncio.gather(*(endpoints.ask("eth_chainId") for _ in range(5)))
        assert len(first.asked) == 2
        first.release.set()
        assert await trial == "0x1"
        assert endpoints.resting() == ()


async def test_one_that_rests_is_still_better_than_nobody() -> None:
    async with Misbehaving(500, GOOD) as only, asking(only) as endpoints:
        with pytest.raises(NodeTrouble):
            await endpoints.ask("eth_chainId")
        assert await endpoints.ask("eth_chainId") == "0x2a"


async def test_no_endpoint_is_asked_twice_for_one_call() -> None:
    async with Misbehaving("drop") as only, asking(only) as endpoints:
        with pytest.raises(NodeTrouble):
            await endpoints.ask("eth_sendRawTransaction", "0x02")
        assert only.asked == ["eth_sendRawTransaction"]


async def test_requests_under_way_are_bounded() -> None:
    async with Misbehaving("silent") as node, asking(node, concurrent_max=3) as endpoints:
        asked = [asyncio.create_task(endpoints.ask("eth_chainId")) for _ in range(8)]
        await until(lambda: node.open == 3)
        node.release.set()
        assert await asyncio.gather(*asked) == ["0x1"] * 8
        assert node.most_open == 3


async def test_waiting_for_a_turn_is_bounded_too() -> None:
    async with Misbehaving("silent") as node, asking(node, concurrent_max=1, timeout_s=0.1) as endpoints:
        first, second = await asyncio.gather(
            endpoints.ask("eth_chainId"), endpoints.ask("eth_chainId"), return_exceptions=True
        )
        assert isinstance(first, NodeTrouble)
        assert isinstance(second, NodeTrouble)
        assert "1 requests are under way" in str(second)
        node.release.set()


async def test_a_cancelled_question_gives_its_turn_back() -> None:
    async with Misbehaving("silent", GOOD) as node, asking(node, concurrent_max=1) as endpoints:
        question = asyncio.create_task(endpoints.ask("eth_chainId"))
        await until(lambda: node.open == 1)
        question.cancel()
        await asyncio.gather(question, return_exceptions=True)
        assert await endpoints.ask("eth_chainId") == "0x2a"
        node.release.set()


@pytest.mark.parametrize(
    "url", ["secret", "ws://host/secret", "http:///secret", "http://[secret", "http://h:secret"]
)
def test_what_is_no_http_url_is_refused_by_position_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="endpoint 2") as refused:
        Endpoints(["http://127.0.0.1:1", url], clock=HandClock())
    assert "secret" not in "".join(traceback.format_exception(refused.value))


def test_two_at_one_host_are_told_apart() -> None:
    endpoints = Endpoints(["https://node.example/a", "https://node.example/b"], clock=HandClock())
    assert endpoints.names == ("node.example", "node.example (endpoint 2)")

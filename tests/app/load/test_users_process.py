"""Locust's users, in their own process, against a gateway that answers as told."""

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp
import msgspec
import psutil
import pytest

from app.load.gateway import Answer, certificate, error, stand_in
from headrace.app.load import users_process
from headrace.app.load.journal import Accepted, Journal, Refused, Unanswered
from headrace.app.load.profile import Users, WebUi
from headrace.app.load.replies import Method
from headrace.app.load.request import GatewayLimits, rpc_url
from headrace.app.load.stopping import Stop
from headrace.app.load.task_source import PolicyClient, TaskSource
from headrace.app.load.users_process import LocustMissing, UsersFailed, offer_by_users
from headrace.app.load.users_words import Order

PROFILE = Users(users=3, spawn_rate_per_s=100, pacing_s=0.2, seconds=1.0)
CLIENT = PolicyClient(address=b"\x05" * 20)


def order(url: str, profile: Users = PROFILE, **limits: Any) -> Order:
    return Order(
        url=rpc_url(url),
        method=Method.CREATE_TASK,
        profile=profile,
        limits=GatewayLimits(**limits),
        clients=[CLIENT],
        chain_id=31337,
        seed=7,
        run_id="r",
    )


async def until(holds: Callable[[], bool], *, within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.01)


def journal_start(journal: Journal) -> float:
    assert journal.last_scheduled_s is not None
    return journal.last_scheduled_s


async def test_users_ask_wait_and_ask_again_in_their_own_time() -> None:
    journal = Journal()
    before_s = time.monotonic()
    async with stand_in() as gateway:
        finished = await offer_by_users(order(gateway.url, replace(PROFILE, users=1)), journal)
    assert finished.users_most == 1
    assert journal.offered == len(journal.entries) == len(gateway.requests) > 1
    starts = [entry.scheduled_at_s for entry in journal.entries]
    assert before_s < starts[0] and starts[-1] - starts[0] < PROFILE.seconds
    # Paced from start to start: one that began late is followed sooner, but never by two at once.
    assert (starts[-1] - starts[0]) / (len(starts) - 1) >= 0.19
    assert all(isinstance(entry.answer, Accepted) and entry.answer.certified for entry in journal.entries)
    for entry in journal.entries:
        assert entry.answered_at_s is not None
        assert entry.scheduled_at_s <= entry.sent_at_s <= entry.answered_at_s <= time.monotonic()


async def test_the_tasks_are_those_of_the_open_loop_with_the_same_seed() -> None:
    async with stand_in() as gateway:
        await offer_by_users(order(gateway.url, replace(PROFILE, users=1)), Journal())
    source = TaskSource([CLIENT], chain_id=31337, seed=7)
    for index, request in enumerate(gateway.requests):
        wish = source.next()
        params = request["params"]
        assert params["operation_id"] == f"load-r-{index:07d}"
        assert params["intent"]["from"] == "0x" + wish.intent.from_.hex()
        assert params["intent_signature"] == "0x" + wish.intent_signature.hex()
        assert params["timeout"] == 30


async def test_entries_arrive_while_the_load_goes_on_and_nobody_asks_twice_at_once() -> None:
    journal, stop = Journal(), Stop()
    profile = Users(users=2, spawn_rate_per_s=100, pacing_s=0.0, seconds=600)
    async with stand_in(gate=True) as gateway:
        offering = asyncio.create_task(offer_by_users(order(gateway.url, profile), journal, stop=stop))
        await gateway.until(2)
        await until(lambda: journal.offered == 2)
        assert journal.entries == [] and journal.waiting == 2
        gateway.gate.set()
        await until(lambda: len(journal.entries) > 10)
        assert not offering.done()
        stop.ask()
        assert (await offering).users_most == 2
    assert gateway.at_work_max == 2
    assert journal.offered == len(journal.entries) == len(gateway.requests)


async def test_what_is_under_way_when_time_is_up_is_still_answered() -> None:
    journal = Journal()
    async with stand_in(gate=True) as gateway:
        offering = asyncio.create_task(offer_by_users(order(gateway.url, replace(PROFILE, seconds=0.2)), journal))
        await gateway.until(3)
        await until(lambda: journal.offered == 3)
        began_s = journal_start(journal)
        await until(lambda: time.monotonic() > began_s + 0.3)
        assert journal.offered == 3 and journal.entries == []
        gateway.gate.set()
        await offering
    assert [type(entry.answer) for entry in journal.entries] == [Accepted] * 3


async def test_a_request_that_is_sent_again_keeps_its_operation_id() -> None:
    def answer(operation_id: str, attempt: int) -> Answer:
        return {1: error(-32005, "full", retry_after_s=0.01), 2: 503, 3: None}.get(
            attempt, certificate(operation_id)
        )

    journal = Journal()
    async with stand_in(answer) as gateway:
        profile = Users(users=1, spawn_rate_per_s=1, pacing_s=600, seconds=1)
        await offer_by_users(order(gateway.url, profile), journal)
    (entry,) = journal.entries
    assert entry.attempts == 4 and isinstance(entry.answer, Accepted)
    assert len(gateway.requests) == 4
    assert {request["params"]["operation_id"] for request in gateway.requests} == {entry.operation_id}


async def test_a_refusal_is_an_answer_and_its_text_has_a_bound() -> None:
    async with stand_in(lambda id_, attempt: error(-32615, "no" * 5_000)) as gateway:
        journal = Journal()
        await offer_by_users(order(gateway.url, replace(PROFILE, users=1, pacing_s=600, seconds=0.2)), journal)
    (entry,) = journal.entries
    assert isinstance(entry.answer, Refused) and entry.answer.code == -32615
    assert entry.answer.message.startswith("nono") and len(entry.answer.message) == 2_000


async def test_without_a_gateway_requests_are_given_up_by_their_deadline() -> None:
    journal = Journal()
    profile = Users(users=1, spawn_rate_per_s=1, pacing_s=600, seconds=0.2)
    await offer_by_users(order("http://127.0.0.1:1", profile, give_up_s=0.5), journal)
    (entry,) = journal.entries
    assert isinstance(entry.answer, Unanswered) and "refused" in entry.answer.reason.lower()
    assert entry.attempts > 1 and entry.answered_at_s is None


async def test_a_gateway_that_never_answers_is_given_up_too() -> None:
    journal = Journal()
    profile = Users(users=1, spawn_rate_per_s=1, pacing_s=600, seconds=0.2)
    async with stand_in(gate=True) as gateway:
        await offer_by_users(order(gateway.url, profile, give_up_s=0.5), journal)
    (entry,) = journal.entries
    assert isinstance(entry.answer, Unanswered) and entry.answer.reason.startswith("no reply: 0.")


BROKEN = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",  # half a body
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nno!",
    b"neither HTTP nor anything\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"",
)


async def test_a_broken_reply_is_asked_for_again() -> None:
    left = list(BROKEN)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = re.findall(rb"(?i)content-length: (\d+)", head)
        call = json.loads(await reader.readexactly(int(length)))
        if left:
            writer.write(left.pop(0))
        else:
            body = json.dumps({"id": call["id"], **certificate(call["params"]["operation_id"])}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    journal = Journal()
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await offer_by_users(order(url, Users(users=1, spawn_rate_per_s=1, pacing_s=600, seconds=0.2)), journal)
    (entry,) = journal.entries
    assert isinstance(entry.answer, Accepted) and entry.attempts == len(BROKEN) + 1


async def test_two_runs_at_once_do_not_know_of_each_other() -> None:
    journals = Journal(), Journal()
    async with stand_in() as one, stand_in() as other:
        await asyncio.gather(
            *(
                offer_by_users(order(gateway.url), journal)
                for gateway, journal in zip((one, other), journals, strict=True)
            )
        )
    for gateway, journal in zip((one, other), journals, strict=True):
        assert journal.offered == len(journal.entries) == len(gateway.requests) >= 3


async def test_cancelled_in_the_middle_it_leaves_no_process_and_no_request_without_its_entry() -> None:
    journal = Journal()
    async with stand_in(gate=True) as gateway:
        offering = asyncio.create_task(offer_by_users(order(gateway.url), journal))
        await gateway.until(3)
        await until(lambda: journal.offered == 3)
        (child,) = [p for p in psutil.Process().children() if "locust_users" in " ".join(p.cmdline())]
        offering.cancel()
        await asyncio.wait([offering])
        assert offering.cancelled()
    assert not child.is_running()
    assert [type(entry.answer) for entry in journal.entries] == [Unanswered] * 3


async def test_users_whose_process_dies_end_the_run_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal()
    async with stand_in(gate=True) as gateway:
        offering = asyncio.create_task(offer_by_users(order(gateway.url), journal))
        await gateway.until(1)
        (child,) = [p for p in psutil.Process().children() if "locust_users" in " ".join(p.cmdline())]
        child.kill()
        with pytest.raises(UsersFailed, match="ended with -9 before its time"):
            await offering
    assert len(journal.entries) == journal.offered

    monkeypatch.setattr(users_process, "COMMAND", (sys.executable, "-c", "raise SystemExit('what happened')"))
    with pytest.raises(UsersFailed, match="ended with 1 before its time: what happened"):
        await offer_by_users(order("http://127.0.0.1:1"), Journal())


RUN = """
import asyncio, sys, msgspec
from headrace.app.load.journal import Journal
from headrace.app.load.users_process import offer_by_users
from headrace.app.load.users_words import Order
asyncio.run(offer_by_users(msgspec.json.decode(sys.stdin.buffer.readline(), type=Order), Journal()))
"""


async def test_the_users_die_with_whoever_started_them_also_by_sigkill() -> None:
    async with stand_in(gate=True) as gateway:
        ours = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, stdin=asyncio.subprocess.PIPE)
        assert ours.stdin is not None
        ours.stdin.write(msgspec.json.encode(order(gateway.url)) + b"\n")
        await gateway.until(3)
        (users,) = psutil.Process(ours.pid).children()
        ours.kill()
        await ours.wait()
        await until(lambda: not users.is_running() or users.status() == psutil.STATUS_ZOMBIE)


async def test_the_users_end_when_nobody_speaks_to_them_any_more() -> None:
    async with stand_in(gate=True) as gateway:
        users = await asyncio.create_subprocess_exec(
            *users_process.COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert users.stdin is not None and users.stdout is not None
        users.stdin.write(msgspec.json.encode(order(gateway.url)) + b"\n")
        await gateway.until(3)
        users.stdin.close()
        async with asyncio.timeout(30):
            said = await users.stdout.read()
            assert await users.wait() == 1
    assert said.count(b"\n") == 3 and said.count(b'"began"') == 3


KILLED = """
import gevent, msgspec
from headrace.app.load.locust_user import Requests, user_class
from headrace.app.load.locust_users import Environment, Input
from headrace.app.load.users_words import Order
words = Input()
order = msgspec.json.decode(words.line(), type=Order)
environment = Environment(user_classes=[user_class(order, Requests(order))], host=order.url)
runner = environment.create_local_runner()
runner.start(1, 1)
words.line()
runner.user_greenlets.kill(block=False)
gevent.sleep(0.2)
print("killed", flush=True)
runner.user_greenlets.join()
runner.quit()
"""


async def test_a_user_whom_locust_ends_in_the_middle_still_gets_their_answer() -> None:
    async with stand_in(gate=True) as gateway:
        users = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", KILLED), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert users.stdin is not None and users.stdout is not None
        users.stdin.write(msgspec.json.encode(order(gateway.url)) + b"\n")
        await gateway.until(1)
        users.stdin.write(b"now\n")
        users.stdin.write_eof()
        async with asyncio.timeout(30):
            assert b'"began"' in await users.stdout.readline()
            assert await users.stdout.readline() == b"killed\n"
            gateway.gate.set()
            said = (await users.stdout.read()).splitlines()
            await users.wait()
    assert len(said) == 1 and len(gateway.requests) == 1
    assert json.loads(said[0])["entry"]["answer"] == "accepted"


async def test_without_locust_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users_process.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LocustMissing, match=r'pip install "headrace\[load\]"'):
        await offer_by_users(order("http://127.0.0.1:1"), Journal())


async def test_our_own_process_never_loads_gevent() -> None:
    assert not {"gevent", "locust"} & set(sys.modules)


class Page:
    """Locust's page, as a browser uses it."""

    def __init__(self) -> None:
        self.url = ""

    def opened(self, url: str) -> None:
        self.url = url

    async def post(self, path: str, **form: object) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.post(self.url + path, data=form) as answer:
            assert answer.status == 200
            said: dict[str, Any] = await answer.json()
            return said

    async def get(self, path: str = "") -> str:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            assert answer.status == 200
            return await answer.text()


async def test_on_its_page_users_are_started_and_stopped_and_the_run_ends_when_told() -> None:
    journal, stop, page = Journal(), Stop(), Page()
    profile = Users(
        users=1,
        spawn_rate_per_s=1,
        pacing_s=0.05,
        seconds=600,
        web_ui=WebUi(host="127.0.0.1", port=0, start=False),
    )
    async with stand_in() as gateway:
        offering = asyncio.create_task(
            offer_by_users(order(gateway.url, profile), journal, stop=stop, on_page=page.opened)
        )
        await until(lambda: page.url != "")
        assert page.url.startswith("http://127.0.0.1:")
        assert "<title>Locust" in await page.get()
        assert journal.offered == 0

        said = await page.post("swarm", user_count=2, spawn_rate=10)
        assert said["success"]
        await until(lambda: len(journal.entries) >= 4)
        assert "newt_createTask" in await page.get("stats/requests")

        await page.post("stop")
        stopped_at = journal.offered
        assert journal.waiting == 0
        await page.post("swarm", user_count=4, spawn_rate=10)
        await until(lambda: journal.offered > stopped_at + 4)

        stop.ask()
        assert (await offering).users_most == 4
    assert journal.offered == len(journal.entries) == len(gateway.requests)
    ids = [entry.operation_id for entry in journal.entries]
    assert len(set(ids)) == len(ids)


async def test_its_page_counts_a_policys_no_as_a_success_and_other_refusals_by_their_reason() -> None:
    def answer(operation_id: str, attempt: int) -> Answer:
        index = int(operation_id[-1])
        return error(-32615, "policy refused") if index % 2 else error(-32602, "quorum too high")

    journal, stop, page = Journal(), Stop(), Page()
    profile = Users(users=1, spawn_rate_per_s=1, pacing_s=0.01, seconds=600, web_ui=WebUi())
    async with stand_in(answer) as gateway:
        offering = asyncio.create_task(
            offer_by_users(order(gateway.url, profile), journal, stop=stop, on_page=page.opened)
        )
        await until(lambda: len(journal.entries) >= 6)
        shown = json.loads(await page.get("stats/requests"))
        stop.ask()
        await offering
    assert [failed["error"] for failed in shown["errors"]] == ["CatchResponseError('quorum too high')"]
    assert 3 <= shown["errors"][0]["occurrences"] < len(journal.entries)
    assert shown["stats"][-1]["num_requests"] >= 2 * shown["errors"][0]["occurrences"] - 1


async def test_with_users_given_the_page_shows_them_at_work_from_the_start() -> None:
    page, journal = Page(), Journal()
    profile = replace(PROFILE, web_ui=WebUi())
    async with stand_in() as gateway:
        finished = await offer_by_users(order(gateway.url, profile), journal, on_page=page.opened)
    assert finished.users_most == 3
    assert page.url and journal.offered >= 3


async def test_a_page_whose_port_is_taken_is_named() -> None:
    async with stand_in() as gateway:
        port = int(gateway.url.split(":")[2].split("/")[0])
        profile = replace(PROFILE, web_ui=WebUi(port=port))
        with pytest.raises(UsersFailed, match=rf"127\.0\.0\.1:{port}: .*in use"):
            await offer_by_users(order(gateway.url, profile), Journal())

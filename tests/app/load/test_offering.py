"""The schedule: kept whatever the gateway does, and the measure of every latency."""

import asyncio
import itertools
import json
import time
from pathlib import Path

import pytest

from app.load.gateway import certificate, stand_in
from headrace.app.load.gateway_calls import Asked, GatewayCalls, GatewayLimits
from headrace.app.load.journal import Accepted, Journal
from headrace.app.load.offering import offer
from headrace.app.load.profile import OpenLoop, Users
from headrace.app.load.task_source import PolicyClient, TaskSource, TaskWish
from headrace.testing.clock import HandClock


def source() -> TaskSource:
    return TaskSource([PolicyClient(address=b"\x05" * 20)], chain_id=31337)


async def test_requests_are_made_at_their_moments_and_each_has_its_own_id() -> None:
    journal = Journal()
    async with stand_in() as gateway, GatewayCalls(gateway.url, clock=time.monotonic) as client:
        await offer(OpenLoop(rate_per_s=200, seconds=0.2), source(), client, journal, clock=time.monotonic)
    assert journal.offered == len(journal.entries) == 40 and journal.waiting == 0
    entries = sorted(journal.entries, key=lambda entry: entry.scheduled_at_s)
    gaps = [b.scheduled_at_s - a.scheduled_at_s for a, b in itertools.pairwise(entries)]
    assert all(abs(gap - 0.005) < 1e-9 for gap in gaps)
    assert all(entry.sent_at_s >= entry.scheduled_at_s for entry in entries)
    assert len({request["params"]["operation_id"] for request in gateway.requests}) == 40


async def test_a_gateway_that_stalls_does_not_slow_the_load_down() -> None:
    journal = Journal()
    async with stand_in(gate=True) as gateway, GatewayCalls(gateway.url, clock=time.monotonic) as client:
        offering = asyncio.create_task(
            offer(OpenLoop(rate_per_s=500, seconds=0.1), source(), client, journal, clock=time.monotonic)
        )
        await gateway.until(50)  # all of them came although none was answered
        assert journal.waiting == 50
        gateway.gate.set()
        await offering


async def test_waiting_for_one_of_our_own_connections_counts_as_latency() -> None:
    """No coordinated omission: one connection, the first answer is held back, so all others pay for it."""
    journal = Journal()
    limits = GatewayLimits(connections_max=1)
    async with (
        stand_in(gate=True) as gateway,
        GatewayCalls(gateway.url, clock=time.monotonic, limits=limits) as client,
    ):
        offering = asyncio.create_task(
            offer(OpenLoop(rate_per_s=500, seconds=0.04), source(), client, journal, clock=time.monotonic)
        )
        await gateway.until(1)
        while journal.offered < 20:
            await asyncio.wait([offering], timeout=0.005)
        released_s = time.monotonic()
        gateway.gate.set()
        await offering
    assert gateway.at_work_max == 1
    for entry in journal.entries:
        assert entry.answered_at_s is not None and entry.answered_at_s >= released_s
        assert entry.attempts == 1


class AnswersAfter(GatewayCalls):
    """Answers each request after a time on a clock moved by hand: for schedules of minutes."""

    def __init__(self, clock: HandClock, answer_s: float) -> None:
        super().__init__("http://127.0.0.1:1", clock=clock.now)
        self._hand = clock
        self._answer_s = answer_s

    async def ask(self, wish: TaskWish, operation_id: str, scheduled_at_s: float) -> Asked:
        await self._hand.sleep(self._answer_s)
        return Asked(Accepted(b"\1" * 32, certified=True), scheduled_at_s, self._hand.now(), 1)


@pytest.mark.parametrize(("answer_s", "requests"), [(2.8, 200), (30.0, 100)])
async def test_users_wait_for_their_answer_and_keep_their_pace(answer_s: float, requests: int) -> None:
    """The source's load: 10 users, 10/s, pacing 15 s, 5 minutes. Answers slower than the pace make it slower."""
    clock, journal = HandClock(0.0), Journal()
    profile = Users(users=10, spawn_rate_per_s=10, pacing_s=15, seconds=300)
    offering = asyncio.create_task(
        offer(profile, source(), AnswersAfter(clock, answer_s), journal, clock=clock.now, sleep=clock.sleep)
    )
    assert await clock.run_until(offering.done, at_most_s=400)
    assert journal.offered == len(journal.entries) == requests
    firsts = sorted(entry.scheduled_at_s for entry in journal.entries)[:10]
    assert firsts == pytest.approx([user / 10 for user in range(10)])


async def test_an_open_loop_keeps_its_rate_for_minutes() -> None:
    clock, journal = HandClock(0.0), Journal()
    offering = asyncio.create_task(
        offer(
            OpenLoop(rate_per_s=10, seconds=300),
            source(),
            AnswersAfter(clock, 45.0),
            journal,
            clock=clock.now,
            sleep=clock.sleep,
        )
    )
    assert await clock.run_until(offering.done, at_most_s=400)
    assert [entry.scheduled_at_s for entry in journal.entries] == pytest.approx([n / 10 for n in range(3_000)])


async def test_a_user_without_an_answer_makes_no_further_request() -> None:
    journal = Journal()
    profile = Users(users=2, spawn_rate_per_s=1_000, pacing_s=0.0, seconds=5)
    async with stand_in(gate=True) as gateway, GatewayCalls(gateway.url, clock=time.monotonic) as client:
        offering = asyncio.create_task(offer(profile, source(), client, journal, clock=time.monotonic))
        await gateway.until(2)
        assert journal.offered == 2
        offering.cancel()
        await asyncio.wait([offering])


async def test_the_journal_file_has_one_line_per_request(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"

    def answer(operation_id: str, attempt: int) -> object:
        if operation_id.endswith("1"):
            return {"error": {"code": -32615, "message": "no"}}
        return certificate(operation_id)

    with Journal(path) as journal:
        async with stand_in(answer) as gateway, GatewayCalls(gateway.url, clock=time.monotonic) as client:
            await offer(
                OpenLoop(rate_per_s=1_000, seconds=0.003),
                source(),
                client,
                journal,
                clock=time.monotonic,
                run_id="r",
            )
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 3
    by_id = {line["operation_id"]: line for line in lines}
    assert by_id["load-r-0000001"]["answer"] == "refused" and by_id["load-r-0000001"]["code"] == -32615
    accepted = next(e.answer for e in journal.entries if e.operation_id == "load-r-0000000")
    assert isinstance(accepted, Accepted)
    assert by_id["load-r-0000000"]["task_id"] == "0x" + accepted.task_id.hex()

"""The schedule: kept whatever the gateway does, and the measure of every latency."""

import asyncio
import itertools
import json
import time
from pathlib import Path

import pytest

from app.load.gateway import certificate, stand_in
from headrace.app.load.gateway_calls import GatewayCalls
from headrace.app.load.journal import Accepted, Journal, Unanswered
from headrace.app.load.offering import offer
from headrace.app.load.profile import OpenLoop
from headrace.app.load.request import Asked, GatewayLimits
from headrace.app.load.stopping import Stop
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


async def test_once_stopped_it_makes_no_more_requests_and_those_under_way_are_answered() -> None:
    journal, stop = Journal(), Stop()
    async with stand_in(gate=True) as gateway, GatewayCalls(gateway.url, clock=time.monotonic) as client:
        profile = OpenLoop(rate_per_s=200, seconds=600)
        offering = asyncio.create_task(offer(profile, source(), client, journal, clock=time.monotonic, stop=stop))
        await gateway.until(3)
        stop.ask()
        stop.ask()
        gateway.gate.set()
        await offering
    assert 3 <= journal.offered == len(journal.entries) < 100_000
    assert all(isinstance(entry.answer, Accepted) for entry in journal.entries)


async def test_a_load_that_is_broken_off_leaves_no_request_without_its_entry() -> None:
    journal = Journal()
    async with stand_in(gate=True) as gateway, GatewayCalls(gateway.url, clock=time.monotonic) as client:
        offering = asyncio.create_task(
            offer(OpenLoop(rate_per_s=500, seconds=0.01), source(), client, journal, clock=time.monotonic)
        )
        await gateway.until(5)
        offering.cancel()
        await asyncio.wait([offering])
    assert journal.offered == len(journal.entries) == 5
    assert {type(entry.answer) for entry in journal.entries} == {Unanswered}


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

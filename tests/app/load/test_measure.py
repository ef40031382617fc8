"""A whole run on a real chain. The gateway is a stand-in that puts what it accepts on chain in one transaction a
block, by a contract that speaks like the real ones."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from app.emitter import Emitter, deploy_emitter
from app.load.gateway import Answer, certificate, error, stand_in, task_of
from headrace.app.chain_watch import ChainWatch, read_all
from headrace.app.load.gateway_calls import GatewayCalls
from headrace.app.load.landing import Ended, LiveCounts
from headrace.app.load.measure import ChainNotSeen, measure
from headrace.app.load.offering import offer
from headrace.app.load.process_stats import ProcessStats
from headrace.app.load.profile import OpenLoop
from headrace.app.load.task_source import Kind, PolicyClient, TaskSource
from headrace.app.report import Deployment, Limits, build_report
from headrace.app.report_shape import Report
from headrace.testing.anvil import Anvil, start_anvil

GOOD = PolicyClient(address=b"\x01" * 20, weight=8)
REFUSED = PolicyClient(address=b"\x02" * 20, kind=Kind.REFUSED, weight=1)
POISON = PolicyClient(address=b"\x03" * 20, kind=Kind.POISON, weight=1)
PROFILE = OpenLoop(rate_per_s=100, seconds=0.6)


class Recorder:
    """Takes tasks, and puts what it has on chain with every `flush`."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._clients: dict[str, str] = {}
        self._waiting: list[bytes] = []

    def answer(self, operation_id: str, client: str) -> Answer:
        if client == "0x" + REFUSED.address.hex():
            return error(-32615, "policy refused")
        kind = 3 if client == "0x" + POISON.address.hex() else 1
        id_ = bytes.fromhex(task_of(operation_id)[2:])
        self._waiting.append(kind.to_bytes(32) + id_ + b"\xaa" * 32)
        if kind == 1:
            self._waiting.append((2).to_bytes(32) + id_ + b"\xbb" * 32)
        return certificate(operation_id)

    async def flush_for_ever(self, anvil: Anvil) -> None:
        while True:
            if self._waiting:
                records, self._waiting = self._waiting[:100], self._waiting[100:]
                await self._emitter.say(*records)
                await anvil.mine()
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def everything() -> AsyncIterator[tuple[Anvil, Emitter, str]]:
    async with start_anvil() as anvil:
        emitter = await deploy_emitter(anvil)
        recorder = Recorder(emitter)
        async with stand_in() as gateway:
            gateway.answer = lambda id_, attempt: recorder.answer(
                id_,
                next(r["params"]["policy_client"] for r in gateway.requests if r["params"]["operation_id"] == id_),
            )
            flushing = asyncio.create_task(recorder.flush_for_ever(anvil))
            yield anvil, emitter, gateway.url
            flushing.cancel()
            await asyncio.wait([flushing])


async def test_a_run_from_the_first_request_to_the_report_agrees_with_an_independent_read() -> None:
    counts: list[LiveCounts] = []
    async with everything() as (anvil, emitter, url):
        loop = asyncio.get_running_loop()
        source = TaskSource([GOOD, REFUSED, POISON], chain_id=31337, seed=11)
        watch = ChainWatch(anvil.http_url, [emitter.address], poll_s=0.01, clock=loop.time)
        async with GatewayCalls(url, clock=loop.time) as client:
            run = await measure(
                lambda journal: offer(PROFILE, source, client, journal, clock=loop.time),
                watch,
                late_limit_s=15,
                stats=ProcessStats({"chain": [anvil.pid]}),
                on_counts=counts.append,
                clock=loop.time,
            )
        read = await read_all(anvil.http_url, [emitter.address], 0)
    report = build_report(command="test", profile=PROFILE, deployment=Deployment(), run=run, limits=Limits())

    assert run.ended is Ended.ALL_LANDED
    assert report["offered"] == 60 == report["accepted"] + report["refused"]
    assert report["refused_by"] == {"-32615": report["refused"]} and report["refused"] > 0
    assert report["valid"]["on_time_percent"] == 100
    assert report["outcomes"]["on_time"] == sum(seen.responses for seen in read.tasks.values())
    assert report["outcomes"]["failed"] + report["outcomes"]["never"] == report["poisoned"]["accepted"] > 0
    _figures_hold_together(report)
    landed = [seen for seen in read.transactions.values() if seen.ok]
    assert report["transactions"] <= len(landed)
    assert report["gas_total"] <= sum(seen.gas_used for seen in landed)
    assert report["cpu_s"]["chain"] >= 0 and report["rss_mb"]["chain"] > 1
    assert counts[-1].responded == report["outcomes"]["on_time"] and counts[-1].in_flight == 0


def _figures_hold_together(report: Report) -> None:
    for name in ("http_s", "answer_s", "onchain_create_s", "onchain_e2e_s"):
        values = report[name]
        assert 0 < values["p50"] <= values["p95"] <= values["p99"] <= values["max"]
    assert report["answer_s"]["p50"] <= report["onchain_e2e_s"]["p50"]
    assert report["gas_per_operation"] > 0 and int(report["cost_wei"]) > 0
    assert 1 <= report["blocks"] <= report["transactions"]


async def test_without_a_chain_no_request_is_made() -> None:
    async with stand_in() as gateway:
        loop = asyncio.get_running_loop()
        source = TaskSource([GOOD], chain_id=1)
        async with GatewayCalls(gateway.url, clock=loop.time) as client:
            with pytest.raises(ChainNotSeen, match="eth_getBlockByNumber"):
                await measure(
                    lambda journal: offer(PROFILE, source, client, journal, clock=loop.time),
                    ChainWatch("http://127.0.0.1:1", [b"\x01" * 20]),
                    see_chain_within_s=0.1,
                )
    assert gateway.requests == []

"""One run: a stage whose lanes are drained, the gateway on a core alone, load of each kind, and at last a kill.

Owns      the order of the acts.
Promises  everything but the gateway is on the other cores; the store is read when nobody writes to it any more.
"""

import asyncio
import math
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Final

import aiohttp
import msgspec

from headrace.app.bench.declaring import Say
from headrace.app.control_client import call_gateway
from headrace.app.demo.processes import DidNotStart, Listening
from headrace.app.demo.run import CHAIN_ID, DemoOptions, Stage, Windows, open_stage, start_gateway
from headrace.app.demo.writing import Tuning
from headrace.app.intake.cores import bind, two_sides, with_children
from headrace.app.intake.kept import Kept, kept_of, payload_bytes
from headrace.app.intake.sender import SENDING, Order, Sent, submissions_of
from headrace.app.load.process_stats import ProcessStats
from headrace.app.load.profile import OpenLoop
from headrace.app.percentiles import nearest_rank
from headrace.app.report import Limits
from headrace.testing.child_process import start_child

BLOCK_TIME_S: Final = 2
GAS_LIMIT: Final = 60_000_000
REFERENCE_BLOCK: Final = 1
BACKLOG_MAX: Final = 10_000_000
TUNING: Final[Tuning] = {"gateway": {"backlog_max": BACKLOG_MAX}}
# Nothing of it is sent: nothing may become overdue meanwhile.
WINDOWS: Final = Windows(creation_blocks=100_000, response_blocks=200_000)
WARM_UP_S: Final = 2.0
BATCH_CONNECTIONS: Final = 12
KILLED_S: Final = 2.0
OPEN_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.05
REPORT_BYTES_MAX: Final = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeOptions:
    """`seconds` of each closed loop, `open_s` of the open one. `together`: operations in a JSON-RPC batch."""

    kind: str
    own_bytes: int
    seconds: float
    open_s: float
    rate_per_s: float
    connections: int
    together: int
    seed: int


@dataclass(frozen=True, slots=True)
class Leg:
    """`gateway_cpu_s` while it ran."""

    connections: int
    sent: Sent
    gateway_cpu_s: float

    @property
    def per_second(self) -> float:
        return self.sent.acknowledged_in_time / self.sent.took_s

    @property
    def cpu_s_per_thousand(self) -> float:
        return 1000 * self.gateway_cpu_s / max(self.sent.acknowledged, 1)

    def latency_ms(self, percent: int) -> float:
        """Of what was acknowledged; 100: the slowest."""
        ordered = sorted(self.sent.latencies_s)
        return round(1000 * nearest_rank(ordered, percent), 3) if ordered else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeRun:
    """`kept`: after all that was not killed; `kept_killed`: after everything. `body_bytes` of a single call,
    `payload_bytes` as its operation is stored."""

    single: Leg
    batched: Leg
    at_rate: Leg
    killed: Leg
    kept: Kept
    kept_killed: Kept
    body_bytes: int
    payload_bytes: int
    folder: Path


async def run_intake(options: IntakeOptions, *, base: Path, say: Say) -> IntakeRun:
    """Raises NotEnoughCores, AnvilMissing, DidNotStart."""
    core, others = two_sides()
    demo = DemoOptions(
        profile=OpenLoop(rate_per_s=1, seconds=1),
        block_time_s=BLOCK_TIME_S,
        gas_limit=GAS_LIMIT,
        recording="combined",
        submitter="batched",
        poison_percent=0,
        limits=Limits(on_time_s=60, late_limit_s=60),
        serve=False,
        seed=options.seed,
    )
    async with open_stage(demo, base=base, say=say, tuning=TUNING, windows=WINDOWS) as stage:
        bind(with_children(os.getpid()), others)
        bind([stage.gateway.pid], [core])
        say(f"gateway on core {core}, everything else on {', '.join(map(str, sorted(others)))}")
        try:
            return await _Intake(options, stage, say).run()
        finally:
            bind([os.getpid()], {core, *others})


class _Intake:
    def __init__(self, options: IntakeOptions, stage: Stage, say: Say) -> None:
        self._options, self._stage, self._say = options, stage, say
        self._sent: list[Sent] = []

    async def run(self) -> IntakeRun:
        options = self._options
        await self._drain()
        await self._leg("warm-up", seconds=WARM_UP_S, connections=options.connections)
        single = await self._leg(
            f"single requests, {options.connections} connections",
            seconds=options.seconds,
            connections=options.connections,
        )
        batched = await self._leg(
            f"JSON-RPC batches of {options.together}, {BATCH_CONNECTIONS} connections",
            seconds=options.seconds,
            connections=BATCH_CONNECTIONS,
            together=options.together,
        )
        at_rate = await self._leg(
            f"{options.rate_per_s:g} single requests a second, evenly spaced",
            seconds=options.open_s,
            connections=options.connections,
            rate_per_s=options.rate_per_s,
        )
        kept = self._kept()
        killed = await self._killed()
        return IntakeRun(
            single=single,
            batched=batched,
            at_rate=at_rate,
            killed=killed,
            kept=kept,
            kept_killed=self._kept(),
            body_bytes=self._body_bytes(),
            payload_bytes=payload_bytes(self._stage.scene.store),
            folder=self._stage.scene.folder,
        )

    async def _drain(self) -> None:
        control = self._stage.scene.store.with_name(self._stage.scene.store.name + ".control")
        for lane in (await call_gateway(control, "headrace_lanes", {}))["lanes"]:
            await call_gateway(control, "headrace_drainLane", {"lane": lane["lane"]})

    def _body_bytes(self) -> int:
        order = self._order(seconds=0, connections=0)
        return len(submissions_of(order).single(0).request.partition(b"\r\n\r\n")[2])

    def _order(
        self, *, seconds: float, connections: int, together: int = 1, rate_per_s: float | None = None
    ) -> Order:
        return Order(
            url=self._stage.gateway.url,
            chain=CHAIN_ID,
            client=self._stage.clients[0].address,
            block=REFERENCE_BLOCK,
            kind=self._options.kind,
            own_bytes=self._options.own_bytes,
            run=len(self._sent),
            seed=self._options.seed,
            connections=connections,
            seconds=seconds,
            together=together,
            rate_per_s=rate_per_s,
        )

    async def _leg(
        self,
        what: str,
        *,
        seconds: float,
        connections: int,
        together: int = 1,
        rate_per_s: float | None = None,
        kill_after_s: float | None = None,
    ) -> Leg:
        self._say(f"{what}, {seconds:g} s")
        stats = ProcessStats({"gateway": [self._stage.gateway.pid]})
        order = self._order(seconds=seconds, connections=connections, together=together, rate_per_s=rate_per_s)
        async with sending(order) as report:
            if kill_after_s is not None:
                await asyncio.sleep(kill_after_s)
                os.kill(self._stage.gateway.pid, signal.SIGKILL)
            sent = await report
        stats.sample()
        self._sent.append(sent)
        return Leg(connections, sent, stats.use()["gateway"].cpu_s)

    async def _killed(self) -> Leg:
        """In the middle of a load; then the gateway is started again, which repairs the file."""
        options = self._options
        killed = await self._leg(
            "SIGKILL in the middle of single requests",
            seconds=KILLED_S,
            connections=options.connections,
            kill_after_s=KILLED_S * Random(f"kill {options.seed}").uniform(0.4, 0.8),  # noqa: S311 - a moment
        )
        async with start_gateway(self._stage.scene, self._stage.chain) as again:
            await _until_open(again)
        return killed

    def _kept(self) -> Kept:
        return kept_of(self._stage.scene.store, enumerate(self._sent))


@asynccontextmanager
async def sending(order: Order) -> AsyncIterator[Awaitable[Sent]]:
    """A process that sends; entered when it does. Raises DidNotStart with its last words."""
    command = [sys.executable, "-m", "headrace.app.intake.sender", msgspec.json.encode(order).decode()]
    async with start_child(command, read_max=REPORT_BYTES_MAX) as process:
        assert process.stdout is not None
        first = await process.stdout.readline()
        if first != SENDING:
            raise DidNotStart(f"the sender did not start: {_last_words(first + await process.stdout.read())}")
        yield _report(process.stdout)


async def _until_open(gateway: Listening) -> None:
    """/readyz says no as long as every lane is drained: so wait until a call gets its answer."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "headrace_lanes"}
    async with asyncio.timeout(OPEN_WITHIN_S), aiohttp.ClientSession() as session:
        while True:
            async with session.post(f"{gateway.url}/rpc", json=call) as answer:
                if answer.status == HTTPStatus.OK:
                    return
            await asyncio.sleep(LOOK_EVERY_S)


async def _report(said: asyncio.StreamReader) -> Sent:
    line = await said.readline()
    try:
        return msgspec.json.decode(line, type=Sent)
    except msgspec.DecodeError:
        raise DidNotStart(f"the sender did not report: {_last_words(line + await said.read())}") from None


def _last_words(said: bytes) -> str:
    return said.decode(errors="replace")[-2000:] or "it said nothing"

"""The process that sends: over kept connections, one request under way on each, each answer held against its yes.

Owns      the connections and the moments. Runs as `python -m headrace.app.intake.sender ORDER`, an order being
          JSON; its last line on stdout is the `Sent` as JSON.
Promises  nothing is pipelined; in an open loop a request is due at start + i / rate, and its latency counts from
          then, also while it waits for a free connection; whoever hangs up on us is part of the report.
"""

import asyncio
import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from headrace.app.intake.submissions import Submission, Submissions
from headrace.core.words import Address, BlockNumber, ChainId

SENDING: Final = b"sending\n"  # its first line
ANSWERS_WITHIN_S: Final = 30.0
REFUSALS_KEPT: Final = 5


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. `rate_per_s` None: a closed loop, each connection asks again as soon as it is answered.
    `together` operations in each request: 1 is a single call, more are a JSON-RPC batch."""

    url: str
    chain: int
    client: bytes
    block: int
    kind: str
    own_bytes: int
    run: int
    seed: int
    connections: int
    seconds: float
    together: int = 1
    rate_per_s: float | None = None


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """`operations` with index 0 and up were asked for; those `not_acknowledged` got no yes. `acknowledged_in_time`
    were answered within the order's seconds (`took_s` as measured). Latencies in seconds, in the order of answers;
    in an open loop from the scheduled moment. `waited_for_connection`: requests that found none free."""

    operations: int
    not_acknowledged: list[int]
    acknowledged_in_time: int
    took_s: float
    latencies_s: list[float]
    refusals: list[str]
    hung_up: int
    waited_for_connection: int
    cpu_s: float

    @property
    def acknowledged(self) -> int:
        return self.operations - len(self.not_acknowledged)


def submissions_of(order: Order) -> Submissions:
    return Submissions(
        order.url,
        chain=ChainId(order.chain),
        client=Address(order.client),
        block=BlockNumber(order.block),
        kind=order.kind,
        own_bytes=order.own_bytes,
        run=order.run,
        seed=order.seed,
    )


class _Connection(asyncio.Protocol):
    def __init__(self, sender: "_Sender") -> None:
        self._sender = sender
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._under_way: Submission | None = None
        self._first = 0
        self._since_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def send(self, submission: Submission, first: int, since_s: float) -> None:
        assert self._transport is not None
        self._under_way, self._first, self._since_s = submission, first, since_s
        self._received = b""
        self._transport.write(submission.request)

    def data_received(self, data: bytes) -> None:
        under_way = self._under_way
        assert under_way is not None, data
        self._received = received = self._received + data if self._received else data
        if received.endswith(under_way.yes) and received.startswith(b"HTTP/1.1 200 "):
            self._under_way = None
            self._sender.acknowledged(self, under_way.operations, self._since_s)
        elif _is_whole(received):
            self._under_way = None
            self._sender.refused(self, self._first, under_way.operations, received)

    def connection_lost(self, error: Exception | None) -> None:
        self._sender.hung_up()
        self._give_up()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._give_up()

    def _give_up(self) -> None:
        if self._under_way is not None:
            operations, self._under_way = self._under_way.operations, None
            self._sender.unanswered(self._first, operations)


def _is_whole(received: bytes) -> bool:
    head, gap, body = received.partition(b"\r\n\r\n")
    if not gap:
        return False
    for line in head.lower().split(b"\r\n")[1:]:
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return True


class _Sender:
    def __init__(self, order: Order, started: Callable[[], None]) -> None:
        self._order, self._started = order, started
        self._submissions = submissions_of(order)
        self._connections: list[_Connection] = []
        self._free: deque[_Connection] = deque()
        self._waiting: deque[float] = deque()  # due moments that found no free connection
        self._next = 0
        self._open = 0  # requests under way
        self._ends_s = 0.0
        self._gone = 0
        self._idle = asyncio.Event()
        self._not_acknowledged: list[int] = []
        self._latencies_s: list[float] = []
        self._refusals: list[str] = []
        self._in_time = 0
        self._waited = 0
        self._closing = False

    async def run(self) -> Sent:
        await self._connect()
        self._started()
        started_s = time.monotonic()
        self._ends_s = started_s + self._order.seconds
        rate = self._order.rate_per_s
        if rate is None:
            for connection in self._connections:
                self._ask(connection, started_s)
            await asyncio.sleep(self._order.seconds)
        else:
            await self._offer(started_s, rate)
        took_s = time.monotonic() - started_s
        await self._answers()
        self._closing = True
        for connection in self._connections:
            connection.close()
        never_sent = len(self._waiting) * self._order.together
        self._not_acknowledged.extend(range(self._next, self._next + never_sent))
        self._next += never_sent
        return Sent(
            operations=self._next,
            not_acknowledged=sorted(self._not_acknowledged),
            acknowledged_in_time=self._in_time,
            took_s=took_s,
            latencies_s=self._latencies_s,
            refusals=self._refusals,
            hung_up=self._gone,
            waited_for_connection=self._waited,
            cpu_s=time.process_time(),
        )

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        url = urlsplit(self._order.url)
        assert url.hostname is not None and url.port is not None, self._order.url
        host, port = url.hostname, url.port
        for _ in range(self._order.connections):
            _, connection = await loop.create_connection(lambda: _Connection(self), host, port)
            self._connections.append(connection)
        self._free.extend(self._connections)

    async def _offer(self, started_s: float, rate: float) -> None:
        for index in range(round(rate * self._order.seconds)):
            due_s = started_s + index / rate
            # Not by a timer: its millisecond would be part of what is measured.
            while time.monotonic() < due_s:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
            if self._free:
                self._ask(self._free.popleft(), due_s)
            else:
                self._waited += 1
                self._waiting.append(due_s)

    async def _answers(self) -> None:
        if self._open or self._waiting:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):  # hanging up makes of it what is not acknowledged
                await asyncio.wait_for(self._idle.wait(), ANSWERS_WITHIN_S)

    def _ask(self, connection: _Connection, since_s: float) -> None:
        first, together = self._next, self._order.together
        self._next += together
        self._open += 1
        submission = self._submissions.single(first) if together == 1 else self._submissions.batch(first, together)
        connection.send(submission, first, since_s)

    # ---- What connections tell

    def acknowledged(self, connection: _Connection, operations: int, since_s: float) -> None:
        now_s = time.monotonic()
        self._latencies_s.append(now_s - since_s)
        if now_s <= self._ends_s:
            self._in_time += operations
        self._go_on(connection, now_s)

    def refused(self, connection: _Connection, first: int, operations: int, received: bytes) -> None:
        self._not_acknowledged.extend(range(first, first + operations))
        if len(self._refusals) < REFUSALS_KEPT:
            self._refusals.append(received[-1000:].decode(errors="replace"))
        self._go_on(connection, time.monotonic())

    def unanswered(self, first: int, operations: int) -> None:
        self._not_acknowledged.extend(range(first, first + operations))
        self._done()

    def hung_up(self) -> None:
        self._gone += not self._closing

    def _go_on(self, connection: _Connection, now_s: float) -> None:
        self._done()
        if self._order.rate_per_s is None:
            if now_s < self._ends_s:
                self._ask(connection, now_s)
        elif self._waiting:
            self._ask(connection, self._waiting.popleft())
        else:
            self._free.append(connection)

    def _done(self) -> None:
        self._open -= 1
        if not self._open and not self._waiting:
            self._idle.set()


async def send(order: Order, started: Callable[[], None] = lambda: None) -> Sent:
    """`started` is called when every connection stands."""
    return await _Sender(order, started).run()


def _say_sending() -> None:
    sys.stdout.buffer.write(SENDING)
    sys.stdout.buffer.flush()


def main() -> None:
    order = msgspec.json.decode(sys.argv[1], type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(send(order, _say_sending))) + b"\n")


if __name__ == "__main__":
    main()

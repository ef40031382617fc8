"""Connections to a gateway that says exactly what a test wants, byte for byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from headrace.app.load.connections import ANSWER_BYTES_MAX, Connections

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nyo"


class Server:
    """`say` gets each request (head and body) and writes what it likes."""

    def __init__(self, say: Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]) -> None:
        self._say = say
        self.requests: list[bytes] = []
        self.connections = 0
        self.at_work_max = self._at_work = 0
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self.url = ""

    async def close(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*(task for task in self._open.values() if task is not None))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open[writer] = asyncio.current_task()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                request = head + await reader.readexactly(length)
                self.requests.append(request)
                self._at_work += 1
                self.at_work_max = max(self.at_work_max, self._at_work)
                try:
                    await self._say(request, writer)
                    await writer.drain()
                finally:
                    self._at_work -= 1
        writer.close()


@contextlib.asynccontextmanager
async def server(
    *said: bytes, say: Callable[[bytes, asyncio.StreamWriter], Awaitable[None]] | None = None
) -> AsyncIterator[Server]:
    """Says `said`, part by part, to each request."""

    async def repeat(request: bytes, writer: asyncio.StreamWriter) -> None:
        for part in said:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)

    it = Server(say or repeat)
    listening = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/rpc"
    try:
        yield it
    finally:
        listening.close()
        await it.close()


def connections(url: str, *, most: int = 4, silence_max_s: float = 20.0, **headers: str) -> Connections:
    return Connections(url, headers=headers, most=most, silence_max_s=silence_max_s)


async def test_a_request_is_posted_with_its_headers_and_its_answer_comes_back() -> None:
    async with server(OK) as there:
        client = connections(there.url.replace("//", "//me:p%40ss@"), accept="x/y")
        assert await client.post(b"body") == (200, b"yo")
        client.close()
    host = there.url.removeprefix("http://").removesuffix("/rpc").encode()
    assert there.requests == [
        b"POST /rpc HTTP/1.1\r\nhost: " + host + b"\r\nauthorization: Basic bWU6cEBzcw==\r\n"
        b"accept: x/y\r\ncontent-length: 4\r\n\r\nbody"
    ]


@pytest.mark.parametrize(
    "parts",
    [
        [OK],
        [bytes([byte]) for byte in OK],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\ny\r\n", b"1\r\no\r\n0\r\n\r\n"],
    ],
    ids=["at once", "byte by byte", "chunked"],
)
async def test_one_connection_serves_request_after_request(parts: list[bytes]) -> None:
    async with server(*parts) as there:
        client = connections(there.url)
        assert [await client.post(b"%d" % i) for i in range(3)] == [(200, b"yo")] * 3
        assert there.connections == 1
        client.close()


async def test_no_more_connections_than_allowed_and_all_are_served() -> None:
    async with server(OK) as there:
        client = connections(there.url, most=3)
        assert await asyncio.gather(*(client.post(b"%d" % i) for i in range(20))) == [(200, b"yo")] * 20
        assert there.connections <= 3 and there.at_work_max <= 3
        client.close()


async def test_a_status_that_is_no_success_is_an_answer() -> None:
    async with server(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n") as there:
        client = connections(there.url)
        assert await client.post(b"") == (503, b"")
        client.close()


async def test_a_connection_that_the_gateway_closes_is_not_used_again() -> None:
    async with server(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")) as there:
        client = connections(there.url)
        for _ in range(2):
            assert await client.post(b"") == (200, b"yo")
        assert there.connections == 2


@pytest.mark.parametrize(
    ("said", "error"),
    [(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nyo", "hung up"), (b"SSH-2.0\r\n\r\n", "no HTTP answer")],
)
async def test_half_an_answer_or_none_is_an_error_and_the_next_request_has_a_new_connection(
    said: bytes, error: str
) -> None:
    async def say(request: bytes, writer: asyncio.StreamWriter) -> None:
        first = len(there.requests) == 1
        writer.write(said if first else OK)
        if first:
            writer.close()

    async with server(say=say) as there:
        client = connections(there.url)
        with pytest.raises(OSError, match=error):
            await client.post(b"")
        assert await client.post(b"") == (200, b"yo")
        client.close()


async def test_an_answer_that_was_given_up_is_never_taken_for_that_of_the_next_request() -> None:
    late = asyncio.Event()

    async def say(request: bytes, writer: asyncio.StreamWriter) -> None:
        first = request.endswith(b"first")
        if first:
            late.set()
            await asyncio.sleep(0)
        writer.write(OK.replace(b"yo", b"no") if first else OK)

    async with server(say=say) as there:
        client = connections(there.url, most=1)
        given_up = asyncio.create_task(client.post(b"first"))
        await late.wait()
        given_up.cancel()
        assert await client.post(b"second") == (200, b"yo")
        client.close()


async def test_a_gateway_that_falls_silent_is_given_up() -> None:
    async with server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\ny") as there:
        client = connections(there.url, silence_max_s=0.05)
        with pytest.raises(TimeoutError, match="no byte of an answer"):
            await client.post(b"")


async def test_who_answers_twice_is_left() -> None:
    async with server(OK + OK) as there:
        client = connections(there.url)
        for _ in range(2):
            assert await client.post(b"") == (200, b"yo")
        assert there.connections == 2


async def test_who_speaks_without_being_asked_is_left() -> None:
    more = asyncio.Event()

    async def say(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        if len(there.requests) == 1:
            await writer.drain()
            await more.wait()
            writer.write(OK)

    async with server(say=say) as there:
        client = connections(there.url)
        assert await client.post(b"1") == (200, b"yo")
        more.set()
        async with asyncio.timeout(20):
            while there.connections == 1:  # until the second answer has come
                assert await client.post(b"2") == (200, b"yo")
        client.close()


async def test_an_answer_has_a_bound() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (2 * ANSWER_BYTES_MAX)
    async with server(head, *[bytes(1 << 20)] * 65) as there:
        client = connections(there.url)
        with pytest.raises(OSError, match="bytes"):
            await client.post(b"")


@pytest.mark.parametrize("url", ["gate:1", "ftp://gate", "http://", "unix:/x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http://"):
        connections(url)


def test_a_header_cannot_bring_another_one() -> None:
    with pytest.raises(ValueError, match="line break"):
        connections("http://gate", authorization="Bearer x\r\nhost: other")

"""HTTP/1.1 connections to one gateway, kept and used again: POST, status and body, nothing else.

Owns      the sockets and how many there are.
Promises  one request at a time on a connection; who waits for a free one is served in turn; a connection whose
          answer was not read to its end is never used again.
Leaves    deadlines and trying again to `gateway_calls`.

Not a library's client: the load shares two cores with what it measures, and a request by aiohttp takes the client
four times as long (docs/decisions/0025). Answers are parsed by httptools, as in uvicorn.
"""

import asyncio
import base64
from typing import Final, cast
from urllib.parse import unquote, urlsplit

import httptools

from headrace.app.load.request import CONNECT_MAX_S

ANSWER_BYTES_MAX: Final = 64 << 20


class Connections:
    """To `url`, at most `most` at a time. `headers` go with each request, beside host and length. An answer that
    does not go on for `silence_max_s` is given up."""

    def __init__(self, url: str, *, headers: dict[str, str], most: int, silence_max_s: float) -> None:
        """Raises ValueError for what is no http(s) URL, and for a header with a line break."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the gateway's address must begin with http:// or https:// and name a host")
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port or (443 if self._tls else 80)
        if parts.username is not None:
            account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers = {"authorization": "Basic " + base64.b64encode(account.encode()).decode()} | headers
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", f"host: {parts.netloc.rpartition('@')[2]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if any(not line.isprintable() for line in lines):
            raise ValueError("a header of the requests has a line break or another control character in it")
        self._head = "\r\n".join([*lines, "content-length: "]).encode("latin-1")
        self._silence_max_s = silence_max_s
        self._turns = asyncio.Semaphore(most)
        self._free: list[_Connection] = []

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError where there is none, or none that can be read."""
        request = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        async with self._turns:
            connection = self._take() or await self._connect()
            try:
                answer = await connection.ask(request, self._silence_max_s)
            except BaseException:
                connection.close()
                raise
            if connection.usable:
                self._free.append(connection)
            else:
                connection.close()
            return answer

    def close(self) -> None:
        while self._free:
            self._free.pop().close()

    def _take(self) -> "_Connection | None":
        """The one that was used last: the others may go out of use."""
        while self._free:
            connection = self._free.pop()
            if connection.usable:
                return connection
        return None

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_MAX_S):
                _, connection = await loop.create_connection(
                    _Connection, self._host, self._port, ssl=self._tls or None
                )
        except TimeoutError:
            raise ConnectionError(f"no connection within {CONNECT_MAX_S:g} s") from None
        return connection


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.usable = False
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._heard_at_s = 0.0  # on the event loop's clock
        self._listening: asyncio.TimerHandle

    async def ask(self, request: bytes, silence_max_s: float) -> tuple[int, bytes]:
        assert self._answer is None and self._transport is not None, "one request at a time"
        loop = asyncio.get_running_loop()
        self._answer, self._heard_at_s = loop.create_future(), loop.time()
        self._transport.write(request)
        self._listen(loop, silence_max_s)
        try:
            return await self._answer
        finally:
            self._listening.cancel()

    def _listen(self, loop: asyncio.AbstractEventLoop, silence_max_s: float) -> None:
        if loop.time() >= self._heard_at_s + silence_max_s:
            self._fail(TimeoutError(f"no byte of an answer for {silence_max_s:g} s"))
            return
        again_at_s = self._heard_at_s + silence_max_s
        self._listening = loop.call_at(again_at_s, self._listen, loop, silence_max_s)

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    # ---- What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self.usable = True

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.close()  # it speaks without being asked: that would be taken for the next answer
            return
        self._heard_at_s = asyncio.get_running_loop().time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"no HTTP answer: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(ConnectionResetError("the gateway hung up"))

    def _fail(self, error: OSError) -> None:
        self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # ---- What the parser tells

    def on_body(self, part: bytes) -> None:
        self._body.append(part)
        self._size += len(part)
        if self._size > ANSWER_BYTES_MAX:
            self._fail(ConnectionError(f"an answer of more than {ANSWER_BYTES_MAX} bytes"))

    def on_message_complete(self) -> None:
        answer, self._answer = self._answer, None
        status = self._parser.get_status_code()
        body, self._body, self._size = b"".join(self._body), [], 0
        # A second answer to one request would be taken for that to the next.
        self.usable = self.usable and answer is not None and self._parser.should_keep_alive()
        if answer is not None and not answer.done():
            answer.set_result((status, body))

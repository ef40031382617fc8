"""An operator over HTTP, asked about many tasks at once.

Owns      the questions that wait for this operator, the requests under way, the connection.
Promises  bounded waiting, bounded requests in flight, a bounded time for each; what goes wrong with a request is
          an answer to each of its questions and touches no other; a question given up is not sent any more.
Leaves    when requests leave to `operators.beat`, what to do about failures to who asked.

Batches form by themselves: while `in_flight_max` requests are under way, or the last one left in this same beat,
questions wait and go together in the next one. A question that comes alone is sent at once. The beat is there
because a request of its own costs a task about 0.5 ms of CPU on both sides together, four times that with four
operators, and a hundred tasks a second can spare some milliseconds of the answer better than that.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import msgspec
from yarl import URL

from headrace.core.words import Address, ChainId
from headrace.operators.answers import Answer, Failed, Question
from headrace.operators.beat import Beat
from headrace.operators.wire import (
    JSON,
    MSGPACK,
    REPLY_BYTES_MAX,
    REQUEST_BYTES_MAX,
    TASKS_PER_REQUEST_MAX,
    ErrorReply,
    EvaluateReply,
    EvaluateRequest,
    from_entry,
)

_encode: Final = msgspec.msgpack.Encoder().encode
_reply: Final = msgspec.msgpack.Decoder(EvaluateReply)
_error: Final = msgspec.msgpack.Decoder(ErrorReply)
_TASK_OVERHEAD: Final = 8  # bytes a task adds beside itself
_ENVELOPE: Final = 256
# Shorter than the 5 s after which uvicorn closes an idle connection, so that we close first.
_IDLE_S: Final = 4.0
_HEADERS: Final = {"Content-Type": MSGPACK}


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    question: Question
    answers: "asyncio.Future[Sequence[Answer]]"


class HttpOperator:
    """Use as `async with HttpOperator(...) as operator:`; leaving it answers whatever still waits."""

    def __init__(
        self,
        base_url: str,
        *,
        chain: ChainId,
        task_manager: Address,
        timeout_s: float = 5.0,
        in_flight_max: int = 2,
        beat: Beat | None = None,
        waiting_max: int = 4096,
        tasks_per_request_max: int = TASKS_PER_REQUEST_MAX,
    ) -> None:
        """`beat` is for sharing with the clients of the other operators."""
        assert 0 < tasks_per_request_max <= TASKS_PER_REQUEST_MAX, tasks_per_request_max
        self.base_url = base_url.rstrip("/")
        self._chain, self._task_manager = chain, task_manager
        self._timeout_s = timeout_s
        self._in_flight_max, self._waiting_max = in_flight_max, waiting_max
        self._per_request_max = tasks_per_request_max
        self._beat = beat if beat is not None else Beat()
        self._left_in = 0  # the beat in which a request last left
        self._departure: asyncio.Handle | None = (
            None  # when the next one does; None: nothing waits, or all are busy
        )
        self._waiting: deque[_Waiting] = deque()
        self._requests: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            connector=aiohttp.TCPConnector(limit=self._in_flight_max + 1, keepalive_timeout=_IDLE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if self._departure is not None:
            self._departure.cancel()
        requests = list(self._requests)
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        _answer(self._waiting, Failed(code="closed", text="we are stopping", retryable=True))
        self._waiting.clear()
        if session is not None:
            await session.close()

    def ask(self, question: Question) -> "asyncio.Future[Sequence[Answer]]":
        """Cancelled, the question is given up."""
        answers: asyncio.Future[Sequence[Answer]] = asyncio.get_running_loop().create_future()
        failure = self._cannot_ask(question)
        if failure is not None:
            answers.set_result((failure,))
            return answers
        self._waiting.append(_Waiting(question, answers))
        if self._departure is None:
            self._plan()
        return answers

    def _cannot_ask(self, question: Question) -> Failed | None:
        if self._session is None:
            return Failed(code="closed", text="no connection is open", retryable=True)
        if len(self._waiting) >= self._waiting_max:
            self._forget_given_up()
            if len(self._waiting) >= self._waiting_max:
                text = f"{len(self._waiting)} tasks wait for this operator"
                return Failed(code="busy", text=text, retryable=True)
        if len(question.encoded) > REQUEST_BYTES_MAX - _ENVELOPE - _TASK_OVERHEAD:
            return Failed(code="task_too_large", text=f"{len(question.encoded)} bytes", retryable=False)
        return None

    async def identity(self) -> dict[str, Any]:
        """What `GET /v1/identity` says. Raises aiohttp.ClientError, TimeoutError or ValueError."""
        assert self._session is not None, "not entered"
        async with self._session.get(f"{self.base_url}/v1/identity") as reply:
            reply.raise_for_status()
            body = await _read_bounded(reply)
            if body is None or reply.content_type != JSON:
                raise ValueError(f"{self.base_url}: /v1/identity is not what an operator says")
            return msgspec.json.decode(body, type=dict[str, Any])

    @property
    def waiting(self) -> int:
        """Questions that are not sent yet."""
        self._forget_given_up()
        return len(self._waiting)

    def _forget_given_up(self) -> None:
        self._waiting = deque(waiting for waiting in self._waiting if not waiting.answers.done())

    # ---- When requests leave

    def _plan(self) -> None:
        """The next departure, if something waits and a request may be under way more."""
        self._departure = None
        if not self._waiting or self._session is None or len(self._requests) >= self._in_flight_max:
            return
        loop = asyncio.get_running_loop()
        if self._beat.now(loop.time()) != self._left_in or len(self._waiting) >= self._per_request_max:
            # Not at once: others may be asked in this very turn of the loop.
            self._departure = loop.call_soon(self._depart)
        else:
            self._departure = loop.call_at(self._beat.ends, self._beat_is_over)

    def _beat_is_over(self) -> None:
        self._beat.after(self._left_in, asyncio.get_running_loop().time())
        self._depart()

    def _depart(self) -> None:
        batch = self._take_batch()
        if batch:
            self._left_in = self._beat.now(asyncio.get_running_loop().time())
            self._beat.left(len(batch))
            self._requests.add(asyncio.create_task(self._request(batch), name=f"ask {self.base_url}"))
        self._plan()

    async def _request(self, batch: Sequence[_Waiting]) -> None:
        request = asyncio.current_task()
        assert request is not None
        failure = Failed(code="given_up", text="the request was given up", retryable=True)
        try:
            failure = await self._send(batch)
        finally:  # also when it is cancelled: nobody waits for ever
            _answer(batch, failure)
            self._requests.discard(request)
            if self._departure is None:
                self._plan()

    def _take_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        room = REQUEST_BYTES_MAX - _ENVELOPE
        while self._waiting and len(batch) < self._per_request_max:
            waiting = self._waiting[0]
            if not waiting.answers.done():  # else it was given up
                room -= len(waiting.question.encoded) + _TASK_OVERHEAD
                if batch and room < 0:
                    break
                batch.append(waiting)
            self._waiting.popleft()
        return batch

    async def _send(self, batch: Sequence[_Waiting]) -> Failed:
        """Answers what it can; what it gives back is the answer to the others."""
        tasks = [waiting.question.encoded for waiting in batch]
        body = _encode(EvaluateRequest(self._chain, self._task_manager, tasks))
        try:
            try:
                status, reply = await self._post(body)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                # A kept connection that the other side closed meanwhile. Asking twice does no harm.
                status, reply = await self._post(body)
        except TimeoutError:
            return Failed(code="timeout", text=f"no answer within {self._timeout_s:g} s", retryable=True)
        except (aiohttp.ClientError, OSError) as error:
            return Failed(code="unreachable", text=f"{type(error).__name__}: {error}"[:300], retryable=True)
        if reply is None:
            return Failed(code="bad_reply", text=f"larger than {REPLY_BYTES_MAX} bytes", retryable=False)
        if status != 200:
            retryable = status in (408, 429) or status >= 500
            return Failed(code=f"http_{status}", text=_error_text(reply), retryable=retryable)
        try:
            entries = _reply.decode(reply).answers
        except (msgspec.MsgspecError, RecursionError) as error:
            return Failed(code="bad_reply", text=f"not an evaluate reply: {error}"[:300], retryable=False)
        found: dict[bytes, list[Answer]] = {}
        for entry in entries:
            found.setdefault(entry.task_id, []).append(from_entry(entry))
        for waiting in batch:
            answers = found.get(waiting.question.task.task_id)
            if answers and not waiting.answers.done():  # who asked may have given up
                waiting.answers.set_result(tuple(answers))
        return Failed(code="bad_reply", text="the reply says nothing about this task", retryable=False)

    async def _post(self, body: bytes) -> tuple[int, bytes | None]:
        assert self._session is not None
        url = URL(f"{self.base_url}/v1/evaluate")
        async with self._session.post(url, data=body, headers=_HEADERS) as reply:
            return reply.status, await _read_bounded(reply)

    def __repr__(self) -> str:
        return f"HttpOperator({self.base_url})"


def _answer(batch: Iterable[_Waiting], answer: Answer) -> None:
    for waiting in batch:
        if not waiting.answers.done():
            waiting.answers.set_result((answer,))


async def _read_bounded(reply: aiohttp.ClientResponse) -> bytes | None:
    body = bytearray()
    async for chunk in reply.content.iter_any():
        body += chunk
        if len(body) > REPLY_BYTES_MAX:
            return None
    return bytes(body)


def _error_text(reply: bytes) -> str:
    try:
        return _error.decode(reply).error
    except (msgspec.MsgspecError, RecursionError):
        return repr(reply[:200])

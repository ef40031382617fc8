"""`POST /rpc`: JSON-RPC 2.0 over HTTP.

Owns      the methods by name, how many calls are worked on at once, and what an exception is to the caller.
Promises  every call of a readable body gets its answer, in order; a bug is told by an incident's number, its
          traceback stands in the log only; who hangs up frees what it held.

Statuses: 200 for whatever JSON-RPC has an answer to (204 where nothing asked for one); 405, 408, 413 and 503 with
a JSON-RPC error as body.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar, assert_never
from uuid import uuid4

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headrace.api.body import Bodies, NotRead
from headrace.api.envelope import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    TRY_LATER,
    Batch,
    Call,
    Fault,
    encode_fault,
    encode_result,
    fault_of,
    join_batch,
    read_body,
)
from headrace.api.listing import Listing
from headrace.api.operation_methods import OperationMethods
from headrace.api.reading import OperationBook
from headrace.api.services import Limits, Services
from headrace.api.task_methods import TaskMethods
from headrace.api.waiting import Waiting
from headrace.api.wire import shown
from headrace.core.errors import FixTheRequest, HeadraceError, TryLater

log = logging.getLogger(__name__)

_JSON: Final = "application/json"
_IS_JSON: Final = (b"content-type", _JSON.encode())
_HUNG_UP: Final = 499  # nobody reads it
_RETRY_AFTER_S: Final = 1.0

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Method:
    """`waits`: it may take seconds, so it is worth noticing that its caller is gone. `together`: the same work for
    all calls of it in one batch, for less than one by one."""

    work: Callable[[object], Awaitable[object]]
    waits: bool = False
    together: "Together[Any] | None" = None


@dataclass(frozen=True, slots=True)
class Together(Generic[Read]):
    """A method's work in two steps: parameters are read one by one, what was read of all is finished at once.
    `finish` answers for each, with an error where `work` would raise it."""

    read: Callable[[object], Awaitable[Read]]
    finish: Callable[[Sequence[Read]], Awaitable[Sequence[object]]]


def public_methods(services: Services) -> Mapping[str, Method]:
    """What clients may call."""
    book = OperationBook(services)
    operations = OperationMethods(services, book)
    return {
        **_task_methods(services),
        "headrace_submit": Method(operations.submit, together=Together(operations.read, operations.admit_all)),
        "headrace_getOperation": Method(operations.get),
        "headrace_waitOperation": Method(Waiting(services, book).wait, waits=True),
        "headrace_cancelOperation": Method(operations.cancel),
        "headrace_listOperations": Method(Listing(services).list),
        "headrace_lanes": Method(operations.lanes),
    }


def _task_methods(services: Services) -> Mapping[str, Method]:
    if services.desk is None:
        return {name: Method(_no_tasks) for name in ("newt_createTask", "newt_sendTask")}
    tasks = TaskMethods(services, services.desk)
    return {
        "newt_createTask": Method(tasks.create_task, waits=True),
        "newt_sendTask": Method(tasks.send_task),
    }


async def _no_tasks(_: object) -> object:
    raise FixTheRequest(
        "this gateway takes no tasks: it has no operators to ask. Whoever runs it adds them by the task contracts "
        "in the deployment and a section [operators] in the settings (docs/configuration.md)"
    )


class Rpc:
    def __init__(self, methods: Mapping[str, Method], limits: Limits) -> None:
        self._methods = methods
        self._limits = limits
        self._bodies = Bodies(limits)
        self.calls = 0  # being worked on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application, called for every request to the path. (Not an endpoint of Starlette's: its layers
        took as long as all our own reading.)"""
        try:
            answer = await self._answered_body(scope, receive)
        except NotRead as turned_away:
            await _turned_away(turned_away)(scope, receive, send)
        except ClientDisconnect:
            await Response(status_code=_HUNG_UP)(scope, receive, send)
        else:
            await _say(answer, send)

    # ---- One body

    async def _answered_body(self, scope: Scope, receive: Receive) -> bytes | None:
        """None where nothing asked for an answer. Raises NotRead; ClientDisconnect where nobody hears it."""
        if scope["method"] != "POST":
            raise NotRead(405, f"{scope['method']} is not answered here: POST a JSON-RPC request")
        if self.calls >= self._limits.calls_max:
            raise NotRead(503, self._full())
        body = await self._bodies.take(scope, receive)
        try:
            asked = read_body(body, depth_max=self._limits.depth_max, batch_max=self._limits.batch_max)
            if self._waits(asked):
                return await self._answer_unless_gone(asked, receive)
            return await self._answer(asked)
        finally:
            self._bodies.let_go(body)

    async def _answer_unless_gone(self, asked: Call | Fault | Batch, receive: Receive) -> bytes | None:
        """Raises ClientDisconnect if the caller of something that takes long is gone before it is answered."""
        work = asyncio.create_task(self._answer(asked))
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise ClientDisconnect
        finally:
            gone.cancel()
            work.cancel()

    def _waits(self, asked: Call | Fault | Batch) -> bool:
        match asked:
            case Call(method=method):
                return method in self._methods and self._methods[method].waits
            case Batch(items=items):
                return any(self._waits(item) for item in items)
            case Fault():
                return False
            case _:
                assert_never(asked)

    async def _answer(self, asked: Call | Fault | Batch) -> bytes | None:
        """None where nobody asked for an answer."""
        match asked:
            case Fault():
                return encode_fault(asked)
            case Call():
                return await self._call(asked)
            case Batch(items=items):
                wanted = [answer for answer in await self._answer_batch(items) if answer is not None]
                return join_batch(wanted) if wanted else None
            case _:
                assert_never(asked)

    async def _answer_batch(self, items: Sequence[Call | Fault]) -> Sequence[bytes | None]:
        by_method: dict[str, list[int]] = {}
        for index, item in enumerate(items):
            if isinstance(item, Call) and item.method in self._methods and self._methods[item.method].together:
                by_method.setdefault(item.method, []).append(index)
        groups = [indexes for indexes in by_method.values() if len(indexes) > 1]
        grouped = {index for indexes in groups for index in indexes}
        answers: list[bytes | None] = [None] * len(items)

        async def alone(index: int) -> None:
            answers[index] = await self._answer(items[index])

        async def together(indexes: Sequence[int]) -> None:
            calls = [call for index in indexes if isinstance(call := items[index], Call)]
            for index, answer in zip(indexes, await self._called_together(calls), strict=True):
                answers[index] = answer

        await asyncio.gather(
            *(together(indexes) for indexes in groups),
            *(alone(index) for index in range(len(items)) if index not in grouped),
        )
        return answers

    async def _called_together(self, calls: Sequence[Call]) -> Sequence[bytes | None]:
        """All of one method that can."""
        together = self._methods[calls[0].method].together
        assert together is not None
        room = max(self._limits.calls_max - self.calls, 0)
        self.calls += len(calls[:room])
        try:
            read = [await self._tried([call], together.read(_by_name(call.params))) for call in calls[:room]]
            whole = [(call, got) for call, got in zip(calls, read, strict=False) if not isinstance(got, Fault)]
            finished = await self._finished(together, whole) if whole else []
        finally:
            self.calls -= len(calls[:room])
        left = iter(finished)
        answers = [got if isinstance(got, Fault) else next(left) for got in read]
        answers += [
            fault_of(call.id, TryLater(self._full(), retry_after_s=_RETRY_AFTER_S)) for call in calls[room:]
        ]
        return [_encoded(call, answer) for call, answer in zip(calls, answers, strict=True)]

    async def _finished(self, together: Together[Any], read: Sequence[tuple[Call, object]]) -> Sequence[object]:
        calls = [call for call, _ in read]
        results = await self._tried(calls, together.finish([got for _, got in read]))
        if isinstance(results, Fault):
            return [replace(results, id=call.id) for call in calls]
        assert isinstance(results, Sequence)
        return [
            fault_of(call.id, result) if isinstance(result, HeadraceError) else result
            for call, result in zip(calls, results, strict=True)
        ]

    # ---- One call

    async def _call(self, call: Call) -> bytes | None:
        return _encoded(call, await self._answered(call))

    async def _answered(self, call: Call) -> object | Fault:
        method = self._methods.get(call.method)
        if method is None:
            known = ", ".join(self._methods)
            return Fault(call.id, METHOD_NOT_FOUND, f"method: {shown(call.method)} is unknown; there are {known}")
        if self.calls >= self._limits.calls_max:
            return fault_of(call.id, TryLater(self._full(), retry_after_s=_RETRY_AFTER_S))
        self.calls += 1
        try:
            return await self._tried([call], method.work(_by_name(call.params)))
        finally:
            self.calls -= 1

    async def _tried(self, calls: Sequence[Call], work: Awaitable[object]) -> object | Fault:
        """What the work for these calls of one method gives, or why it gave nothing."""
        try:
            return await work
        except HeadraceError as error:
            return fault_of(calls[0].id, error)
        except Exception:  # a bug of ours: these calls alone fail, and the log has all of it
            return _incident(calls[0])

    def _full(self) -> str:
        return f"{self._limits.calls_max} calls are being worked on, that is the most"


def _encoded(call: Call, answer: object | Fault) -> bytes | None:
    """None where the call asked for no answer."""
    if call.id is None:
        return None
    if isinstance(answer, Fault):
        return encode_fault(answer)
    try:
        return encode_result(call.id, answer)
    except Exception:  # a bug of ours: JSON has no form for what we answer
        return encode_fault(_incident(call))


def _incident(call: Call) -> Fault:
    """Of the exception that is being handled."""
    incident = uuid4().hex
    log.exception("incident %s in %s", incident, call.method)
    message = f"internal error; the operator of this service finds it in the log as incident {incident}"
    return Fault(call.id, INTERNAL_ERROR, message, {"incident": incident})


def _by_name(params: object) -> object:
    """Many clients put the one object of parameters into a list."""
    if isinstance(params, list) and len(params) == 1 and isinstance(params[0], dict):
        return params[0]
    return params


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _say(answer: bytes | None, send: Send) -> None:
    if answer is None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    headers = [(b"content-length", b"%d" % len(answer)), _IS_JSON]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def _turned_away(why: NotRead) -> Response:
    headers = {"connection": "close"} if why.hang_up else {}
    if why.status == 503:
        fault = Fault(None, TRY_LATER, why.message, {"retry_after_s": _RETRY_AFTER_S})
        headers["retry-after"] = f"{_RETRY_AFTER_S:.0f}"
    else:
        fault = Fault(None, INVALID_REQUEST, why.message)
    if why.status == 405:
        headers["allow"] = "POST"
    return Response(encode_fault(fault), status_code=why.status, media_type=_JSON, headers=headers)

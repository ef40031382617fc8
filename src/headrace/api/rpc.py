"""`POST /rpc`: JSON-RPC 2.0 over HTTP.

Owns      the methods by name, how many calls are worked on at once, and what an exception is to the caller.
Promises  every call of a readable body gets its answer, in order; a bug is told by an incident's number, its
          traceback stands in the log only; who hangs up frees what it held.

Statuses: 200 for whatever JSON-RPC has an answer to (204 where nothing asked for one); 405, 408, 413 and 503 with
a JSON-RPC error as body.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, assert_never
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


@dataclass(frozen=True, slots=True)
class Method:
    """`waits`: it may take seconds, so it is worth noticing that its caller is gone."""

    work: Callable[[object], Awaitable[object]]
    waits: bool = False


def public_methods(services: Services) -> Mapping[str, Method]:
    """What clients may call."""
    book = OperationBook(services)
    operations = OperationMethods(services, book)
    return {
        **_task_methods(services),
        "headrace_submit": Method(operations.submit),
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
                answers = await asyncio.gather(*(self._answer(item) for item in items))
                wanted = [answer for answer in answers if answer is not None]
                return join_batch(wanted) if wanted else None
            case _:
                assert_never(asked)

    # ---- One call

    async def _call(self, call: Call) -> bytes | None:
        answer = await self._answered(call)
        if call.id is None:
            return None
        return encode_fault(answer) if isinstance(answer, Fault) else answer

    async def _answered(self, call: Call) -> bytes | Fault:
        method = self._methods.get(call.method)
        if method is None:
            known = ", ".join(self._methods)
            return Fault(call.id, METHOD_NOT_FOUND, f"method: {shown(call.method)} is unknown; there are {known}")
        if self.calls >= self._limits.calls_max:
            return fault_of(call.id, TryLater(self._full(), retry_after_s=_RETRY_AFTER_S))
        self.calls += 1
        try:
            result = await method.work(_by_name(call.params))
            return b"" if call.id is None else encode_result(call.id, result)
        except HeadraceError as error:
            return fault_of(call.id, error)
        except Exception:  # a bug of ours: this call alone fails, and the log has all of it
            incident = uuid4().hex
            log.exception("incident %s in %s", incident, call.method)
            message = f"internal error; the operator of this service finds it in the log as incident {incident}"
            return Fault(call.id, INTERNAL_ERROR, message, {"incident": incident})
        finally:
            self.calls -= 1

    def _full(self) -> str:
        return f"{self._limits.calls_max} calls are being worked on, that is the most"


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

"""`/ws`: subscriptions over WebSocket.

Owns      the messages, and the life of a connection: accepted, talking, closed with a reason.
Promises  replies and updates leave in order, a subscription's confirmation before its first update, and the
          present state of what is subscribed to right after it; who reads too slowly is closed (1013), who neither
          listens nor speaks too (1000); nothing of a closed connection is kept.
Leaves    who hears what to `api.topics`.

Client:   {"type": "subscribe", "id": "1", "method": "<topic>", "params": null}, "unsubscribe" alike,
          {"type": "ping"}
Gateway:  {"type": "subscribed", "id", "subscription": "<topic>"}, "unsubscribed" alike, {"type": "pong", "id"},
          {"type": "update", "subscription": "<topic>", "result": {...}}, {"type": "error", "id", "error": {...}}
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import msgspec
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from headrace.api import updates
from headrace.api.body import nests_deeper
from headrace.api.envelope import PARSE_ERROR
from headrace.api.fields import Shape
from headrace.api.reading import OperationBook
from headrace.api.services import Services
from headrace.api.topics import Listener, Topic, Update, read_topic
from headrace.api.wire import jsonable, read_text, wrong
from headrace.core.errors import HeadraceError
from headrace.core.words import OperationId

log = logging.getLogger(__name__)

# In the scope's extensions, by `api.server`: cuts the connection, unsent bytes and all.
ABORT: Final = "headrace.abort"
MESSAGE_BYTES_MAX: Final = 16_384

_MESSAGE: Final = Shape("type", "id", "method", "params")
_TYPES: Final = ("subscribe", "unsubscribe", "ping")
_NORMAL: Final = 1000
_INTERNAL_ERROR: Final = 1011
_TRY_AGAIN_LATER: Final = 1013
_GONE: Final = (WebSocketDisconnect, OSError)


@dataclass(frozen=True, slots=True)
class Closing:
    """Why we close a connection."""

    code: int
    reason: str


class Sockets:
    def __init__(self, services: Services) -> None:
        self._topics, self._clock, self._limits = services.topics, services.clock, services.limits
        self._book = OperationBook(services)
        self._kind, self._chain = services.recorded_kind, services.chain
        self.connections = 0

    async def endpoint(self, websocket: WebSocket) -> None:
        if self.connections >= self._limits.sockets_max:
            text = f"{self.connections} connections are open, that is the most"
            await websocket.send_denial_response(Response(text, 503, headers={"retry-after": "1"}))
            return
        self.connections += 1
        try:
            await websocket.accept()
            with self._topics.listen() as listener:
                closing = await self._talk(websocket, listener)
            if closing is not None:
                await self._close(websocket, closing)
        except _GONE:
            pass  # the client left while we were speaking
        except Exception:  # a bug of ours: this connection alone ends, and the log has all of it
            incident = uuid4().hex
            log.exception("incident %s on a WebSocket", incident)
            await self._close(websocket, Closing(_INTERNAL_ERROR, f"internal error, incident {incident}"))
        finally:
            self.connections -= 1

    async def _talk(self, websocket: WebSocket, listener: Listener) -> Closing | None:
        """Until one side has enough. None where the client left."""
        hearing = asyncio.create_task(self._hear(websocket, listener))
        telling = asyncio.create_task(_tell(websocket, listener))
        watching = asyncio.create_task(self._watch(listener))
        talk: tuple[asyncio.Task[Closing | None], ...] = (hearing, telling, watching)
        try:
            ends: set[asyncio.Future[Any]] = {*talk, listener.too_slow}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if listener.too_slow.done():
                return Closing(_TRY_AGAIN_LATER, listener.too_slow.result())
            for ended in talk:
                if ended.done():
                    return ended.result()
            return None
        finally:
            for each in talk:
                each.cancel()
            await asyncio.gather(*talk, return_exceptions=True)

    async def _close(self, websocket: WebSocket, closing: Closing) -> None:
        """A slow reader may not take even this: then the connection is cut."""
        abort = websocket.scope.get("extensions", {}).get(ABORT)
        try:
            async with asyncio.timeout(self._limits.socket_close_s):
                await websocket.close(closing.code, closing.reason)
        except TimeoutError:
            if abort is not None:
                abort()
            return
        if (
            abort is not None
        ):  # said is not yet heard: without this, unread bytes would keep the connection for ever
            asyncio.get_running_loop().call_later(self._limits.socket_close_s, abort)

    # ---- The client speaks

    async def _hear(self, websocket: WebSocket, listener: Listener) -> Closing | None:
        while True:
            await listener.room()
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return None
            listener.heard_something = True
            text = message.get("text")
            await self._answer(listener, None if text is None else text.encode())

    async def _answer(self, listener: Listener, raw: bytes | None) -> None:
        id: object = None
        try:
            fields = _MESSAGE.read(_decode(raw), "")
            id = fields.get("id")
            if id is not None and not isinstance(id, str | int | float):
                id = None
                raise wrong("id", "is neither text nor a number")
            match read_text(fields.need("type"), "type", one_of=_TYPES):
                case "subscribe":
                    await self._subscribe(listener, read_topic(fields.need("method"), "method"), id)
                case "unsubscribe":
                    topic = read_topic(fields.need("method"), "method")
                    if not self._topics.unsubscribe(listener, topic):
                        raise wrong("method", f"{topic.name} is not subscribed on this connection")
                    listener.tell(_encode({"type": "unsubscribed", "id": id, "subscription": topic.name}))
                case _:
                    listener.tell(_encode({"type": "pong", "id": id}))
        except HeadraceError as error:
            listener.tell(_error(id, error.rpc_code, error.message, error.data))
        except _NotJson as error:
            listener.tell(_error(None, PARSE_ERROR, str(error), {}))

    async def _subscribe(self, listener: Listener, topic: Topic, id: object) -> None:
        self._topics.subscribe(listener, topic)
        listener.tell(_encode({"type": "subscribed", "id": id, "subscription": topic.name}))
        present = await self._present(listener, topic)
        if present is not None:
            await listener.room()
            listener.tell(present)

    async def _present(self, listener: Listener, topic: Topic) -> Update | None:
        """Where things are now: what happened before the subscription is not told again."""
        if topic.kind == "task":
            assert isinstance(topic.key, bytes), topic
            evaluation = await self._book.about_task(topic.key)
            if evaluation is None:
                return None
            self._topics.follow_ending(listener, topic, evaluation.operation)
            event, form = updates.task_as_stored(evaluation)
            return Update(topic, event, _encode(form))
        if topic.kind == "operation":
            assert isinstance(topic.key, str), topic
            reading = await self._book.find(OperationId(topic.key))
            if reading is None:
                return None
            event, form = updates.operation_as_stored(
                reading, now=self._clock.now(), kind=self._kind, chain=self._chain
            )
            return Update(topic, event, _encode(form))
        return None

    # ---- We speak

    async def _watch(self, listener: Listener) -> Closing | None:
        """Ends when the client neither listened nor spoke for a while."""
        while True:
            listener.heard_something = False
            await self._clock.sleep(self._limits.socket_idle_s)
            if not listener.topics and not listener.heard_something:
                return Closing(_NORMAL, f"no subscription and no message for {self._limits.socket_idle_s:g} s")


async def _tell(websocket: WebSocket, listener: Listener) -> Closing | None:
    while True:
        message = await listener.next()
        if isinstance(message, Update):
            result = msgspec.Raw(message.result)
            message = _encode({"type": "update", "subscription": message.topic.name, "result": result})
        try:
            await websocket.send({"type": "websocket.send", "text": message.decode()})
        except _GONE:
            return None


class _NotJson(Exception):
    pass


def _decode(raw: bytes | None) -> object:
    if raw is None:
        raise _NotJson("messages are text, not binary")
    if len(raw) > MESSAGE_BYTES_MAX:
        raise _NotJson(f"the message has {len(raw)} bytes, at most {MESSAGE_BYTES_MAX} are read")
    if nests_deeper(raw, 8):
        raise _NotJson("the message nests too deep")
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _NotJson(f"the message is not valid JSON: {error}") from None


def _encode(message: Mapping[str, object]) -> bytes:
    return msgspec.json.encode(message)


def _error(id: object, code: int, message: str, data: Mapping[str, object]) -> bytes:
    error = {"code": code, "message": message, "data": jsonable(dict(data))}
    return _encode({"type": "error", "id": id, "error": error})

"""Who listens to what, and the news on its way to them.

Owns      the topics, the listeners (a WebSocket, a waiting call) and what waits for each of them.
Promises  telling news never blocks and never fails; where nobody listens it costs next to nothing; a listener that
          does not keep up is closed, its neighbours are not touched; of a closed listener nothing is kept.
Leaves    the way to the client to `api.ws` and `api.waiting`. Of one event loop; not for several threads.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, assert_never

import msgspec

from headrace.api import updates
from headrace.api.wire import hexed, read_data, read_operation_id, shown, wrong
from headrace.core.errors import TryLater
from headrace.core.ports import BatchNews, EvaluationNews, News, OperationNews
from headrace.core.words import OperationId

log = logging.getLogger(__name__)

_TASK_PREFIX: Final = "newton.task."
_OPERATION_PREFIX: Final = "headrace.operation."
_BATCHES: Final = "headrace.batches"


class Topic(NamedTuple):
    """`key`: a task id (bytes) or an operation id. Of kind `ending` is nothing a client can name: the end of the
    operation that records a task, told to those who listen to the task."""

    kind: Literal["task", "operation", "batches", "ending"]
    key: bytes | str

    @property
    def name(self) -> str:
        if self.kind == "batches":
            return _BATCHES
        if isinstance(self.key, bytes):
            return _TASK_PREFIX + hexed(self.key)
        return _OPERATION_PREFIX + self.key


BATCHES: Final = Topic("batches", "")


def task_topic(task_id: bytes) -> Topic:
    return Topic("task", task_id)


def operation_topic(operation: OperationId) -> Topic:
    return Topic("operation", operation)


def read_topic(value: object, path: str) -> Topic:
    """Raises FixTheRequest."""
    if isinstance(value, str):
        if value == _BATCHES:
            return BATCHES
        if value.startswith(_TASK_PREFIX):
            return task_topic(read_data(value.removeprefix(_TASK_PREFIX), path, size=32))
        if value.startswith(_OPERATION_PREFIX):
            return operation_topic(read_operation_id(value.removeprefix(_OPERATION_PREFIX), path))
    raise wrong(
        path,
        f"{shown(value)} is no topic; topics are {_TASK_PREFIX}<task id>, {_OPERATION_PREFIX}<operation id> "
        f"and {_BATCHES}",
    )


@dataclass(frozen=True, slots=True)
class Update:
    """`result` is JSON."""

    topic: Topic
    event: str
    result: bytes


class Listener:
    """Gets updates in order, with replies of its own between them (bytes). Closed when more than `waiting_max`
    wait for it."""

    def __init__(self, waiting_max: int) -> None:
        self._waiting: deque[Update | bytes] = deque()
        self._waiting_max = waiting_max
        self._arrived, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self.topics: dict[Topic, Topic | None] = {}  # and the `ending` that goes with it
        self.heard_something = False
        self.too_slow: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def tell(self, message: Update | bytes) -> None:
        if len(self._waiting) >= self._waiting_max:
            self._close(f"{self._waiting_max} updates were not read in time")
        if not self.too_slow.done():
            self._waiting.append(message)
            self._arrived.set()
            if len(self._waiting) >= self._waiting_max:
                self._room.clear()

    async def room(self) -> None:
        """Returns when a reply would not close it."""
        await self._room.wait()

    async def next(self) -> Update | bytes:
        """Waits for ever; whoever waits must watch `too_slow` too."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        self._room.set()
        return self._waiting.popleft()

    def _close(self, reason: str) -> None:
        if not self.too_slow.done():
            self.too_slow.set_result(reason)
            self._waiting.clear()


class Topics:
    """Implements core.ports.Announce."""

    def __init__(
        self, *, subscriptions_max: int = 100_000, per_listener_max: int = 1_000, waiting_max: int = 256
    ) -> None:
        """`waiting_max`: updates that may wait for one listener."""
        self._subscriptions_max, self._per_listener_max = subscriptions_max, per_listener_max
        self._waiting_max = waiting_max
        # By topic, who listens and under which topic it hears of it.
        self._heard: dict[Topic, dict[Listener, Topic]] = {}
        self.subscriptions = 0
        self.listeners = 0

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        listener = Listener(self._waiting_max)
        self.listeners += 1
        try:
            yield listener
        finally:
            self._forget(listener)
            self.listeners -= 1

    def subscribe(self, listener: Listener, topic: Topic) -> None:
        """Twice is once. Raises TryLater, for this listener or for all having as much as may be."""
        if topic in listener.topics:
            return
        if len(listener.topics) >= self._per_listener_max:
            raise TryLater(f"{self._per_listener_max} subscriptions on one connection are the most")
        if self.subscriptions >= self._subscriptions_max:
            raise TryLater(f"there are {self.subscriptions} subscriptions in all, that is the most")
        listener.topics[topic] = None
        self._add(listener, topic, shown_as=topic)

    def follow_ending(self, listener: Listener, task: Topic, operation: OperationId) -> None:
        """Who listens to this task hears of the end of the operation that records it, too."""
        if task in listener.topics and listener.topics[task] is None:
            ending = Topic("ending", operation)
            listener.topics[task] = ending
            self._add(listener, ending, shown_as=task)

    def unsubscribe(self, listener: Listener, topic: Topic) -> bool:
        """False where it was not subscribed."""
        if topic not in listener.topics:
            return False
        ending = listener.topics.pop(topic)
        self._remove(listener, topic)
        if ending is not None:
            self._remove(listener, ending)
        return True

    # ---- News

    def __call__(self, news: News) -> None:
        if not self._heard:
            return
        try:
            match news:
                case BatchNews():
                    self._batch(news)
                case OperationNews():
                    self._operation(news)
                case EvaluationNews():
                    topic = task_topic(news.subject)
                    if topic in self._heard:
                        self._tell(topic, Update(topic, news.what, _encode(updates.task_evaluated(news))))
                case _:
                    assert_never(news)
        except Exception:  # the engine that tells us must go on; the truth is in the store, only an update is lost
            log.exception("news could not be told: %s", type(news).__name__)

    def _batch(self, news: BatchNews) -> None:
        heard = self._heard
        if BATCHES in heard:
            self._tell(BATCHES, Update(BATCHES, news.what, _encode(updates.batch_moved(news))))
            if len(heard) == 1:
                return
        for index, operation in enumerate(news.operations):
            topic = operation_topic(operation.id)
            if topic in heard and news.what != "settled":  # OperationNews tells the end
                form = updates.operation_in_batch(operation, news, index=index)
                self._tell(topic, Update(topic, news.what, _encode(form)))
            topic = task_topic(operation.subject)
            if topic in heard and operation.id not in news.without_effect:
                form = updates.task_in_batch(operation, news, index=index)
                self._tell(topic, Update(topic, str(form["event"]), _encode(form)))

    def _operation(self, news: OperationNews) -> None:
        topic = operation_topic(news.operation)
        if topic in self._heard:
            self._tell(topic, Update(topic, news.what, _encode(updates.operation_ended(news))))
        ending = Topic("ending", news.operation)
        if ending in self._heard:
            task = next(iter(self._heard[ending].values()))  # an operation records one task, whoever listens
            assert isinstance(task.key, bytes), task
            self._tell(ending, Update(task, news.what, _encode(updates.task_ended(task.key, news))))

    def _tell(self, topic: Topic, update: Update) -> None:
        for listener in tuple(self._heard[topic]):
            listener.tell(update)
            if listener.too_slow.done():
                self._forget(listener)

    # ---- Bookkeeping

    def _add(self, listener: Listener, topic: Topic, *, shown_as: Topic) -> None:
        self._heard.setdefault(topic, {})[listener] = shown_as
        self.subscriptions += 1

    def _remove(self, listener: Listener, topic: Topic) -> None:
        listeners = self._heard[topic]
        del listeners[listener]
        self.subscriptions -= 1
        if not listeners:
            del self._heard[topic]

    def _forget(self, listener: Listener) -> None:
        for topic in tuple(listener.topics):
            self.unsubscribe(listener, topic)


def _encode(form: updates.Form) -> bytes:
    return msgspec.json.encode(form)

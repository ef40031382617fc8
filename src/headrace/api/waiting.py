"""`headrace_waitOperation`: answers when the operation is mined or final, or when the time is up.

Promises  nobody asks the store again and again: a waiter listens first, reads once, and reads again only after
          news. When the time is up the answer is the operation as it is then.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from headrace.api.fields import Shape
from headrace.api.operation_methods import read_one
from headrace.api.reading import OperationBook, Reading, state_of
from headrace.api.services import Services
from headrace.api.topics import Listener, Update, operation_topic, task_topic
from headrace.api.wire import read_seconds, read_text
from headrace.core.errors import TryLater
from headrace.core.operation import Account, State
from headrace.core.words import OperationId

TIMEOUT_S: Final = 30.0
_WAIT: Final = Shape("operation_id", "until", "timeout")
_MINED: Final = "mined"
_FINAL: Final = "final"
# News after which it is worth looking. An evaluation that ends without a certificate ends the operation.
_ENDS: Final = frozenset({"done", "refused", "failed"})
_WORTH_A_LOOK: Final = {_MINED: _ENDS | {"mined"}, _FINAL: _ENDS}


class Waiting:
    def __init__(self, services: Services, book: OperationBook) -> None:
        self._topics, self._clock, self._book = services.topics, services.clock, book
        self._timeout_max_s = services.limits.wait_timeout_max_s

    async def wait(self, params: object) -> Mapping[str, object]:
        fields = _WAIT.read(params, "")
        operation = read_one(fields)
        until = fields.get("until")
        until = _FINAL if until is None else read_text(until, "until", one_of=(_MINED, _FINAL))
        timeout = fields.get("timeout")
        timeout_s = TIMEOUT_S if timeout is None else read_seconds(timeout, "timeout", most=self._timeout_max_s)
        with self._topics.listen() as listener:
            reading = await self._read_listening(listener, operation)
            if not _reached(reading, until):
                reading = await self._hear(listener, operation, until, reading, timeout_s)
        return self._book.form(reading)

    async def _read_listening(self, listener: Listener, operation: OperationId) -> Reading:
        self._topics.subscribe(listener, operation_topic(operation))
        reading = await self._book.get(operation)
        if isinstance(reading, Account) or _reached(reading, _FINAL):
            return reading
        self._topics.subscribe(listener, task_topic(reading.subject))
        return await self._book.get(operation)

    async def _hear(
        self, listener: Listener, operation: OperationId, until: str, reading: Reading, timeout_s: float
    ) -> Reading:
        time_up = asyncio.create_task(self._clock.sleep(timeout_s))
        news = asyncio.create_task(_first_of(listener, _WORTH_A_LOOK[until]))
        try:
            while not _reached(reading, until):
                heard: set[asyncio.Future[Any]] = {time_up, news, listener.too_slow}
                await asyncio.wait(heard, return_when=asyncio.FIRST_COMPLETED)
                if listener.too_slow.done():
                    raise TryLater(listener.too_slow.result())
                reading = await self._book.get(operation)
                if time_up.done():
                    break
                if news.done():  # a block may be uncled between the news and our look: then listen again
                    news = asyncio.create_task(_first_of(listener, _WORTH_A_LOOK[until]))
            return reading
        finally:
            time_up.cancel()
            news.cancel()


async def _first_of(listener: Listener, events: frozenset[str]) -> None:
    while True:
        heard = await listener.next()
        if isinstance(heard, Update) and heard.event in events:
            return


def _reached(reading: Reading, until: str) -> bool:
    state = state_of(reading)
    return state is State.DONE or (until == _MINED and state is State.MINED)

"""Takes operations in, many to a commit.

Owns      the queue in front of the store, and its bound; how many operations may wait in all.
Promises  an operation is durable before its caller hears yes; a full queue says no at once.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from headrace.core.errors import FixTheRequest, OtherContent, TryLater
from headrace.core.operation import Operation
from headrace.core.ports import Added, OperationStore

Admission = tuple[Operation, asyncio.Future[Added]]


class Noticed(Protocol):
    def __call__(self, count: int) -> None:
        """So many operations more are in the store."""
        ...


class Intake:
    def __init__(
        self,
        *,
        store: OperationStore,
        noticed: Noticed,
        backlog: Callable[[], int],
        waiting_max: int,
        backlog_max: int,
        per_commit_max: int = 500,
    ) -> None:
        """`backlog` counts what is in the store and not yet sealed: beyond `backlog_max` we take no more."""
        self._store, self._noticed, self._backlog = store, noticed, backlog
        self._per_commit_max, self._backlog_max = per_commit_max, backlog_max
        self._waiting: asyncio.Queue[Admission] = asyncio.Queue(waiting_max)

    @property
    def waiting(self) -> int:
        """Operations that are not saved yet."""
        return self._waiting.qsize()

    def check_room(self) -> None:
        """Raises TryLater when the backlog is at its bound."""
        if self._backlog() >= self._backlog_max:
            raise TryLater(
                f"{self._backlog_max} operations wait to be batched: the lanes do not keep up",
                retry_after_s=5.0,
            )

    async def admit(self, operation: Operation) -> Added:
        """FRESH or SAME, once it is durable. Raises OtherContent, TryLater, FixTheRequest."""
        self.check_room()
        answered: asyncio.Future[Added] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((operation, answered))
        except asyncio.QueueFull:
            raise TryLater("intake is full", retry_after_s=1.0) from None
        added = await answered
        if added is Added.NO_PREDECESSOR:
            raise FixTheRequest(f"after: there is no operation {operation.after!r}", field="after")
        if added is Added.OTHER_CONTENT:
            raise OtherContent(
                f"operation_id: {operation.id!r} is already used for something else", operation_id=operation.id
            )
        if added is Added.SUBJECT_TAKEN:
            raise OtherContent(
                f"task_id: 0x{operation.subject.hex()} already has an unfinished {operation.kind} "
                "under another operation_id",
                task_id=f"0x{operation.subject.hex()}",
            )
        return added

    async def run(self) -> None:
        while True:
            taken = [await self._waiting.get()]
            while len(taken) < self._per_commit_max and not self._waiting.empty():
                taken.append(self._waiting.get_nowait())
            await self._save(taken)

    async def _save(self, taken: list[Admission]) -> None:
        try:
            added = await self._store.add_operations([operation for operation, _ in taken])
        except Exception as error:  # each caller must hear of it, or would wait for ever; then we go down loudly
            _fail(taken, error)
            if isinstance(error, TryLater):
                return
            raise
        for (_, answered), answer in zip(taken, added, strict=True):
            if not answered.done():  # the caller may have hung up
                answered.set_result(answer)
        self._noticed(sum(answer is Added.FRESH for answer in added))


def _fail(taken: list[Admission], error: Exception) -> None:
    for _, answered in taken:
        if not answered.done():
            answered.set_exception(error)

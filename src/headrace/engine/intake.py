"""Takes operations in, many to a commit.

Owns      the queue in front of the store, and its bound; how many operations may wait in all.
Promises  an operation is durable before its caller hears yes; a full queue says no at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never

from headrace.core.errors import FixTheRequest, HeadraceError, OtherContent, TryLater
from headrace.core.operation import Operation
from headrace.core.ports import Added, OperationStore


@dataclass(frozen=True, slots=True)
class _Admission:
    """Operations that one caller hands in, and what it hears of each."""

    operations: Sequence[Operation]
    answered: asyncio.Future[Sequence[Added]]


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
        self._waiting_max, self._per_commit_max, self._backlog_max = waiting_max, per_commit_max, backlog_max
        self._queue: deque[_Admission] = deque()
        self._arrived = asyncio.Event()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Operations that are not saved yet."""
        return self._waiting

    def check_room(self) -> None:
        """Raises TryLater when the backlog is at its bound."""
        if self._backlog() >= self._backlog_max:
            raise TryLater(
                f"{self._backlog_max} operations wait to be batched: the lanes do not keep up",
                retry_after_s=5.0,
            )

    async def admit(self, operation: Operation) -> Added:
        """FRESH or SAME, once it is durable. Raises OtherContent, TryLater, FixTheRequest."""
        (answer,) = await self.admit_all([operation])
        if isinstance(answer, HeadraceError):
            raise answer
        return answer

    async def admit_all(self, operations: Sequence[Operation]) -> Sequence[Added | HeadraceError]:
        """Of each what `admit` answers or raises. They share a commit, as far as there is room for them."""
        self.check_room()
        room = self._waiting_max - self._waiting
        taken, left = operations[:room], operations[room:]
        answers: list[Added | HeadraceError] = []
        if taken:
            answered: asyncio.Future[Sequence[Added]] = asyncio.get_running_loop().create_future()
            self._queue.append(_Admission(taken, answered))
            self._waiting += len(taken)
            self._arrived.set()
            answers += [
                answer if answer in _TAKEN else _refusal(operation, answer)
                for operation, answer in zip(taken, await answered, strict=True)
            ]
        return answers + [TryLater("intake is full", retry_after_s=1.0) for _ in left]

    async def run(self) -> None:
        while True:
            while not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
            await self._save(self._next_group())

    def _next_group(self) -> list[_Admission]:
        group = [self._queue.popleft()]
        count = len(group[0].operations)
        while self._queue and count + len(self._queue[0].operations) <= self._per_commit_max:
            group.append(self._queue.popleft())
            count += len(group[-1].operations)
        self._waiting -= count
        return group

    async def _save(self, group: list[_Admission]) -> None:
        try:
            added = await self._store.add_operations([o for admission in group for o in admission.operations])
        except Exception as error:  # each caller must hear of it, or would wait for ever; then we go down loudly
            _fail(group, error)
            if isinstance(error, TryLater):
                return
            raise
        first = 0
        for admission in group:
            answers = added[first : first + len(admission.operations)]
            first += len(answers)
            if not admission.answered.done():  # the caller may have hung up
                admission.answered.set_result(answers)
        self._noticed(sum(answer is Added.FRESH for answer in added))


_TAKEN = (Added.FRESH, Added.SAME)


def _refusal(operation: Operation, answer: Added) -> HeadraceError:
    match answer:
        case Added.NO_PREDECESSOR:
            return FixTheRequest(f"after: there is no operation {operation.after!r}", field="after")
        case Added.OTHER_CONTENT:
            return OtherContent(
                f"operation_id: {operation.id!r} is already used for something else", operation_id=operation.id
            )
        case Added.SUBJECT_TAKEN:
            return OtherContent(
                f"task_id: 0x{operation.subject.hex()} already has an unfinished {operation.kind} "
                "under another operation_id",
                task_id=f"0x{operation.subject.hex()}",
            )
        case Added.FRESH | Added.SAME:
            raise AssertionError(f"{answer} is no refusal")
        case _:
            assert_never(answer)


def _fail(group: Sequence[_Admission], error: Exception) -> None:
    for admission in group:
        if not admission.answered.done():
            admission.answered.set_exception(error)

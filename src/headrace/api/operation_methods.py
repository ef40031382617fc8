"""`headrace_submit`, `headrace_getOperation`, `headrace_cancelOperation` and `headrace_lanes`.

Promises  what `headrace_submit` says yes to is durable; a refused request left nothing behind.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import uuid4

from headrace.api.fields import Fields, Shape
from headrace.api.lane_form import lane_form
from headrace.api.reading import OperationBook, Reading, state_of
from headrace.api.services import Acceptor, Services, Submission
from headrace.api.wire import (
    read_new_operation_id,
    read_operation_id,
    read_quantity,
    read_seconds,
    read_text,
    shown,
    wrong,
)
from headrace.core.errors import HeadraceError, OtherContent, TryLater
from headrace.core.operation import Account, Ending, Operation, State
from headrace.core.ports import Added, Evaluation
from headrace.core.words import OperationId, Outcome
from headrace.engine.telling import endings_told
from headrace.operators.evaluation import CANCELLED, Failed, result_of

_SUBMIT: Final = Shape("operation_id", "workload", "kind", "payload", "chain_id", "deadline", "after")
_ONE: Final = Shape("operation_id")
_NOTHING: Final = Shape()


class OperationMethods:
    def __init__(self, services: Services, book: OperationBook) -> None:
        self._services, self._book = services, book

    async def submit(self, params: object) -> Mapping[str, object]:
        operation = await self.read(params)
        return await self._accepted(operation, await self._admit(operation))

    async def read(self, params: object) -> Operation:
        """The first step of `submit`: nothing is saved yet."""
        fields = _SUBMIT.read(params, "")
        acceptor = self._acceptor(fields)
        operation = acceptor.accept(await self._submission(fields, acceptor))
        await self._refuse_past_deadline(operation)
        return operation

    async def admit_all(self, operations: Sequence[Operation]) -> Sequence[Mapping[str, object] | HeadraceError]:
        """The second, for many at once: they are saved together. Of each what `submit` answers or raises."""
        added = await self._services.intake.admit_all(operations)
        return [
            await self._accepted_if(operation, answer) for operation, answer in zip(operations, added, strict=True)
        ]

    async def get(self, params: object) -> Mapping[str, object]:
        operation = read_one(_ONE.read(params, ""))
        reading = await self._book.get(operation)
        desk = self._services.desk
        if desk is not None and isinstance(reading, Evaluation) and await desk.end_late(reading):
            reading = await self._book.get(operation)
        return self._book.form(reading)

    async def cancel(self, params: object) -> Mapping[str, object]:
        """The operation as it is now. Twice is once; what is signed cannot be taken back."""
        operation = read_one(_ONE.read(params, ""))
        if self._services.desk is not None:
            await self._services.desk.cancel(operation)
        self._tell(await self._services.cancel(operation))
        reading = await self._book.get(operation)
        if _is_cancelled(reading):
            return self._book.form(reading)
        state = state_of(reading).value
        if isinstance(reading, Evaluation) and state != State.DONE.value:
            raise TryLater("the operators are still looking at this task; it can be cancelled once it is queued")
        raise wrong("operation_id", f"{shown(operation)} is {state}: it cannot be cancelled any more")

    async def lanes(self, params: object) -> Mapping[str, object]:
        _NOTHING.read({} if params is None else params, "")
        reports = await self._services.lanes()
        return {"lanes": [lane_form(report) for report in reports]}

    def _tell(self, endings: Sequence[Ending]) -> None:
        for news in endings_told(endings, at=self._services.clock.now()):
            self._services.topics(news)

    # ---- Answering a submission

    async def _admit(self, operation: Operation) -> Added:
        try:
            return await self._services.intake.admit(operation)
        except OtherContent as error:
            raise await self._whose(operation, error) from None

    async def _whose(self, operation: Operation, error: OtherContent) -> OtherContent:
        """The store refuses ids of task requests, too, those that are still being evaluated included."""
        if await self._services.evaluations.evaluation(operation.id) is None:
            return error
        return OtherContent(
            f"operation_id: {operation.id!r} is already used for a task request", operation_id=operation.id
        )

    async def _accepted(self, operation: Operation, added: Added) -> Mapping[str, object]:
        return {"operation_id": operation.id, "state": (await self._state(operation, added)).value}

    async def _accepted_if(
        self, operation: Operation, answer: Added | HeadraceError
    ) -> Mapping[str, object] | HeadraceError:
        if isinstance(answer, OtherContent):
            return await self._whose(operation, answer)
        return answer if isinstance(answer, HeadraceError) else await self._accepted(operation, answer)

    async def _state(self, operation: Operation, added: Added) -> State:
        if added is Added.FRESH and operation.after is None:
            return State.QUEUED  # by that very commit: nothing to look up
        account = await self._services.reader.account(operation.id)
        assert account is not None, f"operation {operation.id} was saved, and is not there"
        if added is Added.FRESH and account.outcome is Outcome.CANCELLED:
            # What it comes after had ended without effect: it was over when it was saved, and nobody told.
            self._tell([Ending(operation=operation.id, outcome=account.outcome, reason=account.reason)])
        return account.state

    # ---- Reading a submission

    def _acceptor(self, fields: Fields) -> Acceptor:
        acceptors = self._services.acceptors
        workload = read_text(fields.need("workload"), "workload", one_of=tuple(sorted(acceptors)))
        return acceptors[workload]

    async def _submission(self, fields: Fields, acceptor: Acceptor) -> Submission:
        kind = read_text(fields.need("kind"), "kind", one_of=tuple(acceptor.kinds))
        self._check_chain(fields)
        now = self._services.clock.now()
        operation = _new_id(fields)
        after = await self._predecessor(fields, operation)
        deadline = fields.get("deadline")
        return Submission(
            id=operation,
            kind=kind,
            payload=fields.need("payload"),
            received_at=now,
            after=after,
            deadline=None if deadline is None else read_seconds(deadline, "deadline"),
        )

    async def _refuse_past_deadline(self, operation: Operation) -> None:
        """But for one that is here already: the intake tells whether it is the same, and a repeat is answered at
        any time."""
        deadline, now = operation.deadline, operation.received_at
        if deadline is None or deadline > now or await self._services.reader.account(operation.id) is not None:
            return
        raise wrong("deadline", f"{shown(deadline)} is in the past (unix seconds; it is {now:.0f} now)")

    def _check_chain(self, fields: Fields) -> None:
        value = fields.get("chain_id")
        if value is not None and read_quantity(value, "chain_id") != self._services.chain:
            raise wrong(
                "chain_id", f"{shown(value)} is not served here; this gateway writes to {self._services.chain}"
            )

    async def _predecessor(self, fields: Fields, operation: OperationId) -> OperationId | None:
        value = fields.get("after")
        if value is None:
            return None
        after = read_operation_id(value, "after")
        if after == operation:
            raise wrong("after", "an operation cannot come after itself")
        evaluation = await self._services.evaluations.evaluation(after)
        if evaluation is not None and result_of(evaluation) is None:
            raise TryLater(f"after: {after!r} is still being evaluated, it has no operation yet")
        return after


def _new_id(fields: Fields) -> OperationId:
    value = fields.get("operation_id")
    return OperationId(uuid4().hex) if value is None else read_new_operation_id(value, "operation_id")


def _is_cancelled(reading: Reading) -> bool:
    if isinstance(reading, Account):
        return reading.outcome is Outcome.CANCELLED
    return result_of(reading) == Failed(CANCELLED)


def read_one(fields: Fields) -> OperationId:
    return read_operation_id(fields.need("operation_id"), "operation_id")

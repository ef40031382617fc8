"""Answers task requests: builds the task, asks the operators, and hands what follows to the engine's store.

Owns      the task that is built for a request, and what an evaluation does.
Promises  the task is stored before an operator sees it, so the same id gives the same task and the same answer;
          the answer and the operations that record it are one commit; an evaluation that was said yes to goes on
          after a crash, until the task's window closes.
Leaves    asking and counting to the aggregator, recording to the engine, who waits for an evaluation to
          `operators.under_way`.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self
from uuid import uuid4

import msgspec
from eth_utils.crypto import keccak

from headrace.core.errors import FixTheRequest, NeedsOperator, OtherContent, PolicyRefused, TryLater
from headrace.core.operation import Operation
from headrace.core.ports import (
    Announce,
    Clock,
    Evaluation,
    EvaluationNews,
    EvaluationStore,
    SubjectTaken,
)
from headrace.core.words import Address, Block, ChainId, OperationId
from headrace.operators.aggregator import Aggregator
from headrace.operators.certificate import Refusal
from headrace.operators.evaluation import (
    CANCELLED,
    NOBODY_ASKED_AGAIN,
    Answer,
    Certified,
    Failed,
    Refused,
    Result,
    TaskRequest,
    certified,
    refused,
    result_of,
)
from headrace.operators.under_way import Running, UnderWay
from headrace.workloads.tasks.operations import Windows, recording
from headrace.workloads.tasks.structs import Task, TaskResponse

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How tasks are built and recorded here."""

    chain: ChainId
    task_manager: Address
    windows: Windows
    recording: str  # combined | separate
    respond_wait_s: float
    patience_s: float  # how long one round of asking waits for the quorum
    evaluations_max: int = 10_000


@dataclass(frozen=True, slots=True)
class _Case:
    """An evaluation, and its task as it is to be asked about."""

    evaluation: Evaluation
    task: Task

    @classmethod
    def of(cls, evaluation: Evaluation) -> Self:
        return cls(evaluation, Task.from_abi(evaluation.task))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What is stored of an answer, and the response in it as a value, where there is one."""

    result: Result
    response: TaskResponse | None

    @classmethod
    def of(cls, result: Result) -> Self:
        response = TaskResponse.from_abi(result.response) if isinstance(result, Certified) else None
        return cls(result, response)


class Desk:
    def __init__(
        self,
        *,
        store: EvaluationStore,
        aggregator: Aggregator,
        clients: Collection[Address],
        terms: Terms,
        head: Callable[[], Block | None],
        check_room: Callable[[], None],
        noticed: Callable[[int], None],
        clock: Clock,
        announce: Announce,
    ) -> None:
        """`clients` are those with a policy. `head` is the newest block seen. `check_room` raises TryLater when
        the engine takes no more; `noticed` hears how many operations were saved."""
        self._store, self._aggregator, self._clients, self._terms = store, aggregator, clients, terms
        self._head, self._check_room, self._noticed = head, check_room, noticed
        self._clock, self._announce = clock, announce
        self._running: UnderWay[_Outcome] = UnderWay(clock)
        self._beginning = 0  # their tasks are being saved; they will run

    # ---- What clients ask

    async def create(self, request: TaskRequest, *, operation: OperationId | None, timeout_s: float) -> Answer:
        """Waits for the quorum, not for the chain. Raises PolicyRefused, TryLater (no quorum in time: ask again
        with the same id), OtherContent, FixTheRequest."""
        case = await self._begin(request, operation, "newt_createTask", resume=False)
        result = result_of(case.evaluation)
        outcome = _Outcome.of(result) if result is not None else await self._wait_for(case, timeout_s)
        return self._answer(case, outcome)

    async def send(self, request: TaskRequest, *, operation: OperationId | None) -> Evaluation:
        """Says yes when the task is durable; the answer follows by itself."""
        case = await self._begin(request, operation, "newt_sendTask", resume=True)
        if case.evaluation.result is None:
            self._start(case)
        return case.evaluation

    async def resume(self) -> int:
        """After a start: goes on with everything that was said yes to. Answers how many."""
        evaluations = await self._store.open_evaluations()
        for evaluation in evaluations:
            self._start(_Case.of(evaluation))
        return len(evaluations)

    async def cancel(self, operation: OperationId) -> None:
        """Ends an evaluation that was given up. One that runs goes on, and so does one that was said yes to.
        Raises TryLater, NeedsOperator where that cannot be saved."""
        evaluation = await self._store.evaluation(operation)
        if evaluation is not None and self._is_given_up(evaluation):
            await self._fail(_Case.of(evaluation), CANCELLED)

    async def end_late(self, evaluation: Evaluation) -> bool:
        """Ends one that was given up and whose task can no longer be created: nobody else would. Says whether."""
        if not self._is_given_up(evaluation) or not self._too_late((case := _Case.of(evaluation)).task):
            return False
        try:
            await self._fail(case, NOBODY_ASKED_AGAIN)
        except (TryLater, NeedsOperator):  # logged; who only looks is not hindered by a store that is full
            return False
        return True

    def running(self) -> int:
        return len(self._running)

    def held(self) -> Mapping[str, int]:
        """Evaluations in memory."""
        return {"beginning": self._beginning, "running": len(self._running), "saving": self._running.being_saved}

    async def close(self) -> None:
        """Gives up all that runs; what was said yes to is resumed at the next start."""
        await self._running.close()

    # ---- Building the task

    async def _begin(
        self, request: TaskRequest, operation: OperationId | None, method: str, *, resume: bool
    ) -> _Case:
        self._check(request)
        id = operation if operation is not None else OperationId(uuid4().hex)
        content = request.content(method)
        try:
            case = await self._build(request, id, content, resume=resume)
        except TryLater:
            # For want of room no new task is taken; the answer to one that we have is not refused.
            known = await self._store.evaluation(id) if operation is not None else None
            if known is None or (known.result is None and id not in self._running):
                raise
            case = _Case.of(known)
        if case.evaluation.content != content:
            raise OtherContent(f"operation_id: {id!r} is already used for something else", operation_id=id)
        return case

    async def _build(self, request: TaskRequest, id: OperationId, content: bytes, *, resume: bool) -> _Case:
        """The task for a request, durable; or the one that was stored under this id meanwhile."""
        self._check_room()
        if id not in self._running and len(self._running) + self._beginning >= self._terms.evaluations_max:
            raise TryLater(f"{self._terms.evaluations_max} evaluations are under way, that is the most")
        head = self._head()
        if head is None:
            raise TryLater("the chain has not been reached yet, so a task has no reference block")
        now = self._clock.now()
        task = Task(
            task_id=self._task_id(id, content),
            policy_client=request.policy_client,
            created_block=head.number,
            threshold_percent=request.threshold_percent,
            intent=request.intent,
            intent_signature=request.intent_signature,
            wasm_args=request.wasm_args,
            quorum_numbers=request.quorum_numbers,
            timestamp=int(now),
        )
        evaluation = Evaluation(
            operation=id,
            content=content,
            subject=task.task_id,
            request=b"",
            task=task.abi(),
            resume=resume,
            received_at=now,
        )
        self._beginning += 1
        try:
            known = await self._store.begin_evaluation(evaluation)
        except SubjectTaken:
            raise OtherContent(f"task_id: 0x{task.task_id.hex()} belongs to another operation") from None
        finally:
            self._beginning -= 1
        return _Case(evaluation, task) if known is None else _Case.of(known)

    def _task_id(self, id: OperationId, content: bytes) -> bytes:
        # From the caller's id, so that even a gateway that lost its store cannot record the same request twice;
        # and from what was asked, so that nobody who guesses the id can take the task's place on chain.
        terms = self._terms
        return keccak(terms.chain.to_bytes(32, "big") + terms.task_manager + content + id.encode())

    def _check(self, request: TaskRequest) -> None:
        if request.policy_client not in self._clients:
            raise FixTheRequest(
                f"policy_client: 0x{request.policy_client.hex()} has no policy here", field="policy_client"
            )
        if not 1 <= request.threshold_percent <= 100:
            raise FixTheRequest(
                f"quorum_threshold_percentage: {request.threshold_percent} is not within 1 to 100",
                field="quorum_threshold_percentage",
            )

    # ---- Asking the operators

    async def _wait_for(self, case: _Case, timeout_s: float) -> _Outcome:
        outcome = await self._running.wait(self._start(case), timeout_s, keep=case.evaluation.resume)
        if outcome is None:
            raise TryLater(
                f"the operators gave no quorum within {timeout_s:g} s; the task keeps its id",
                task_id=f"0x{case.evaluation.subject.hex()}",
                operation_id=case.evaluation.operation,
            )
        return outcome

    def _start(self, case: _Case) -> Running[_Outcome]:
        return self._running.join(case.evaluation.operation, lambda: self._evaluate(case))

    def _is_given_up(self, evaluation: Evaluation) -> bool:
        open_ = evaluation.result is None and not evaluation.resume
        return open_ and evaluation.operation not in self._running

    async def _fail(self, case: _Case, why: str) -> None:
        # In the place of an evaluation: whoever asks meanwhile gets this for an answer, and none is under way.
        ending = self._running.start(case.evaluation.operation, self._end(case, Failed(why))).work
        await asyncio.wait({ending})
        if not ending.cancelled():
            ending.result()

    async def _end(self, case: _Case, result: Failed) -> _Outcome:
        await self._conclude(case.evaluation, result, ())
        stored = await self._store.evaluation(case.evaluation.operation)
        assert stored is not None
        final = result_of(stored)  # an answer that was there before stays
        assert final is not None
        if final == result:
            self._tell_result(case.task, result)
        return _Outcome.of(final)

    async def _evaluate(self, case: _Case) -> _Outcome:
        task = case.task
        self._tell(task, "evaluating", {})
        outcome = await self._ask(task)
        operations = self._recording(case, outcome)
        try:
            await self._conclude(case.evaluation, outcome.result, operations)
        except (OtherContent, SubjectTaken) as taken:
            # Somebody submitted an operation of their own about this very task meanwhile.
            outcome, operations = _Outcome.of(Failed(f"its operations cannot be saved: {taken}")), ()
            await self._conclude(case.evaluation, outcome.result, operations)
        if operations:
            self._noticed(len([o for o in operations if o.after is None]))
        self._tell_result(task, outcome.result)
        return outcome

    async def _conclude(self, evaluation: Evaluation, result: Result, operations: Sequence[Operation]) -> None:
        """Where somebody was told yes, trouble with the store only delays it. Raises OtherContent,
        SubjectTaken."""
        id, encoded, pause_s = evaluation.operation, msgspec.msgpack.encode(result), FIRST_PAUSE_S
        while True:
            try:
                with self._running.saving(id):
                    await self._store.conclude_evaluation(id, result=encoded, operations=operations)
                return
            except (TryLater, NeedsOperator) as trouble:
                if not evaluation.resume:
                    raise
                log.warning("evaluation %s: its answer is not saved yet: %s", id, trouble)
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _ask(self, task: Task) -> _Outcome:
        """Until there is an answer, or the task can no longer be created."""
        pause_s, why = FIRST_PAUSE_S, "nobody asked again in time"
        while True:
            if self._too_late(task):
                return _Outcome.of(Failed(f"no quorum before the task's creation window closed: {why}"))
            try:
                deadline = self._clock.now() + self._terms.patience_s
                answer = await self._aggregator.collect(task, deadline=deadline)
            except TryLater as none:  # no quorum, or no slot
                why = none.message
                log.warning("task 0x%s: %s; asking again in %.1f s", task.task_id.hex(), none, pause_s)
                await self._clock.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            if isinstance(answer, Refusal):
                return _Outcome.of(refused(answer))
            return _Outcome(certified(answer), answer.response)

    def _too_late(self, task: Task) -> bool:
        head = self._head()
        return head is not None and head.number >= task.created_block + self._terms.windows.creation

    def _recording(self, case: _Case, outcome: _Outcome) -> tuple[Operation, ...]:
        terms, result, response = self._terms, outcome.result, outcome.response
        if not isinstance(result, Certified) or response is None:
            return ()
        return recording(
            terms.recording,
            id=case.evaluation.operation,
            chain=terms.chain,
            task=case.task,
            response=response,
            signature_data=result.signature_data,
            windows=terms.windows,
            respond_wait_s=terms.respond_wait_s,
            received_at=case.evaluation.received_at,
            now=self._clock.now(),
        )

    def _answer(self, case: _Case, outcome: _Outcome) -> Answer:
        about = {"task_id": f"0x{case.evaluation.subject.hex()}", "operation_id": case.evaluation.operation}
        match outcome.result:
            case Certified() as certified:
                assert outcome.response is not None
                return Answer(case.evaluation.operation, case.task, outcome.response, certified)
            case Refused(message=message, operator_errors=errors):
                raise PolicyRefused(message, **about, operator_errors=list(errors))
            case Failed(message=message):
                raise FixTheRequest(f"{message}; send the request with a new operation_id", **about)

    def _tell_result(self, task: Task, result: Result) -> None:
        match result:
            case Certified():
                data = {"response": result.response, "signature_data": result.signature_data}
                self._tell(task, "certified", data)
            case Refused():
                self._tell(task, "refused", {"message": result.message, "errors": result.operator_errors})
            case Failed():
                self._tell(task, "failed", {"message": result.message})

    def _tell(
        self, task: Task, what: Literal["evaluating", "certified", "refused", "failed"], data: Mapping[str, object]
    ) -> None:
        self._announce(EvaluationNews(subject=task.task_id, what=what, at=self._clock.now(), data=data))

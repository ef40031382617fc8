"""A desk with everything real around it: SQLite store, aggregator, BLS operators in process; time stands still."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.core.operation import Operation
from headrace.core.ports import Evaluation, News
from headrace.core.words import Block, BlockHash, BlockNumber, OperationId
from headrace.operators import desk as desks
from headrace.operators.aggregator import Aggregator
from headrace.operators.answers import Answer, Question
from headrace.operators.clients import InProcessOperator
from headrace.operators.desk import Desk, Terms
from headrace.operators.evaluation import TaskRequest
from headrace.store import SqliteStore, open_store
from headrace.testing.clock import HandClock
from headrace.workloads.tasks.operations import Windows
from operators.builders import CHAIN, CLIENT, FORBIDDEN, TASK_MANAGER, make_member, make_operator, make_task

WINDOWS = Windows(creation=64, response=128)
PATIENCE_S = 2.5
OPERATORS = 3


def head_at(number: int) -> Block:
    return Block(
        number=BlockNumber(number),
        hash=BlockHash(bytes([number % 256]) * 32),
        parent_hash=BlockHash(bytes(32)),
        timestamp=1_700_000_000,
        base_fee_wei=7,
        gas_limit=60_000_000,
        gas_used=0,
    )


def make_request(**changes: Any) -> TaskRequest:
    task = make_task()
    fields: dict[str, Any] = {
        "policy_client": CLIENT,
        "intent": task.intent,
        "intent_signature": task.intent_signature,
        "wasm_args": task.wasm_args,
        "quorum_numbers": b"\0",
        "threshold_percent": 67,
    }
    return TaskRequest(**(fields | changes))


ID = OperationId("order-1")
REQUEST = make_request()
FORBIDDEN_REQUEST = make_request(intent=make_task(to=FORBIDDEN).intent)


class Clerk:
    """A real operator that can be kept from answering, and notes what was stored when it was asked."""

    def __init__(self, index: int) -> None:
        self._operator = InProcessOperator(make_operator(index))
        self.store: SqliteStore | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked: list[bytes] = []
        self.stored_when_asked: list[bytes | None] = []

    async def ask(self, question: Question) -> Sequence[Answer]:
        assert self.store is not None
        self.asked.append(question.task.task_id)
        evaluation = await self.store.evaluation_about(question.task.task_id)
        self.stored_when_asked.append(None if evaluation is None else evaluation.task)
        await self.may_answer.wait()
        return await self._operator.ask(question)

    async def aclose(self) -> None:
        await self._operator.aclose()


class Counter:
    """The real store. Answers can be held on their way into it, or refused there."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.may_conclude = asyncio.Event()
        self.may_conclude.set()
        self.concluding = 0
        self.refuse_with: list[Exception] = []

    async def conclude_evaluation(
        self, operation: OperationId, *, result: bytes, operations: Sequence[Operation]
    ) -> None:
        self.concluding += 1
        if self.refuse_with:
            raise self.refuse_with.pop(0)
        await self._store.conclude_evaluation(operation, result=result, operations=operations)
        await self.may_conclude.wait()  # it is saved, and nobody has heard of it yet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@dataclass
class Office:
    desk: Desk
    store: SqliteStore
    counter: Counter
    clock: HandClock
    clerks: Sequence[Clerk]
    head: Block | None
    noticed: list[int] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    full: Exception | None = None

    def keep_quiet(self) -> None:
        for clerk in self.clerks:
            clerk.may_answer.clear()

    def let_answer(self) -> None:
        for clerk in self.clerks:
            clerk.may_answer.set()

    def asked(self) -> int:
        """Questions to all operators."""
        return sum(len(clerk.asked) for clerk in self.clerks)

    async def evaluation(self, id: str) -> Evaluation:
        found = await self.store.evaluation(OperationId(id))
        assert found is not None, id
        return found

    async def operations(self) -> list[Operation]:
        accounts, _ = await self.store.list_accounts(limit=100)
        return [account.operation for account in accounts]


async def create(
    office: Office, id: str = ID, *, request: TaskRequest = REQUEST, timeout_s: float = 30.0
) -> desks.Answer:
    return await office.desk.create(request, operation=OperationId(id), timeout_s=timeout_s)


@asynccontextmanager
async def open_office(
    folder: Path, *, recording: str = "combined", evaluations_max: int = 100, at_block: int | None = 100
) -> AsyncIterator[Office]:
    clock = HandClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(folder / "headrace.db", clock=clock))
        clerks = [Clerk(index) for index in range(OPERATORS)]
        for clerk in clerks:
            clerk.store = store
            stack.push_async_callback(clerk.aclose)
        members = [make_member(index, clerk) for index, clerk in enumerate(clerks)]
        aggregator = Aggregator(members, chain=CHAIN, task_manager=TASK_MANAGER, clock=clock)
        stack.callback(aggregator.close)
        terms = Terms(
            chain=CHAIN,
            task_manager=TASK_MANAGER,
            windows=WINDOWS,
            recording=recording,
            respond_wait_s=60.0,
            patience_s=PATIENCE_S,
            evaluations_max=evaluations_max,
        )

        def check_room() -> None:
            if office.full is not None:
                raise office.full

        counter = Counter(store)
        desk = Desk(
            store=counter,  # type: ignore[arg-type]  # it hands on all the rest
            aggregator=aggregator,
            clients={CLIENT},
            terms=terms,
            head=lambda: office.head,
            check_room=check_room,
            noticed=lambda count: office.noticed.append(count),
            clock=clock,
            announce=lambda news: office.news.append(news),
        )
        stack.push_async_callback(desk.close)
        office = Office(desk, store, counter, clock, clerks, None if at_block is None else head_at(at_block))
        yield office


class Traced:
    """What the store's writer does to the file from now on, by commits."""

    def __init__(self, store: SqliteStore) -> None:
        self._db: sqlite3.Connection = store._writer._db
        self._commits: list[list[str]] = [[]]
        self._db.set_trace_callback(self._note)

    def _note(self, statement: str) -> None:
        if statement.startswith("COMMIT"):
            self._commits.append([])
        else:
            self._commits[-1].append(statement)

    def commits(self, *tables: str) -> list[set[str]]:
        """For each commit that wrote to any of the tables, to which."""
        self._db.set_trace_callback(None)
        touched = [
            {t for t in tables if any(re.search(rf"^(INSERT INTO|UPDATE) {t}\b", s, re.MULTILINE) for s in commit)}
            for commit in self._commits
        ]
        return [each for each in touched if each]

"""A gateway for tests: real store, intake, desk, aggregator and operators; only the chain is not there."""

import asyncio
import itertools
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message

from headrace.api import GatewayServer, LaneReport, Limits, Services, TasksAcceptor, Topics, gateway_app
from headrace.api.task_forms import response_form, task_form
from headrace.api.wire import hexed
from headrace.core.operation import Ending
from headrace.core.ports import OperationNews
from headrace.core.words import Block, BlockHash, BlockNumber, OperationId, Outcome
from headrace.engine.intake import Intake
from headrace.operators.aggregator import Aggregator
from headrace.operators.answers import Answer, Question
from headrace.operators.clients import InProcessOperator
from headrace.operators.desk import Desk, Terms
from headrace.store import SqliteStore, open_store
from headrace.testing.builders import Builder
from headrace.testing.clock import HandClock
from headrace.workloads.tasks.operations import Windows
from operators.builders import CHAIN, CLIENT, FORBIDDEN, TASK_MANAGER, make_member, make_operator

WINDOWS = Windows(creation=64, response=128)
OPERATORS = 3
HEAD = Block(
    number=BlockNumber(100),
    hash=BlockHash(b"\x64" * 32),
    parent_hash=BlockHash(b"\x63" * 32),
    timestamp=1_700_000_000,
    base_fee_wei=7,
    gas_limit=60_000_000,
    gas_used=0,
)


class Gated:
    """An operator that can be kept from answering."""

    def __init__(self, index: int) -> None:
        self._inner = InProcessOperator(make_operator(index))
        self.open = asyncio.Event()
        self.open.set()
        self.asked = 0

    async def ask(self, question: Question) -> Sequence[Answer]:
        self.asked += 1
        await self.open.wait()
        return await self._inner.ask(question)

    async def aclose(self) -> None:
        await self._inner.aclose()


@dataclass
class Gateway:
    app: ASGIApp
    services: Services
    store: SqliteStore
    file: Path
    desk: Desk
    topics: Topics
    clock: HandClock
    operators: Sequence[Gated]
    head: Block | None = HEAD
    reasons: Sequence[str] = ()
    full: bool = False

    async def call(self, method: str, params: object = None) -> Any:
        """The result. An error fails the test."""
        answer = await self.answer(method, params)
        assert "error" not in answer, answer
        return answer["result"]

    async def error(self, method: str, params: object = None) -> Any:
        answer = await self.answer(method, params)
        assert "result" not in answer, answer
        return answer["error"]

    async def answer(self, method: str, params: object = None) -> Any:
        request: dict[str, object] = {"jsonrpc": "2.0", "id": "a", "method": method}
        if params is not None:
            request["params"] = params
        status, _, body = await post(self.app, json.dumps(request).encode())
        assert status == 200, (status, body)
        return json.loads(body)

    def keep_operators_quiet(self) -> None:
        for operator in self.operators:
            operator.open.clear()

    def let_operators_answer(self) -> None:
        for operator in self.operators:
            operator.open.set()

    def stored(self) -> tuple[int, int]:
        """Evaluations and operations in the file."""
        with sqlite3.connect(f"file:{self.file}?mode=ro", uri=True) as db:
            counts = [db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("evaluations", "operations")]
        db.close()
        return counts[0], counts[1]

    async def end(self, operation: str, outcome: Outcome = Outcome.LANDED) -> None:
        """As the engine ends it: stored, then told."""
        id, now = OperationId(operation), self.clock.now()
        await self.store.judge([Ending(operation=id, outcome=outcome, reason="because")], [], now=now)
        self.topics(OperationNews(operation=id, what="done", at=now, outcome=outcome, reason="because"))


@asynccontextmanager
async def open_gateway(
    folder: Path, *, limits: Limits | None = None, topics: Topics | None = None, recording: str = "combined"
) -> AsyncIterator[Gateway]:
    clock, file = HandClock(), folder / "headrace.db"
    topics = topics or Topics()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(file, clock=clock))
        operators = [Gated(index) for index in range(OPERATORS)]
        for operator in operators:
            stack.push_async_callback(operator.aclose)
        members = [make_member(index, operator) for index, operator in enumerate(operators)]
        aggregator = Aggregator(members, chain=CHAIN, task_manager=TASK_MANAGER, clock=clock)
        stack.callback(aggregator.close)
        intake = Intake(
            store=store,
            noticed=lambda count: None,
            backlog=lambda: 100 if gateway.full else 0,
            waiting_max=1000,
            backlog_max=100,
        )
        terms = Terms(
            chain=CHAIN,
            task_manager=TASK_MANAGER,
            windows=WINDOWS,
            recording=recording,
            respond_wait_s=60.0,
            patience_s=30.0,
        )
        desk = Desk(
            store=store,
            aggregator=aggregator,
            clients={CLIENT},
            terms=terms,
            head=lambda: gateway.head,
            check_room=intake.check_room,
            noticed=lambda count: None,
            clock=clock,
            announce=topics,
        )
        stack.push_async_callback(desk.close)

        async def lanes() -> list[LaneReport]:
            return [LaneReport(account=account, help_wanted="no coin") for account in await store.lanes()]

        services = Services(
            desk=desk,
            intake=intake,
            acceptors={
                "tasks": TasksAcceptor(chain=CHAIN, windows=WINDOWS, respond_wait_s=60.0, threshold_percent=67)
            },
            cancel=lambda operation: store.cancel(operation, now=clock.now()),
            reader=store,
            evaluations=store,
            topics=topics,
            readiness=lambda: gateway.reasons,
            lanes=lanes,
            clock=clock,
            chain=CHAIN,
            threshold_percent=67,
            recorded_kind="create_and_respond" if recording == "combined" else "respond",
            limits=limits or Limits(),
        )
        gateway = Gateway(gateway_app(services), services, store, file, desk, topics, clock, operators)
        running = asyncio.create_task(intake.run())
        try:
            yield gateway
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


# ---- Requests that are right


def task_params(**changes: object) -> dict[str, object]:
    """Of newt_createTask and newt_sendTask, as the SDK writes them. `None` takes a field out."""
    params: dict[str, object] = {
        "policy_client": hexed(CLIENT),
        "intent": intent(),
        "intent_signature": "05" * 65,
        "wasm_args": b"{}".hex(),
    }
    return {key: value for key, value in (params | changes).items() if value is not None}


def intent(**changes: object) -> dict[str, object]:
    fields: dict[str, object] = {
        "from": "0x" + "01" * 20,
        "to": "0x" + "0a" * 20,
        "value": "0x5",
        "data": "0xa9059cbb",
        "chain_id": hex(CHAIN),
        "function_signature": hexed(b"transfer(address,uint256)"),
    }
    return {key: value for key, value in (fields | changes).items() if value is not None}


FORBIDDEN_INTENT = intent(to="0x" + FORBIDDEN.hex())
_seeds = itertools.count(1)


def submission(kind: str = "create_and_respond", *, seed: int | None = None, **changes: object) -> dict[str, Any]:
    """Parameters of headrace_submit: a new task for each seed."""
    builder = Builder(next(_seeds) if seed is None else seed, chain=CHAIN)
    task = builder.task(created_block=100)
    payload: dict[str, object] = {"task": dict(task_form(task))}
    payload["task"]["intent"] = dict(task_form(task)["intent"])  # type: ignore[index, call-overload]
    if kind != "create":
        payload["response"] = dict(response_form(builder.response(task)))
        payload["signature_data"] = hexed(builder.signature_data())
    params = {"workload": "tasks", "kind": kind, "payload": payload}
    return {key: value for key, value in (params | changes).items() if value is not None}


def with_limits(**changes: Any) -> Limits:
    return replace(Limits(), **changes)


# ---- ASGI in process, and over a socket


async def post(
    app: ASGIApp,
    body: bytes,
    *,
    headers: Mapping[str, str] | None = None,
    path: str = "/rpc",
    method: str = "POST",
    query: bytes = b"",
) -> tuple[int, dict[str, str], bytes]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        if incoming:
            return incoming.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    answered = b"".join(message.get("body", b"") for message in sent[1:])
    return start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, answered


@asynccontextmanager
async def serve(app: ASGIApp, *, into: list[GatewayServer] | None = None) -> AsyncIterator[tuple[str, int]]:
    """Behind the real server, on a port of the system's choice."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = GatewayServer(app, grace_s=2)
        if into is not None:
            into.append(server)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started or serving.done())
            yield "127.0.0.1", listener.getsockname()[1]
        finally:
            server.stop()
            await serving


async def until(happened: Callable[[], bool], *, within_s: float = 20.0) -> None:
    """For what happens in sockets and threads, where there is no event to wait for."""
    async with asyncio.timeout(within_s):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.002)

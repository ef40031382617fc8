"""Nothing outlives its task: after many tasks of every ending the gateway holds what it held before the first."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from api.gateway import FORBIDDEN_INTENT, HEAD, WINDOWS, Gateway, serve, submission, task_params, until
from headrace.core.words import BlockNumber, Outcome

MANY = 5


@dataclass(frozen=True)
class Held:
    """Everything that a task may take hold of, in numbers."""

    slots: int
    evaluations: int
    entries_of_the_desk: int
    subscriptions: int
    listeners: int
    topics: int
    timers: int
    calls: int
    connections: int
    tasks: int


def held(gateway: Gateway) -> Held:
    desk: Any = gateway.desk
    state: Any = gateway.app
    return Held(
        slots=desk._aggregator.slots_in_use,
        evaluations=desk.running(),
        entries_of_the_desk=len(desk._running) + desk._running.being_saved + desk._beginning,
        subscriptions=gateway.topics.subscriptions,
        listeners=gateway.topics.listeners,
        topics=len(gateway.topics._heard),
        timers=gateway.clock.sleeping,
        calls=state.state.rpc.calls,
        connections=state.state.sockets.connections,
        tasks=len(asyncio.all_tasks()),
    )


@dataclass
class Clients:
    """Callers of one gateway, through its real server."""

    gateway: Gateway
    session: aiohttp.ClientSession
    url: str

    async def ask(self, method: str, params: object) -> Any:
        request = {"jsonrpc": "2.0", "id": "a", "method": method, "params": params}
        async with self.session.post(f"{self.url}/rpc", json=request) as answer:
            return await answer.json()

    async def listening_to(self, topic: str) -> aiohttp.ClientWebSocketResponse:
        socket = await self.session.ws_connect(f"{self.url}/ws")
        await socket.send_str(json.dumps({"type": "subscribe", "id": "1", "method": topic, "params": None}))
        assert json.loads(await socket.receive_str())["type"] == "subscribed"
        return socket


# ---- Ways to end


async def answered(clients: Clients, id: str) -> None:
    result = await clients.ask("newt_createTask", task_params(operation_id=id))
    assert result["result"]["status"] == "success"


async def answered_over_the_web_socket(clients: Clients, id: str) -> None:
    socket = await clients.listening_to(f"headrace.operation.{id}")
    sent = (await clients.ask("newt_sendTask", task_params(operation_id=id)))["result"]
    also = await clients.listening_to(sent["subscription_topic"])
    await until(lambda: clients.gateway.desk.running() == 0)
    await clients.gateway.end(id)
    await socket.close()
    await also.close()


async def refused_by_policy(clients: Clients, id: str) -> None:
    error = await clients.ask("newt_createTask", task_params(operation_id=id, intent=FORBIDDEN_INTENT))
    assert error["error"]["code"] == -32615


async def without_quorum_in_time(clients: Clients, id: str) -> None:
    gateway = clients.gateway
    gateway.keep_operators_quiet()
    asking = asyncio.create_task(clients.ask("newt_createTask", task_params(operation_id=id, timeout=2)))
    await until(lambda: gateway.desk.running() == 1)
    await until(lambda: gateway.clock.sleeping > 0)
    gateway.clock.advance(3)
    assert (await asking)["error"]["code"] == -32005
    gateway.let_operators_answer()


async def said_yes_to_and_never_certified(clients: Clients, id: str) -> None:
    gateway = clients.gateway
    gateway.keep_operators_quiet()
    await clients.ask("newt_sendTask", task_params(operation_id=id))
    gateway.head = replace(HEAD, number=BlockNumber(HEAD.number + WINDOWS.creation))
    async with asyncio.timeout(20):
        while gateway.desk.running():
            gateway.clock.advance(31)  # its patience, then its pause
            await asyncio.sleep(0.002)
    gateway.head = HEAD
    gateway.let_operators_answer()


async def poisoned(clients: Clients, id: str) -> None:
    await clients.ask("headrace_submit", submission(operation_id=id))
    listening = await clients.listening_to(f"headrace.operation.{id}")
    waiting = await waiter(clients, id)
    await clients.gateway.end(id, Outcome.REJECTED)
    assert (await waiting)["result"]["outcome"] == "rejected"
    await listening.close()


async def cancelled(clients: Clients, id: str) -> None:
    await clients.ask("headrace_submit", submission(operation_id=id))
    waiting = await waiter(clients, id)
    await clients.ask("headrace_cancelOperation", {"operation_id": id})
    assert (await waiting)["result"]["outcome"] == "cancelled"


async def hung_up_on_while_the_operators_are_asked(clients: Clients, id: str) -> None:
    gateway = clients.gateway
    gateway.keep_operators_quiet()
    asking = asyncio.create_task(clients.ask("newt_createTask", task_params(operation_id=id, timeout=100)))
    await until(lambda: gateway.desk.running() == 1)
    asking.cancel()
    await until(lambda: gateway.desk.running() == 0)
    gateway.let_operators_answer()


async def hung_up_on_while_somebody_waits(clients: Clients, id: str) -> None:
    await clients.ask("headrace_submit", submission(operation_id=id))
    listening = await clients.listening_to(f"headrace.operation.{id}")
    waiting = await waiter(clients, id)
    waiting.cancel()
    await listening.close()


async def waiter(clients: Clients, id: str) -> asyncio.Task[Any]:
    before = clients.gateway.topics.listeners
    params = {"operation_id": id, "until": "final", "timeout": 100}
    waiting = asyncio.create_task(clients.ask("headrace_waitOperation", params))
    await until(lambda: clients.gateway.topics.listeners > before)
    return waiting


ENDINGS: tuple[Callable[[Clients, str], Awaitable[None]], ...] = (
    answered,
    answered_over_the_web_socket,
    refused_by_policy,
    without_quorum_in_time,
    said_yes_to_and_never_certified,
    poisoned,
    cancelled,
    hung_up_on_while_the_operators_are_asked,
    hung_up_on_while_somebody_waits,
)


async def test_after_tasks_of_every_ending_nothing_of_them_is_held(gateway: Gateway) -> None:
    before = held(gateway)
    assert replace(before, tasks=0) == Held(*([0] * 10))
    async with serve(gateway.app) as (host, port), aiohttp.ClientSession() as session:
        clients = Clients(gateway, session, f"http://{host}:{port}")
        for end in ENDINGS:
            for number in range(MANY):
                await end(clients, f"{end.__name__}-{number}")
                # A client's end of a connection is closed before ours hears of it.
                await until(lambda: replace(held(gateway), tasks=0) == replace(before, tasks=0))
        # The sessions of the clients and the server's own tasks end with them.
    await until(lambda: held(gateway) == before)

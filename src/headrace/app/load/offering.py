"""Makes the requests of an open loop, each at its moment.

Promises  request i is due at start + i / rate and is made then, whether or not earlier ones were answered.
          Requests at work are bounded by rate x their deadline. However this ends, each offered one has its entry.
Leaves    a request itself to `gateway_calls`, users who wait for answers to `users_process`.
"""

import asyncio
from collections.abc import Awaitable, Callable

from headrace.app.load.gateway_calls import GatewayCalls
from headrace.app.load.journal import Entry, Journal, Unanswered
from headrace.app.load.profile import OpenLoop
from headrace.app.load.request import Asked, new_run_id, operation_name
from headrace.app.load.stopping import Stop
from headrace.app.load.task_source import TaskSource, TaskWish

ENDED_FIRST = Unanswered("the run was ended before an answer")


async def offer(
    profile: OpenLoop,
    source: TaskSource,
    gateway: GatewayCalls,
    journal: Journal,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    run_id: str | None = None,
    stop: Stop | None = None,
) -> None:
    """Returns when every request of `profile` is in the journal, or, once stopped, every one that was made.
    `run_id` is part of each operation id."""
    one = _Requests(source, gateway, journal, run_id or new_run_id())

    async def make_all() -> None:
        start_s = clock()
        for index in range(profile.requests):
            due_s = start_s + profile.due_s(index)
            await _until(due_s, clock, sleep)
            tasks.create_task(one.request(due_s), name=f"request {index}")

    async with asyncio.TaskGroup() as tasks:
        making = tasks.create_task(make_all(), name="schedule")
        if stop is not None:
            stopping = tasks.create_task(_cancel_when(stop.no_more, making), name="stop")
            making.add_done_callback(lambda made: stopping.cancel())


class _Requests:
    """Makes one request after another: the next task, the next id."""

    def __init__(self, source: TaskSource, gateway: GatewayCalls, journal: Journal, run_id: str) -> None:
        self._source = source
        self._gateway = gateway
        self._journal = journal
        self._run_id = run_id

    async def request(self, scheduled_at_s: float) -> None:
        operation_id = operation_name(self._run_id, self._journal.offered)
        wish: TaskWish = self._source.next()
        self._journal.offer(scheduled_at_s)
        asked = Asked(ENDED_FIRST, scheduled_at_s, None, 1)
        try:
            asked = await self._gateway.ask(wish, operation_id, scheduled_at_s)
        finally:
            self._journal.close_entry(
                Entry(
                    operation_id=operation_id,
                    kind=wish.kind,
                    policy_client=wish.policy_client,
                    scheduled_at_s=scheduled_at_s,
                    sent_at_s=asked.sent_at_s,
                    answered_at_s=asked.answered_at_s,
                    attempts=asked.attempts,
                    answer=asked.answer,
                )
            )


async def _cancel_when(event: asyncio.Event, task: "asyncio.Task[None]") -> None:
    await event.wait()
    task.cancel()


async def _until(moment_s: float, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
    while (rest_s := moment_s - clock()) > 0:
        await sleep(rest_s)

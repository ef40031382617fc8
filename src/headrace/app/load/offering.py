"""Makes the requests of a profile, each at its moment.

Promises  in an open loop request i is due at start + i / rate and is made then, whether or not earlier ones were
          answered. Requests at work are bounded by rate x their deadline, users by their number.
Leaves    a request itself to `gateway_calls`.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import assert_never

from headrace.app.load.gateway_calls import GatewayCalls
from headrace.app.load.journal import Entry, Journal
from headrace.app.load.profile import OpenLoop, Profile, Users
from headrace.app.load.task_source import TaskSource, TaskWish


async def offer(
    profile: Profile,
    source: TaskSource,
    gateway: GatewayCalls,
    journal: Journal,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    run_id: str | None = None,
) -> None:
    """Returns when every request of `profile` is in the journal. `run_id` is part of each operation id."""
    one = _Requests(source, gateway, journal, run_id or uuid.uuid4().hex[:12])
    async with asyncio.TaskGroup() as tasks:
        start_s = clock()
        match profile:
            case OpenLoop():
                for index in range(profile.requests):
                    due_s = start_s + profile.due_s(index)
                    await _until(due_s, clock, sleep)
                    tasks.create_task(one.request(due_s), name=f"request {index}")
            case Users():
                for user in range(profile.users):
                    await _until(start_s + user / profile.spawn_rate_per_s, clock, sleep)
                    tasks.create_task(
                        _user(profile, start_s + profile.seconds, one, clock, sleep), name=f"user {user}"
                    )
            case _:
                assert_never(profile)


class _Requests:
    """Makes one request after another: the next task, the next id."""

    def __init__(self, source: TaskSource, gateway: GatewayCalls, journal: Journal, run_id: str) -> None:
        self._source = source
        self._gateway = gateway
        self._journal = journal
        self._run_id = run_id

    async def request(self, scheduled_at_s: float) -> None:
        operation_id = f"load-{self._run_id}-{self._journal.offered:07d}"
        wish: TaskWish = self._source.next()
        self._journal.offer(scheduled_at_s)
        asked = await self._gateway.ask(wish, operation_id, scheduled_at_s)
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


async def _user(
    profile: Users,
    end_s: float,
    one: _Requests,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    while (asked_at_s := clock()) < end_s:
        await one.request(asked_at_s)
        next_s = asked_at_s + profile.pacing_s
        if next_s >= end_s:
            return
        await _until(next_s, clock, sleep)


async def _until(moment_s: float, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
    while (rest_s := moment_s - clock()) > 0:
        await sleep(rest_s)

"""Follows accepted tasks to the chain while a run goes on, and says when the run is over.

Owns      the live counts and the end of a run.
Promises  a step costs as much as tasks are under way, not as tasks there are; a reorg puts tasks back under way.
Leaves    the final figures to `app.report`, which looks at everything again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from enum import Enum

from headrace.app.chain_watch import ChainRecord
from headrace.app.load.journal import Accepted, Journal, Refused
from headrace.app.load.stopping import Stop
from headrace.app.load.task_source import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCounts:
    """`created` and `responded` are on chain. `failed` failed on chain, or are known to be rejected, and have no
    effect so far; `in_flight` are the other accepted ones without effect. `waiting` have no answer yet."""

    elapsed_s: float
    offered: int
    waiting: int
    accepted: int
    refused: int
    created: int
    responded: int
    failed: int
    in_flight: int
    block: int | None


class Ended(Enum):
    """Why a run is over."""

    ALL_LANDED = "every accepted valid task has its effect on chain"
    LATE_LIMIT = "the late limit has passed since the last request"
    STOPPED = "a person did not want to wait any longer"


class Landing:
    """`rejected` are operation ids known to have ended without effect; the caller may add to it while we run."""

    def __init__(self, journal: Journal, record: ChainRecord, *, rejected: Collection[str] = ()) -> None:
        self._journal = journal
        self._record = record
        self._rejected = rejected
        self._read = 0  # entries of the journal
        self._accepted: list[tuple[str, bytes, Kind]] = []
        self._refused = 0
        self._under_way: dict[str, tuple[bytes, Kind]] = {}
        self._responded = 0
        self._removed = 0

    def step(self, elapsed_s: float) -> LiveCounts:
        """Takes in new answers and new blocks."""
        for entry in self._journal.entries[self._read :]:
            if isinstance(entry.answer, Accepted):
                self._accepted.append((entry.operation_id, entry.answer.task_id, entry.kind))
                self._under_way[entry.operation_id] = (entry.answer.task_id, entry.kind)
            elif isinstance(entry.answer, Refused):
                self._refused += 1
        self._read = len(self._journal.entries)
        if self._record.blocks_removed != self._removed:
            self._removed = self._record.blocks_removed
            self._under_way = {operation: (task, kind) for operation, task, kind in self._accepted}
            self._responded = 0

        created = failed = 0
        landed: list[str] = []
        for operation, (task, _kind) in self._under_way.items():
            seen = self._record.tasks.get(task)
            if seen is not None and seen.responded is not None:
                landed.append(operation)
                continue
            created += seen is not None and seen.created is not None
            failed += operation in self._rejected or (seen is not None and bool(seen.failures))
        for operation in landed:
            del self._under_way[operation]
        self._responded += len(landed)
        return LiveCounts(
            elapsed_s=elapsed_s,
            offered=self._journal.offered,
            waiting=self._journal.waiting,
            accepted=len(self._accepted),
            refused=self._refused,
            created=created + self._responded,
            responded=self._responded,
            failed=failed,
            in_flight=len(self._under_way) - failed,
            block=self._record.last_block,
        )

    @property
    def all_landed(self) -> bool:
        """Whether nothing is worth waiting for: what is left is poison, or known to be rejected."""
        return all(
            kind is Kind.POISON or operation in self._rejected for operation, (_, kind) in self._under_way.items()
        )


async def finish_when(
    landing: Landing,
    journal: Journal,
    offering: "asyncio.Task[None]",
    *,
    late_limit_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    on_counts: Callable[[LiveCounts], None] = lambda counts: None,
    step_s: float = 0.25,
    stop: Stop | None = None,
) -> Ended:
    """Waits until all requests are answered and every accepted valid task has its effect on chain, or until
    `late_limit_s` after the last request was due, or until `stop.now`. Poison is not waited for: it never
    lands."""
    start_s = clock()
    while True:
        on_counts(landing.step(clock() - start_s))
        if stop is not None and stop.now.is_set():
            return Ended.STOPPED
        if offering.done():
            offering.result()  # what broke the offering breaks the run
            if landing.all_landed:
                return Ended.ALL_LANDED
            last_s = journal.last_scheduled_s
            if last_s is None or clock() >= last_s + late_limit_s:
                return Ended.LATE_LIMIT
        await sleep(step_s)

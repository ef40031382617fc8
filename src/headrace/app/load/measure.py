"""One run from the first request to its end: watch the chain, sample the processes, offer, wait.

Leaves    processes, contracts and policy clients to the caller; figures to `app.report`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from headrace.app.chain_watch import ChainRecord, ChainWatch
from headrace.app.load.journal import Journal
from headrace.app.load.landing import Ended, Landing, LiveCounts, finish_when
from headrace.app.load.process_stats import ProcessStats, Use
from headrace.app.load.stopping import Stop

# Makes the requests of a run and returns when each of them has its entry in the journal.
Offer = Callable[[Journal], Awaitable[None]]


class ChainNotSeen(Exception):
    """The watcher could not see a single block, so nothing would have been measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRun:
    """All that was seen in one run. Times in seconds on the clock of the run."""

    journal: Journal
    record: ChainRecord
    started_at_s: float
    ended_at_s: float
    ended: Ended
    use: Mapping[str, Use]


async def measure(
    offer: Offer,
    watch: ChainWatch,
    *,
    journal: Journal | None = None,
    late_limit_s: float = 180.0,
    rejected: Collection[str] = (),
    stats: ProcessStats | None = None,
    on_counts: Callable[[LiveCounts], None] = lambda counts: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    see_chain_within_s: float = 30.0,
    stop: Stop | None = None,
) -> LoadRun:
    """Has the load offered and returns when the run is over (see `finish_when`).

    `watch` is not running yet and has the same `clock`, which is that of the journal's entries. Raises
    ChainNotSeen before any request was made, ChainRewritten where a reorg makes what was seen worthless, and what
    `offer` raises.
    """
    journal = journal if journal is not None else Journal()
    landing = Landing(journal, watch.record, rejected=rejected)
    stats = stats or ProcessStats({})
    try:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch.run(), name="chain watch")
            await _see_chain(watch, see_chain_within_s)
            sampling = tasks.create_task(stats.run(), name="process stats")
            started_at_s = clock()
            offering = tasks.create_task(_awaited(offer, journal), name="offering")
            ended = await finish_when(
                landing,
                journal,
                offering,
                late_limit_s=late_limit_s,
                clock=clock,
                sleep=sleep,
                on_counts=on_counts,
                stop=stop,
            )
            stats.sample()
            ended_at_s = clock()
            offering.cancel()
            watching.cancel()
            sampling.cancel()
    except BaseExceptionGroup as group:
        raise innermost(group) from group
    return LoadRun(
        journal=journal,
        record=watch.record,
        started_at_s=started_at_s,
        ended_at_s=ended_at_s,
        ended=ended,
        use=stats.use(),
    )


async def _awaited(offer: Offer, journal: Journal) -> None:
    await offer(journal)


async def _see_chain(watch: ChainWatch, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await watch.started.wait()
    except TimeoutError:
        raise ChainNotSeen(f"no block seen in {within_s:.0f} s: {watch.trouble or 'the node has none'}") from None


def innermost(error: BaseException) -> BaseException:
    """The one error that ended the run; a group where there were several at once."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error

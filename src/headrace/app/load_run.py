"""One load run against one gateway, from the first request to the report: what `demo` and `loadtest` share."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from headrace.app.chain_watch import ChainWatch
from headrace.app.load.carrying_out import Asking, carry_out
from headrace.app.load.endings import SaidEnding, ask_endings
from headrace.app.load.journal import Accepted, Journal
from headrace.app.load.landing import Ended, LiveCounts
from headrace.app.load.machine import machine
from headrace.app.load.measure import LoadRun, measure
from headrace.app.load.process_stats import ProcessStats
from headrace.app.load.profile import Profile
from headrace.app.load.progress import LoadProgress
from headrace.app.load.replies import Method
from headrace.app.load.request import GatewayLimits
from headrace.app.load.stopping import Stop
from headrace.app.load.task_source import PolicyClient
from headrace.app.report import Deployment, Limits, build_report
from headrace.app.report_shape import Report

# Outcomes follow the chain by some confirmations; where tasks never landed nothing is about to end.
ENDINGS_WITHIN_S = 60.0
ENDINGS_AFTER_LATE_LIMIT_S = 2.0


Then = Callable[[LoadRun, Report], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`contracts`: TaskManager, and the batch contract where there is one. `pids` by role."""

    gateway_url: str
    chain_url: str
    chain_ws_url: str | None
    chain_id: int
    contracts: Sequence[bytes]
    pids: Mapping[str, Sequence[int]]


async def run_load(
    command: str,
    target: Target,
    profile: Profile,
    clients: Sequence[PolicyClient],
    *,
    deployment: Deployment,
    limits: Limits,
    send_only: bool = False,
    seed: int = 0,
    journal_file: Path | None = None,
    on_counts: Callable[[LiveCounts], None] | None = None,
    then: Then | None = None,
    stop: Stop | None = None,
) -> Report:
    """Offers the load, waits for the chain, asks how those ended that left no trace. `then` is given what the
    report was made of; `stop` ends the load before its time. Raises ChainNotSeen; with users LocustMissing and
    UsersFailed, too."""
    with Journal(journal_file) as journal:
        loaded = await load(
            target,
            profile,
            clients,
            journal=journal,
            limits=limits,
            stats=ProcessStats(target.pids),
            send_only=send_only,
            seed=seed,
            on_counts=on_counts,
            stop=stop,
        )
    report = report_of(command, loaded, loaded.profile, deployment=deployment, limits=limits)
    if then is not None:
        then(loaded.run, report)
    return report


@dataclass(frozen=True, slots=True)
class Loaded:
    """A load that is over, as it was carried out (on locust's page a person may have changed how many users there
    were: these are the most at once), and what the gateway says of operations without effect on chain."""

    profile: Profile
    run: LoadRun
    endings: Mapping[str, SaidEnding]


async def load(
    target: Target,
    profile: Profile,
    clients: Sequence[PolicyClient],
    *,
    journal: Journal,
    limits: Limits,
    stats: ProcessStats,
    send_only: bool = False,
    seed: int = 0,
    patience: GatewayLimits | None = None,
    from_block: int | None = None,
    rejected: Collection[str] = (),
    on_counts: Callable[[LiveCounts], None] | None = None,
    stop: Stop | None = None,
) -> Loaded:
    """What `run_load` does before the report, for those who bring their own journal and statistics.

    `from_block`: watched from here on (default: the newest), at least as deep as the first reorg may be.
    `rejected`: operations known to have ended without effect; it may grow meanwhile."""
    watch = ChainWatch(target.chain_url, target.contracts, ws_url=target.chain_ws_url, from_block=from_block)
    asking = Asking(
        url=target.gateway_url,
        clients=clients,
        chain_id=target.chain_id,
        seed=seed,
        method=Method.SEND_TASK if send_only else Method.CREATE_TASK,
        limits=patience or GatewayLimits(),
    )
    progress = LoadProgress(profile.requests, trouble=lambda: watch.trouble)

    def show(counts: LiveCounts) -> None:
        progress.update(counts)
        if on_counts is not None:
            on_counts(counts)

    with progress:
        async with asking.calls() as gateway:

            async def offer(journal: Journal) -> None:
                nonlocal profile
                profile = await carry_out(profile, asking, gateway, journal, stop=stop, say=progress.say)

            run = await measure(
                offer,
                watch,
                journal=journal,
                late_limit_s=limits.late_limit_s,
                rejected=rejected,
                stats=stats,
                on_counts=show,
                stop=stop,
            )
            endings = await ask_endings(
                gateway,
                _without_effect(run),
                until_s=time.monotonic()
                + (ENDINGS_WITHIN_S if run.ended is Ended.ALL_LANDED else ENDINGS_AFTER_LATE_LIMIT_S),
                clock=time.monotonic,
            )
    return Loaded(profile, run, endings)


def report_of(command: str, loaded: Loaded, profile: Profile, *, deployment: Deployment, limits: Limits) -> Report:
    return build_report(
        command=command,
        profile=profile,
        deployment=deployment,
        run=loaded.run,
        limits=limits,
        endings=loaded.endings,
        date=datetime.now(UTC).date().isoformat(),
        machine=machine(),
    )


def _without_effect(run: LoadRun) -> list[str]:
    tasks = run.record.tasks
    return [
        entry.operation_id
        for entry in run.journal.entries
        if isinstance(entry.answer, Accepted)
        and ((seen := tasks.get(entry.answer.task_id)) is None or seen.responded is None)
    ]


def share_on_time(report: Report) -> float:
    """Of the valid requests that were due to land, the part whose effect was in a block in time: 0 to 1. What was
    poisoned on purpose is left out; nothing due at all is 0."""
    percent = report["valid"]["on_time_percent"]
    return 0.0 if percent is None else percent / 100

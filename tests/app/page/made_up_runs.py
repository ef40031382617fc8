"""Runs that never were, with their reports, to be drawn."""

from dataclasses import dataclass

from app.load.made_up import block, created, entry, journal_of, record_of, responded, transaction
from headrace.app.chain_watch.record import BlockContent
from headrace.app.load.journal import Entry, Refused, Unanswered
from headrace.app.load.landing import Ended
from headrace.app.load.measure import LoadRun
from headrace.app.load.process_stats import Use
from headrace.app.load.profile import OpenLoop
from headrace.app.report import Deployment, Limits, build_report
from headrace.app.report_shape import Report

START_S = 500.0
BLOCK_TIME_S = 2.0


@dataclass(frozen=True)
class MadeUp:
    run: LoadRun
    report: Report


def made_up(*entries: Entry, blocks: list[BlockContent], machine: str = "2 cores") -> MadeUp:
    run = LoadRun(
        journal=journal_of(*entries),
        record=record_of(*blocks),
        started_at_s=START_S,
        ended_at_s=START_S + 10_000,
        ended=Ended.ALL_LANDED,
        use={"gateway": Use(cpu_s=1.5, rss_peak_mb=80.0, rss_last_mb=70.0, samples=())},
    )
    report = build_report(
        command="demo",
        profile=OpenLoop(rate_per_s=10, seconds=60),
        deployment=Deployment(block_time_s=BLOCK_TIME_S, gas_limit=60_000_000, recording="combined"),
        run=run,
        limits=Limits(),
        date="2026-11-22",
        machine=machine,
    )
    return MadeUp(run, report)


def a_run(*, tasks: int = 40, per_transaction: int = 7, machine: str = "2 cores") -> MadeUp:
    """Tasks at ten a second, a transaction in each block; three more are refused, unanswered and never seen."""
    entries = [entry(n, at_s=START_S + n / 10, took_s=0.01 * (n % 5 + 1)) for n in range(tasks)]
    last_s = START_S + tasks / 10
    entries += [
        entry(tasks, at_s=last_s, answer=Refused(-32615, "no")),
        entry(tasks + 1, at_s=last_s, took_s=None, answer=Unanswered("silence")),
        entry(tasks + 2, at_s=last_s),
    ]
    blocks = []
    for number, first in enumerate(range(0, tasks, per_transaction)):
        ids = range(first, min(first + per_transaction, tasks))
        events = [event for n in ids for event in (created(n), responded(n))]
        carrier = transaction(number, *events, gas=50_000 + 200_000 * len(ids), fee_wei=10**9)
        blocks.append(block(number + 1, carrier, seen_at_s=START_S + ids[-1] / 10 + 1.5))
    return made_up(*entries, blocks=blocks, machine=machine)

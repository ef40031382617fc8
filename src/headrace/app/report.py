"""Joins what was asked (the journal) with what the chain showed (the watcher's record) into one report.

Owns      the report's shape (version 1) and the arithmetic behind each figure.
Promises  the four outcomes are disjoint and sum to `accepted`; percentiles are measured values (nearest rank);
          times count from the scheduled moment of a request to the moment the watcher saw the block.
Leaves    showing it to `report_table`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from headrace.app.chain_watch import TaskSeen
from headrace.app.chain_watch.pace import block_time_s
from headrace.app.load.endings import SaidEnding
from headrace.app.load.journal import Accepted, Entry, Refused, Unanswered
from headrace.app.load.measure import LoadRun
from headrace.app.load.profile import OpenLoop, Profile
from headrace.app.load.replies import POLICY_REFUSED
from headrace.app.load.task_source import Kind
from headrace.app.percentiles import percentiles
from headrace.app.report_costs import Carried
from headrace.app.report_shape import VERSION, Outcomes, Part, ProfileFacts, Report

WITH_EFFECT: Final = frozenset({"landed", "already_done"})  # outcomes in the words of the gateway's API


class LandedAs(Enum):
    """What became of an accepted request. Disjoint: each has exactly one."""

    ON_TIME = "on_time"  # its effect was seen in a block within the limit
    LATE = "late"  # later than that, but before the run ended
    FAILED = "failed"  # it failed on chain or is known to be rejected, and has no effect
    NEVER = "never"  # no effect, and nobody knows why


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    on_time_s: float = 60.0
    late_limit_s: float = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What the load ran against, as far as the caller knows it. A block time it does not know is what was seen."""

    block_time_s: float | None = None
    gas_limit: int | None = None
    fork: str | None = None
    recording: str | None = None
    submitter: str | None = None
    replicas: int | None = None
    lanes: int | None = None
    store: str | None = None


def build_report(
    *,
    command: str,
    profile: Profile,
    deployment: Deployment,
    run: LoadRun,
    limits: Limits,
    endings: Mapping[str, SaidEnding] | None = None,
    date: str | None = None,
    machine: str | None = None,
) -> Report:
    """`endings`: what the gateway says of operations without effect on chain, by operation id (`ask_endings`)."""
    endings = endings or {}
    rejected = frozenset(id_ for id_, ending in endings.items() if ending.outcome not in WITH_EFFECT)
    entries = run.journal.entries
    accepted = [(entry, entry.answer.task_id) for entry in entries if isinstance(entry.answer, Accepted)]
    judged = [
        (entry, _judge(entry, run.record.tasks.get(task), rejected, limits, run.ended_at_s))
        for entry, task in accepted
    ]
    carried = Carried.by(run.record, frozenset(task for _, task in accepted))
    report: Report = {
        "version": VERSION,
        "command": command,
        "profile": _profile_facts(profile, deployment, limits, block_time_s(run.record)),
        "offered": run.journal.offered,
        "accepted": len(accepted),
        "refused": sum(isinstance(entry.answer, Refused) for entry in entries),
        "outcomes": _outcomes(landed for _, landed in judged),
        "http_s": percentiles(_answered(entries)),
        "answer_s": percentiles(
            _answered(e for e in entries if isinstance(e.answer, Accepted) and e.answer.certified)
        ),
        "onchain_create_s": percentiles(
            seen.created.seen_at_s - entry.scheduled_at_s
            for entry, task in accepted
            if (seen := run.record.tasks.get(task)) is not None and seen.created is not None
        ),
        "onchain_e2e_s": percentiles(
            seen.responded.seen_at_s - entry.scheduled_at_s
            for entry, task in accepted
            if (seen := run.record.tasks.get(task)) is not None and seen.responded is not None
        ),
        "transactions": carried.transactions,
        "blocks": carried.blocks,
        "operations_per_transaction": carried.per_transaction,
        "gas_per_operation": carried.gas_per_operation,
        "gas_total": carried.gas_total,
        "cost_wei": str(carried.cost_wei),
        "cpu_s": {role: round(use.cpu_s, 2) for role, use in run.use.items()},
        "rss_mb": {role: round(use.rss_peak_mb, 1) for role, use in run.use.items()},
        "unanswered": sum(isinstance(entry.answer, Unanswered) for entry in entries),
        "tries": sum(entry.attempts for entry in entries),
        "valid": _part(
            [landed for entry, landed in judged if entry.kind is not Kind.POISON],
            turned_away=sum(_turned_away(entry) for entry in entries if entry.kind is Kind.GOOD),
        ),
        "poisoned": _part(
            [landed for entry, landed in judged if entry.kind is Kind.POISON],
            turned_away=sum(_turned_away(entry) for entry in entries if entry.kind is Kind.POISON),
        ),
        "refused_by": dict(
            Counter(_why(e.answer) for e in entries if isinstance(e.answer, Refused)).most_common()
        ),
        "rejected_by": dict(
            Counter(
                f"{ending.outcome}: {ending.revert}" if ending.revert else ending.outcome
                for id_, ending in endings.items()
                if id_ in rejected
            ).most_common()
        ),
        "chain": {
            "blocks_seen": run.record.blocks_seen,
            "first_block": run.record.first_block,
            "last_block": run.record.last_block,
            "blocks_removed": run.record.blocks_removed,
            "reverted_transactions": carried.reverted,
            "done_twice": carried.done_twice,
        },
        "rss_last_mb": {role: round(use.rss_last_mb, 1) for role, use in run.use.items()},
        "ended": run.ended.name.lower(),
        "duration_s": round(run.ended_at_s - run.started_at_s, 3),
    }
    if date is not None:
        report["date"] = date
    if machine is not None:
        report["machine"] = machine
    assert sum(_counts(report["outcomes"])) == report["accepted"], report["outcomes"]
    return report


def _judge(
    entry: Entry, seen: TaskSeen | None, rejected: Collection[str], limits: Limits, ended_at_s: float
) -> LandedAs:
    """The effect of a task is its response on chain: a creation alone is half of what was asked."""
    if seen is not None and seen.responded is not None and seen.responded.seen_at_s <= ended_at_s:
        took_s = seen.responded.seen_at_s - entry.scheduled_at_s
        return LandedAs.ON_TIME if took_s <= limits.on_time_s else LandedAs.LATE
    if entry.operation_id in rejected or (seen is not None and seen.failures):
        return LandedAs.FAILED
    return LandedAs.NEVER


def _profile_facts(
    profile: Profile, deployment: Deployment, limits: Limits, block_time_seen_s: float | None
) -> ProfileFacts:
    return {
        "rate_per_s": profile.rate_per_s if isinstance(profile, OpenLoop) else None,
        "seconds": profile.seconds,
        "users": None if isinstance(profile, OpenLoop) else profile.users,
        "block_time_s": block_time_seen_s if deployment.block_time_s is None else deployment.block_time_s,
        "gas_limit": deployment.gas_limit,
        "fork": deployment.fork,
        "recording": deployment.recording,
        "submitter": deployment.submitter,
        "replicas": deployment.replicas,
        "lanes": deployment.lanes,
        "store": deployment.store,
        "spawn_rate_per_s": None if isinstance(profile, OpenLoop) else profile.spawn_rate_per_s,
        "pacing_s": None if isinstance(profile, OpenLoop) else profile.pacing_s,
        "on_time_s": limits.on_time_s,
        "late_limit_s": limits.late_limit_s,
    }


def _part(landed: Collection[LandedAs], *, turned_away: int) -> Part:
    outcomes = _outcomes(landed)
    due = len(landed) + turned_away
    return {
        "due": due,
        "accepted": len(landed),
        "outcomes": outcomes,
        "on_time_percent": 100 * outcomes["on_time"] / due if due else None,
    }


def _turned_away(entry: Entry) -> bool:
    """Whether the gateway failed a request: no answer, or a no that is not the policy's."""
    match entry.answer:
        case Accepted():
            return False
        case Refused(code=code):
            return code != POLICY_REFUSED
        case Unanswered():
            return True
        case _:
            assert_never(entry.answer)


def _outcomes(landed: Iterable[LandedAs]) -> Outcomes:
    counts = Counter(landed)
    return {
        "on_time": counts[LandedAs.ON_TIME],
        "late": counts[LandedAs.LATE],
        "failed": counts[LandedAs.FAILED],
        "never": counts[LandedAs.NEVER],
    }


def _counts(outcomes: Outcomes) -> tuple[int, int, int, int]:
    return outcomes["on_time"], outcomes["late"], outcomes["failed"], outcomes["never"]


def _answered(entries: Iterable[Entry]) -> Iterable[float]:
    return (e.answered_at_s - e.scheduled_at_s for e in entries if e.answered_at_s is not None)


def _why(answer: Refused) -> str:
    return str(answer.code) if answer.code is not None else answer.message

"""Judges one step: a rate that was offered for some seconds. No I/O.

Owns      what *sustained* means: every due task is on chain in time, answers come in time, and the time to the
          chain does not climb while the load goes on (what climbs is a queue, however short it still is).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.app.chain_watch import ChainRecord
from headrace.app.load.journal import Accepted, Entry
from headrace.app.load_run import share_on_time
from headrace.app.percentiles import nearest_rank
from headrace.app.report_shape import Report
from headrace.app.throughput.shares import Share, shares_of

ANSWER_P99_MOST_S: Final = 3.0  # within which a caller of newt_createTask is promised its certificate
CLIMB_BLOCKS_MOST: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`on_chain_p50_s`: of the requests of each quarter of the step. `landed_per_s`: from the first request to the
    block that brought the last. `client_late_p99_s`: how late our own load client sent. `gas_percent`: of a block,
    on average while the load went on."""

    rate_per_s: int
    report: Report
    on_chain_p50_s: Sequence[float]
    landed_per_s: float
    client_late_p99_s: float
    cpu_s: Mapping[str, float]
    shares: Sequence[Share]
    why_not: str | None

    @property
    def sustained(self) -> bool:
        return self.why_not is None


def step_of(
    rate_per_s: int,
    seconds: float,
    report: Report,
    entries: Sequence[Entry],
    record: ChainRecord,
    *,
    started_at_s: float,
    cpu_s: Mapping[str, float],
    cores: int,
    gas_limit: int,
    block_time_s: float,
) -> Step:
    """`cpu_s` by role while the load was offered: `seconds` from `started_at_s`."""
    landed = [
        (entry, seen.responded.seen_at_s)
        for entry in entries
        if isinstance(entry.answer, Accepted)
        and (seen := record.tasks.get(entry.answer.task_id)) is not None
        and seen.responded is not None
    ]
    quarters = _quarters(landed, started_at_s, seconds)
    last_s = max((at_s for _, at_s in landed), default=started_at_s)
    late = sorted(entry.sent_at_s - entry.scheduled_at_s for entry in entries)
    return Step(
        rate_per_s=rate_per_s,
        report=report,
        on_chain_p50_s=quarters,
        landed_per_s=len(landed) / (last_s - started_at_s) if landed else 0.0,
        client_late_p99_s=nearest_rank(late, 99) if late else 0.0,
        cpu_s=cpu_s,
        shares=shares_of(
            cpu_s,
            seconds=seconds,
            cores=cores,
            gas_per_block=_gas_per_block(record, started_at_s, seconds),
            gas_limit=gas_limit,
        ),
        why_not=_why_not(report, quarters, block_time_s),
    )


def _why_not(report: Report, quarters: Sequence[float], block_time_s: float) -> str | None:
    if share_on_time(report) < 1:
        return f"{report['valid']['on_time_percent'] or 0:.2f} % on time"
    answer_s = report["answer_s"]["p99"]
    if answer_s is None or answer_s > ANSWER_P99_MOST_S:
        return "no answers" if answer_s is None else f"answers take {answer_s:.1f} s (p99)"
    if len(quarters) == 4 and quarters[3] - quarters[1] > CLIMB_BLOCKS_MOST * block_time_s:
        return f"the way to the chain grows from {quarters[1]:.1f} to {quarters[3]:.1f} s"
    return None


def _quarters(landed: Sequence[tuple[Entry, float]], started_at_s: float, seconds: float) -> list[float]:
    """The median of each; fewer than four where one has none."""
    times: list[list[float]] = [[], [], [], []]
    for entry, at_s in landed:
        quarter = min(int(4 * (entry.scheduled_at_s - started_at_s) / seconds), 3)
        times[max(quarter, 0)].append(at_s - entry.scheduled_at_s)
    return [round(nearest_rank(sorted(some), 50), 3) for some in times if some]


def _gas_per_block(record: ChainRecord, started_at_s: float, seconds: float) -> float:
    blocks = {n for n, at_s in record.block_seen_at_s.items() if started_at_s < at_s <= started_at_s + seconds}
    gas = sum(t.gas_used for t in record.transactions.values() if t.sighting.block_number in blocks)
    return gas / len(blocks) if blocks else 0.0

"""What a page draws of one run, from the run itself and not from its report.

Owns      which moments, spans and transactions each chart shows.
Promises  it is bounded: curves and transactions are thinned out (`thinning`), and it says how many there were.
Leaves    how it looks to `charts`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.app.load.journal import Accepted
from headrace.app.load.measure import LoadRun
from headrace.app.page.thinning import Curve, counted, extremes, shares
from headrace.app.report_costs import Ride, rides

TRANSACTIONS_MAX: Final = 1500  # drawn in a chart


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """One transaction that carried tasks of this run. `seen_s` since the first request."""

    block: int
    seen_s: float
    hash: bytes
    tasks: int
    did: str
    gas_used: int

    @property
    def gas_per_task(self) -> float:
        return self.gas_used / self.tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Curves over time, in seconds since the first request: `offered`, `answered` (yes or no), `created`,
    `responded`. Curves over how long it took, in seconds, in per cent of what was offered (`answer_took`) or
    accepted (the others). `by_size` and `by_gas` are those of `transactions` whose size, and whose gas a task, is
    shown."""

    offered: Curve
    answered: Curve
    created: Curve
    responded: Curve
    answer_took: Curve
    create_took: Curve
    response_took: Curve
    transactions: int
    by_size: Sequence[Mined]
    by_gas: Sequence[Mined]
    on_time_s: float
    block_time_s: float | None


def series_of(
    run: LoadRun, *, on_time_s: float, block_time_s: float | None, transactions_max: int = TRANSACTIONS_MAX
) -> Series:
    entries = run.journal.entries
    accepted = [(entry, entry.answer.task_id) for entry in entries if isinstance(entry.answer, Accepted)]
    answered = [(entry, entry.answered_at_s) for entry in entries if entry.answered_at_s is not None]
    seen = [(entry, run.record.tasks.get(task)) for entry, task in accepted]
    created = [
        (entry, one.created.seen_at_s) for entry, one in seen if one is not None and one.created is not None
    ]
    responded = [
        (entry, one.responded.seen_at_s)
        for entry, one in seen
        # As in the report: what came after the end of the run was never there.
        if one is not None and one.responded is not None and one.responded.seen_at_s <= run.ended_at_s
    ]
    # Of the first request: people take their time to arrive.
    start_s = min((entry.scheduled_at_s for entry in entries), default=run.started_at_s)
    last_s = max((at_s for _, at_s in (*answered, *created, *responded)), default=start_s)

    def over_time(moments: Iterable[float]) -> Curve:
        return counted((at_s - start_s for at_s in moments), until_s=last_s - start_s)

    mined = [_mined(ride, start_s) for ride in rides(run.record, frozenset(task for _, task in accepted))]
    return Series(
        offered=over_time(entry.scheduled_at_s for entry in entries),
        answered=over_time(at_s for _, at_s in answered),
        created=over_time(at_s for _, at_s in created),
        responded=over_time(at_s for _, at_s in responded),
        answer_took=shares((at_s - entry.scheduled_at_s for entry, at_s in answered), of=len(entries)),
        create_took=shares((at_s - entry.scheduled_at_s for entry, at_s in created), of=len(accepted)),
        response_took=shares((at_s - entry.scheduled_at_s for entry, at_s in responded), of=len(accepted)),
        transactions=len(mined),
        by_size=extremes(mined, transactions_max, by=lambda one: one.tasks),
        by_gas=extremes(mined, transactions_max, by=lambda one: one.gas_per_task),
        on_time_s=on_time_s,
        block_time_s=block_time_s,
    )


def _mined(ride: Ride, start_s: float) -> Mined:
    return Mined(
        block=ride.seen.sighting.block_number,
        seen_s=ride.seen.sighting.seen_at_s - start_s,
        hash=ride.hash,
        tasks=ride.tasks,
        did=_did(ride),
        gas_used=ride.seen.gas_used,
    )


def _did(ride: Ride) -> str:
    if ride.created and ride.responded:
        return "create and respond"
    return "create" if ride.created else "respond"

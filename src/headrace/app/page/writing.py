"""From a run to its file. Imports plotly only when a page is written.

Leaves    checking that plotly is there, before the load, to the command line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.app.load.measure import LoadRun
from headrace.app.report_shape import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class RunToShow:
    """`name`: of the run, in a page of several."""

    run: LoadRun
    report: Report
    name: str = ""


def write_page(file: Path, title: str, runs: Sequence[RunToShow], *, again: str) -> None:
    """Raises OSError."""
    from headrace.app.page.document import Shown, page
    from headrace.app.page.series import series_of

    shown = [
        Shown(
            name=one.name,
            report=one.report,
            series=series_of(
                one.run,
                on_time_s=one.report["profile"]["on_time_s"],
                block_time_s=one.report["profile"]["block_time_s"],
            ),
        )
        for one in runs
    ]
    file.write_text(page(title, shown, again=again), encoding="utf-8")

"""Shows a run while it goes on, on stderr, for people.

Promises  nothing at all where stderr is no terminal, unless a line every few seconds is asked for.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from headrace.app.load.landing import LiveCounts


class LoadProgress:
    """`requests`: how many the profile makes in all, 0 where unknown. Hand `update` to whoever counts.

    `line_every_s`: without a terminal, print one plain line at most this often (None: stay silent).
    """

    def __init__(
        self,
        requests: int,
        *,
        console: Console | None = None,
        line_every_s: float | None = None,
        trouble: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._requests = requests
        self._console = console or Console(stderr=True)
        self._line_every_s = line_every_s
        self._trouble = trouble
        self._next_line_s = 0.0
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, counts: LiveCounts) -> None:
        if self._live is not None:
            self._live.update(self._picture(counts))
        elif self._line_every_s is not None and counts.elapsed_s >= self._next_line_s:
            self._next_line_s = counts.elapsed_s + self._line_every_s
            self._console.print(_line(counts, self._trouble()), soft_wrap=True, highlight=False)

    def say(self, text: str) -> None:
        """A line that stays, terminal or not."""
        self._console.print(text, soft_wrap=True, highlight=False)

    def _picture(self, counts: LiveCounts) -> Table:
        whole = max(self._requests, counts.offered, 1)
        table = Table.grid(padding=(0, 1))
        for _ in range(4):
            table.add_column()
        for name, value, colour in (
            ("offered", counts.offered, "blue"),
            ("accepted", counts.accepted, "cyan"),
            ("created", counts.created, "green"),
            ("responded", counts.responded, "green"),
        ):
            bar = ProgressBar(total=whole, completed=value, width=40, complete_style=colour, finished_style=colour)
            table.add_row(name, bar, f"{value:,}", f"{100 * value / whole:.0f} %")
        table.add_row("", _rest(counts))
        trouble = self._trouble()
        if trouble is not None:
            table.add_row("", f"[red]chain: {trouble}[/red]")
        return table


def _rest(counts: LiveCounts) -> str:
    parts = [f"{counts.elapsed_s:.0f} s", f"in flight {counts.in_flight:,}", f"waiting {counts.waiting:,}"]
    if counts.refused:
        parts.append(f"refused {counts.refused:,}")
    if counts.failed:
        parts.append(f"failed {counts.failed:,}")
    if counts.block is not None:
        parts.append(f"block {counts.block}")
    return ", ".join(parts)


def _line(counts: LiveCounts, trouble: str | None) -> str:
    line = (
        f"offered {counts.offered:,}, accepted {counts.accepted:,}, created {counts.created:,}, "
        f"responded {counts.responded:,}; {_rest(counts)}"
    )
    return line if trouble is None else f"{line}; chain: {trouble}"

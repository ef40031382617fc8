"""A report as tables for people: two headline numbers, then what they are made of, then how to read it.

Leaves    the numbers to `app.report`; this only writes them down.
"""

from collections.abc import Mapping
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from headrace.app.percentiles import Percentiles
from headrace.app.report_shape import Report

GWEI_WEI: Final = 10**9
ETHER_WEI: Final = 10**18
GOOD_PERCENT: Final = 99.0


def print_report(report: Report, console: Console) -> None:
    console.print(report_table(report))


def report_table(report: Report) -> RenderableType:
    tables = (_tasks(report), _times(report), _chain(report), _processes(report))
    spaced = [part for table in tables for part in (table, Text())]
    return Group(_headline(report), *spaced, _notes(report))


def _headline(report: Report) -> Text:
    """Share on time, of the tasks that could land; on-chain p50 and p99."""
    share = report["valid"]["on_time_percent"]
    e2e = report["onchain_e2e_s"]
    good = share is not None and share >= GOOD_PERCENT
    return Text.assemble(
        ("on time  ", "bold"),
        ("–" if share is None else f"{_floor_percent(share)} %", "bold green" if good else "bold red"),
        ("      request to chain  ", "bold"),
        (f"p50 {_seconds(e2e['p50'])}, p99 {_seconds(e2e['p99'])}", "bold cyan"),
        "\n",
    )


def _tasks(report: Report) -> Table:
    outcomes = report["outcomes"]
    table = _table("tasks", "")
    table.add_row("offered", _count(report["offered"]))
    table.add_row("accepted", _count(report["accepted"]))
    table.add_row("refused" + _listed(report["refused_by"]), _count(report["refused"]))
    if report["unanswered"]:
        table.add_row("[red]without an answer[/red]", _count(report["unanswered"]))
    table.add_row("on time", _count(outcomes["on_time"]))
    table.add_row("late", _count(outcomes["late"]))
    table.add_row("failed" + _listed(report["rejected_by"]), _count(outcomes["failed"]))
    table.add_row("never", _count(outcomes["never"]))
    if report["poisoned"]["accepted"]:
        table.add_row("of these: meant to revert on chain", _count(report["poisoned"]["accepted"]))
    if report["chain"]["done_twice"]:
        table.add_row("[red]done twice on chain[/red]", _count(report["chain"]["done_twice"]))
    return table


def _times(report: Report) -> Table:
    table = _table("seconds from schedule to", "p50", "p95", "p99", "max")
    for name, values in (
        ("any answer", report["http_s"]),
        ("answer with certificate", report["answer_s"]),
        ("task on chain", report["onchain_create_s"]),
        ("response on chain", report["onchain_e2e_s"]),
    ):
        table.add_row(name, *_row(values))
    return table


def _chain(report: Report) -> Table:
    per_transaction = report["operations_per_transaction"]
    table = _table("chain", "")
    table.add_row("transactions", _count(report["transactions"]))
    if report["chain"]["reverted_transactions"]:
        table.add_row("of these reverted", _count(report["chain"]["reverted_transactions"]))
    table.add_row("blocks that carry them", _count(report["blocks"]))
    table.add_row("tasks in a transaction", f"p50 {per_transaction['p50']}, max {per_transaction['max']}")
    table.add_row("gas a task", _count(report["gas_per_operation"]))
    table.add_row("gas in all", _count(report["gas_total"]))
    table.add_row("cost", _ether(int(report["cost_wei"])))
    if report["chain"]["blocks_removed"]:
        table.add_row("blocks taken back by reorgs", _count(report["chain"]["blocks_removed"]))
    return table


def _processes(report: Report) -> Table:
    table = _table("process", "CPU s", "peak MB", "last MB")
    for role, cpu_s in report["cpu_s"].items():
        table.add_row(
            role, f"{cpu_s:.1f}", f"{report['rss_mb'][role]:.0f}", f"{report['rss_last_mb'].get(role, 0):.0f}"
        )
    return table


def _notes(report: Report) -> Text:
    profile = report["profile"]
    who = (
        f"{profile['rate_per_s']:g} a second" if profile["rate_per_s"] is not None else f"{profile['users']} users"
    )
    against = ", ".join(
        text
        for value, text in (
            (profile["block_time_s"], f"a block every {profile['block_time_s']} s"),
            (profile["gas_limit"], f"gas limit {profile['gas_limit'] or 0:,}"),
            (profile["fork"], f"{profile['fork']}"),
            (profile["recording"], f"recording {profile['recording']}"),
            (profile["submitter"], f"submitter {profile['submitter']}"),
            (profile["store"], f"store {profile['store']}"),
        )
        if value is not None
    )
    lines = [
        f"{report['command']}: {who} for {profile['seconds']:g} s" + (f"; {against}" if against else ""),
        f"limit --on-time {profile['on_time_s']:g} s; never: not on chain --late-limit {profile['late_limit_s']:g}"
        " s after the last request",
        "times count from when a request was due; on chain: to when an independent watcher saw the block",
        "percentiles are measured values (nearest rank)",
    ]
    if report["rejected_by"]:
        lines.append("why tasks failed is the gateway's word; that they are not on chain is the watcher's")
    if "machine" in report:
        lines.append(report["machine"])
    return Text("\n".join(lines), style="dim")


def _table(first: str, *columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column(first, min_width=28)
    for column in columns:
        table.add_column(column, justify="right", min_width=9)
    return table


def _row(values: Percentiles) -> tuple[str, ...]:
    return tuple(_plain(values[name]) for name in ("p50", "p95", "p99", "max"))


def _plain(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.3f}"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f} s"


def _count(number: int) -> str:
    return f"{number:,}"


def _floor_percent(share: float) -> str:
    """Rounded down: 99.996 % must not read as all of them."""
    return f"{int(share * 100) / 100:.2f}".rstrip("0").rstrip(".")


def _ether(wei: int) -> str:
    return f"{wei / ETHER_WEI:.6f} ETH" if wei >= ETHER_WEI // 10**6 else f"{wei / GWEI_WEI:,.3f} gwei"


def _listed(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{name} x {count}' for name, count in counts.items())})" if counts else ""

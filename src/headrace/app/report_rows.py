"""A report as rows of text: what the terminal and the page both show.

Owns      the words for each figure, and how figures are rounded.
Leaves    the numbers to `app.report`, their looks to `report_table` and `app.page`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.app.percentiles import Percentiles
from headrace.app.report_shape import Report

GWEI_WEI: Final = 10**9
ETHER_WEI: Final = 10**18
GOOD_PERCENT: Final = 99.0


@dataclass(frozen=True, slots=True)
class Row:
    """`alarming`: nobody wants to see such a row."""

    name: str
    values: Sequence[str]
    alarming: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """`columns`: what the rows are about, then a heading for each value."""

    columns: Sequence[str]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Headline:
    """Share on time, of the tasks that could land; on-chain p50 and p99."""

    on_time: str
    good: bool
    to_chain: str


def headline(report: Report) -> Headline:
    share = report["valid"]["on_time_percent"]
    e2e = report["onchain_e2e_s"]
    return Headline(
        on_time="–" if share is None else f"{floor_percent(share)} %",
        good=share is not None and share >= GOOD_PERCENT,
        to_chain=f"p50 {_seconds(e2e['p50'])}, p99 {_seconds(e2e['p99'])}",
    )


def sections(report: Report) -> Sequence[Section]:
    return _tasks(report), _times(report), _chain(report), _processes(report)


def what_ran(report: Report) -> str:
    profile = report["profile"]
    who = (
        f"{profile['rate_per_s']:g} a second" if profile["rate_per_s"] is not None else f"{profile['users']} users"
    )
    return f"{report['command']}: {who} for {profile['seconds']:g} s"


def notes(report: Report) -> Sequence[str]:
    """What was run, and how to read it. A line each."""
    profile = report["profile"]
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
        what_ran(report) + (f"; {against}" if against else ""),
        f"limit --on-time {profile['on_time_s']:g} s; never: not on chain --late-limit {profile['late_limit_s']:g}"
        " s after the last request",
        "times count from when a request was due; on chain: to when an independent watcher saw the block",
        "percentiles are measured values (nearest rank)",
    ]
    if report["rejected_by"]:
        lines.append("why tasks failed is the gateway's word; that they are not on chain is the watcher's")
    if "machine" in report:
        lines.append(report["machine"])
    return lines


def _tasks(report: Report) -> Section:
    outcomes = report["outcomes"]
    rows = [
        _counted("offered", report["offered"]),
        _counted("accepted", report["accepted"]),
        _counted("refused" + _listed(report["refused_by"]), report["refused"]),
    ]
    if report["unanswered"]:
        rows.append(_counted("without an answer", report["unanswered"], alarming=True))
    rows += [
        _counted("on time", outcomes["on_time"]),
        _counted("late", outcomes["late"]),
        _counted("failed" + _listed(report["rejected_by"]), outcomes["failed"]),
        _counted("never", outcomes["never"]),
    ]
    if report["poisoned"]["accepted"]:
        rows.append(_counted("of these: meant to revert on chain", report["poisoned"]["accepted"]))
    if report["chain"]["done_twice"]:
        rows.append(_counted("done twice on chain", report["chain"]["done_twice"], alarming=True))
    return Section(("tasks", ""), rows)


def _times(report: Report) -> Section:
    rows = [
        Row(name, tuple(_plain(value) for value in _in_order(values)))
        for name, values in (
            ("any answer", report["http_s"]),
            ("answer with certificate", report["answer_s"]),
            ("task on chain", report["onchain_create_s"]),
            ("response on chain", report["onchain_e2e_s"]),
        )
    ]
    return Section(("seconds from schedule to", "p50", "p95", "p99", "max"), rows)


def _chain(report: Report) -> Section:
    per_transaction = report["operations_per_transaction"]
    rows = [_counted("transactions", report["transactions"])]
    if report["chain"]["reverted_transactions"]:
        rows.append(_counted("of these reverted", report["chain"]["reverted_transactions"]))
    rows += [
        _counted("blocks that carry them", report["blocks"]),
        Row("tasks in a transaction", (f"p50 {per_transaction['p50']}, max {per_transaction['max']}",)),
        _counted("gas a task", report["gas_per_operation"]),
        _counted("gas in all", report["gas_total"]),
        Row("cost", (_ether(int(report["cost_wei"])),)),
    ]
    if report["chain"]["blocks_removed"]:
        rows.append(_counted("blocks taken back by reorgs", report["chain"]["blocks_removed"]))
    return Section(("chain", ""), rows)


def _processes(report: Report) -> Section:
    rows = [
        Row(role, (f"{cpu_s:.1f}", f"{report['rss_mb'][role]:.0f}", f"{report['rss_last_mb'].get(role, 0):.0f}"))
        for role, cpu_s in report["cpu_s"].items()
    ]
    return Section(("process", "CPU s", "peak MB", "last MB"), rows)


def _counted(name: str, number: int, *, alarming: bool = False) -> Row:
    return Row(name, (f"{number:,}",), alarming)


def _in_order(values: Percentiles) -> tuple[float | None, ...]:
    return values["p50"], values["p95"], values["p99"], values["max"]


def _plain(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.3f}"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f} s"


def floor_percent(share: float) -> str:
    """Rounded down: 99.996 % must not read as all of them."""
    return f"{int(share * 100) / 100:.2f}".rstrip("0").rstrip(".")


def _ether(wei: int) -> str:
    return f"{wei / ETHER_WEI:.6f} ETH" if wei >= ETHER_WEI // 10**6 else f"{wei / GWEI_WEI:,.3f} gwei"


def _listed(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{name} x {count}' for name, count in counts.items())})" if counts else ""

"""A bench's result for people: two numbers, then the checks, then what they rest on, then how to repeat it."""

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from headrace.app.bench.findings import Check, Findings, Number
from headrace.app.bench.findings import Table as FoundTable
from headrace.app.bench.written import WrittenResult


def print_findings(findings: Findings, result: WrittenResult, console: Console) -> None:
    console.print(findings_shown(findings, result))


def findings_shown(findings: Findings, result: WrittenResult) -> RenderableType:
    tables = [_checks(findings), *(_table(table) for table in findings.tables)]
    spaced = [part for table in tables for part in (table, Text())]
    return Group(_headline(findings), *spaced, _notes(result))


def _headline(findings: Findings) -> Text:
    style = "bold green" if findings.hold else "bold red"
    text = Text()
    for one in findings.headline:
        text.append(f"{one.name}  ", "bold")
        text.append(f"{number_shown(one.value)} {one.unit}      ", style)
    text.rstrip()
    text.append("\n")
    return text


def _checks(findings: Findings) -> Table:
    table = _empty("check", "value", "limit", "")
    for check in findings.checks:
        table.add_row(check.name, number_shown(check.value), check.limit, _verdict(check))
    return table


def _verdict(check: Check) -> Text:
    return Text("holds", "green") if check.holds else Text("does not hold", "bold red")


def _table(found: FoundTable) -> Table:
    table = _empty(*found.columns)
    for row in found.rows:
        table.add_row(*row)
    return table


def _empty(first: str, *columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column(first, min_width=28)
    for column in columns:
        table.add_column(column, justify="right", min_width=9)
    return table


def _notes(result: WrittenResult) -> Text:
    options = "".join(
        f" --{key.replace('_', '-')} {value:g}"
        if isinstance(value, float)
        else f" --{key.replace('_', '-')} {value}"
        for key, value in result["options"].items()
        if value is not None and not isinstance(value, bool)
    )
    lines = [
        f"again: headrace bench {result['name']} --seed {result['seed']}{options}",
        f"{result['date']}, {result['duration_s']:g} s, commit {result['commit']}",
        result["machine"],
    ]
    return Text("\n".join(lines), style="dim")


def number_shown(value: Number) -> str:
    """Whole where it is whole; otherwise cut, never rounded up: 99.996 must not read as 100."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{int(value * 1000) / 1000:,.3f}".rstrip("0").rstrip(".")

"""A report as tables for people: two headline numbers, then what they are made of, then how to read it.

Leaves    the words and the numbers to `report_rows`; this only sets them.
"""

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from headrace.app.report_rows import Section, headline, notes, sections
from headrace.app.report_shape import Report


def print_report(report: Report, console: Console) -> None:
    console.print(report_table(report))


def report_table(report: Report) -> RenderableType:
    spaced = [part for section in sections(report) for part in (_table(section), Text())]
    return Group(_headline(report), *spaced, Text("\n".join(notes(report)), style="dim"))


def _headline(report: Report) -> Text:
    found = headline(report)
    return Text.assemble(
        ("on time  ", "bold"),
        (found.on_time, "bold green" if found.good else "bold red"),
        ("      request to chain  ", "bold"),
        (found.to_chain, "bold cyan"),
        "\n",
    )


def _table(section: Section) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    first, *others = section.columns
    table.add_column(first, min_width=28)
    for column in others:
        table.add_column(column, justify="right", min_width=9)
    for row in section.rows:
        # Text, not markup: a refusal's own words may have brackets.
        table.add_row(Text(row.name, style="red" if row.alarming else ""), *row.values)
    return table

"""Puts a page together: what a reader sees first, the charts, the tables, how to repeat it.

Promises  it is one file that needs no other: a browser that keeps to its first lines fetches nothing at all;
          whatever text comes from outside is escaped.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Final

from plotly.offline import get_plotlyjs

from headrace.app.page.charts import Chart, charts_of
from headrace.app.page.series import Series
from headrace.app.report_rows import Row, Section, headline, notes, sections
from headrace.app.report_shape import Report

# Scripts and styles stand in the file itself; everything else is forbidden, the network first of all. Plotly draws
# its pictures to save as data and blobs.
POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One run in a page. `name` where there are several."""

    name: str
    report: Report
    series: Series


def page(title: str, runs: Sequence[Shown], *, again: str) -> str:
    """HTML. `again`: the command that repeats it. The reports are in it as they are, as JSON, too."""
    assert runs, "a page of no run"
    drawn = [
        [(f"chart-{index}-{place}", chart) for place, chart in enumerate(charts_of(shown.series))]
        for index, shown in enumerate(runs)
    ]
    figures = {id_: chart.figure.to_plotly_json() for charts in drawn for id_, chart in charts}
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>{_part('page.css')}</style>",
        "</head>",
        "<body>",
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(_when(runs[0].report))}</p>',
        *(_run(shown, charts) for shown, charts in zip(runs, drawn, strict=True)),
        f"<h2>Again</h2><pre><code>{escape(again)}</code></pre>",
        "<noscript><p>A script in this file draws the charts; the tables have the same numbers.</p></noscript>",
        f'<script type="application/json" id="reports">{_data([shown.report for shown in runs])}</script>',
        f'<script type="application/json" id="charts">{_data(figures)}</script>',
        f"<script>{get_plotlyjs()}</script>",
        f"<script>{_part('page.js')}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _run(shown: Shown, charts: Sequence[tuple[str, Chart]]) -> str:
    report = shown.report
    found = headline(report)
    name = [f"<h2>{escape(shown.name)}</h2>"] if shown.name else []
    return "\n".join(
        [
            "<section>",
            *name,
            '<ul class="numbers">',
            f'<li>on time <b class="{"good" if found.good else "bad"}">{escape(found.on_time)}</b></li>',
            f"<li>request to chain <b>{escape(found.to_chain)}</b></li>",
            f"<li>gas a task <b>{report['gas_per_operation']:,}</b></li>",
            "</ul>",
            f"<p>{escape(_summary(report))}</p>",
            *(_figure(id_, chart) for id_, chart in charts),
            "<h3>In numbers</h3>",
            '<div class="tables">',
            *(_table(section) for section in sections(report)),
            "</div>",
            *(f'<p class="soft">{escape(line)}</p>' for line in notes(report)),
            "</section>",
        ]
    )


def _summary(report: Report) -> str:
    """For those who read nothing else, or have it read to them."""
    valid, e2e = report["valid"], report["onchain_e2e_s"]
    on_time, limit_s = valid["outcomes"]["on_time"], report["profile"]["on_time_s"]
    words = (
        f"Of {valid['due']:,} tasks that were due to land, {on_time:,} had their response on chain within "
        f"{limit_s:g} s of the request."
    )
    if e2e["p50"] is not None:
        words += f" Half of those that landed took at most {e2e['p50']:.2f} s, 99 % at most {e2e['p99']:.2f} s."
    return (
        f"{words} {report['transactions']:,} transactions in {report['blocks']:,} blocks carried them, "
        f"{report['gas_per_operation']:,} gas a task."
    )


def _figure(id_: str, chart: Chart) -> str:
    title, says = escape(chart.title), escape(chart.says)
    return (
        f'<h3 id="{id_}-title">{title}</h3><figure>'
        f'<div class="chart" id="{id_}" role="img" aria-labelledby="{id_}-title" aria-describedby="{id_}-says">'
        "</div>"
        f'<figcaption id="{id_}-says">{says}</figcaption></figure>'
    )


def _table(section: Section) -> str:
    heads = "".join(f'<th scope="col">{escape(column)}</th>' for column in section.columns)
    rows = "".join(_row(row) for row in section.rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _row(row: Row) -> str:
    values = "".join(f"<td>{escape(value)}</td>" for value in row.values)
    style = ' class="bad"' if row.alarming else ""
    return f'<tr{style}><th scope="row">{escape(row.name)}</th>{values}</tr>'


def _when(report: Report) -> str:
    return ", ".join(text for text in (report.get("date"), report.get("machine")) if text)


def _data(value: object) -> str:
    """JSON that cannot end the element it stands in, whatever texts are in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


@cache
def _part(name: str) -> str:
    """One of the files beside this module."""
    return (files("headrace.app.page") / name).read_text(encoding="utf-8")

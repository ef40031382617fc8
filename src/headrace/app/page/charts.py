"""The charts of one run, as plotly figures.

Owns      which chart says what: its axes with their units, its words, its colours.
Leaves    light and dark to the page's script (`page.js`), which colours text and lines by the reader's choice.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import plotly.graph_objects as go

from headrace.app.page.series import Mined, Series
from headrace.app.page.thinning import Curve
from headrace.app.report_rows import floor_percent

# Told apart by every kind of eye, readable on white and on black. Each has a dash or a symbol of its own besides.
BLUE: Final = "#4c8fd6"
ORANGE: Final = "#d9822b"
GREEN: Final = "#2f9e74"
PURPLE: Final = "#a779c9"
GREY: Final = "#8a8a8a"
LEAST_S: Final = 0.001  # a logarithmic axis has no zero
FEW: Final = 10  # on such an axis every whole number has a tick
HASH_SHOWN: Final = 10  # characters of a transaction's hash

SYMBOLS: Final = {"create": "triangle-up", "respond": "square", "create and respond": "circle"}
COLOURS: Final = {"create": PURPLE, "respond": ORANGE, "create and respond": GREEN}


@dataclass(frozen=True, slots=True)
class Chart:
    """`says`: in a sentence, for those who cannot see it, and for the caption of those who can."""

    title: str
    says: str
    figure: go.Figure


def charts_of(series: Series) -> Sequence[Chart]:
    return _completion(series), _latency(series), _sizes(series), _gas(series)


def _completion(series: Series) -> Chart:
    figure = _figure("seconds since the first request", "tasks")
    for name, curve, colour, dash in (
        ("offered", series.offered, GREY, "dot"),
        ("answered", series.answered, BLUE, "dash"),
        ("task on chain", series.created, PURPLE, "dashdot"),
        ("response on chain", series.responded, GREEN, "solid"),
    ):
        figure.add_trace(_stairs(name, curve, colour, dash, "%{y:,} after %{x:.2f} s"))
    figure.update_yaxes(rangemode="tozero")
    return Chart(
        "Completion over time",
        f"Of {_last(series.offered)} tasks offered, {_last(series.answered)} were answered, "
        f"{_last(series.created)} were created on chain and {_last(series.responded)} have their response there.",
        figure,
    )


def _latency(series: Series) -> Chart:
    figure = _figure("seconds since the request was due", "requests that took no longer, %")
    for name, curve, colour, dash in (
        ("answer", series.answer_took, BLUE, "dash"),
        ("task on chain", series.create_took, PURPLE, "dashdot"),
        ("response on chain", series.response_took, GREEN, "solid"),
    ):
        clamped = Curve([max(x, LEAST_S) for x in curve.x], curve.y)
        figure.add_trace(_stairs(name, clamped, colour, dash, "%{y:.1f} % within %{x:.3f} s"))
    figure.update_xaxes(type="log", dtick="D2", exponentformat="none", minexponent=9)
    figure.update_yaxes(range=[0, 102])
    _mark(figure, series.on_time_s, f"on time: {series.on_time_s:g} s")
    if series.block_time_s is not None:
        _mark(figure, series.block_time_s, f"a block: {series.block_time_s:g} s")
    return Chart(
        "How long it took",
        f"Answers, of all requests: {_end(series.answer_took)}. Responses on chain, of the accepted: "
        f"{_end(series.response_took)}. What never came keeps a curve below 100 %.",
        figure,
    )


def _sizes(series: Series) -> Chart:
    figure = _figure("block", "tasks in the transaction")
    for did, mined in _by_kind(series.by_size):
        figure.add_trace(
            _dots(did, mined, [one.block for one in mined], [one.tasks for one in mined], "%{y} tasks, block %{x}")
        )
    figure.update_yaxes(rangemode="tozero", **_whole(one.tasks for one in series.by_size))
    figure.update_xaxes(tickformat="d")
    return Chart("Batch sizes", f"Each mark is a transaction.{_how_many(series, len(series.by_size))}", figure)


def _gas(series: Series) -> Chart:
    figure = _figure("tasks in the transaction", "gas a task")
    for did, mined in _by_kind(series.by_gas):
        figure.add_trace(
            _dots(
                did,
                mined,
                [one.tasks for one in mined],
                [round(one.gas_per_task) for one in mined],
                "%{y:,} gas a task, %{x} tasks",
            )
        )
    figure.update_yaxes(rangemode="tozero", tickformat=",d")
    figure.update_xaxes(rangemode="tozero", **_whole(one.tasks for one in series.by_gas))
    says = "Each mark is a transaction: what it used, shared among its tasks."
    return Chart("Gas a task", says + _how_many(series, len(series.by_gas)), figure)


def _figure(x: str, y: str) -> go.Figure:
    figure = go.Figure(
        layout=go.Layout(
            template="none",
            margin={"l": 20, "r": 20, "t": 10, "b": 40},
            height=380,
            hovermode="closest",
            showlegend=True,
            legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        )
    )
    figure.update_xaxes(title_text=x, zeroline=False, automargin=True)
    figure.update_yaxes(title_text=y, zeroline=False, automargin=True, title_standoff=12, tickformat=",")
    return figure


def _stairs(name: str, curve: Curve, colour: str, dash: str, tells: str) -> go.Scatter:
    return go.Scatter(
        name=name,
        x=list(curve.x),
        y=list(curve.y),
        mode="lines",
        line={"color": colour, "width": 2, "dash": dash, "shape": "hv"},
        hovertemplate=tells,
    )


def _dots(did: str, mined: Sequence[Mined], x: Sequence[float], y: Sequence[float], tells: str) -> go.Scatter:
    return go.Scatter(
        name=did,
        x=list(x),
        y=list(y),
        mode="markers",
        marker={"color": COLOURS[did], "symbol": SYMBOLS[did], "size": 8, "opacity": 0.75},
        customdata=["0x" + one.hash.hex()[: HASH_SHOWN - 2] + "…" for one in mined],
        hovertemplate=tells + "<br>%{customdata}",
    )


def _mark(figure: go.Figure, seconds: float, words: str) -> None:
    """On a logarithmic axis: plotly wants a line's place as it is, and that of a text as a power of ten."""
    line = {"color": GREY, "width": 1, "dash": "dot"}
    figure.add_shape(type="line", x0=seconds, x1=seconds, y0=0, y1=1, yref="y domain", line=line)
    figure.add_annotation(
        text=words,
        textangle=-90,
        showarrow=False,
        x=math.log10(seconds),
        xanchor="right",
        y=0.03,
        yref="y domain",
        yanchor="bottom",
    )


def _whole(counts: Iterable[int]) -> Mapping[str, object]:
    """An axis for counts: no tick between 0 and 1."""
    return {"tickformat": ",d", "dtick": 1 if max(counts, default=0) <= FEW else None}


def _by_kind(mined: Sequence[Mined]) -> Sequence[tuple[str, Sequence[Mined]]]:
    return [(did, some) for did in SYMBOLS if (some := [one for one in mined if one.did == did])]


def _last(curve: Curve) -> str:
    return f"{curve.y[-1]:,.0f}"


def _end(curve: Curve) -> str:
    """In words: how far a curve of shares gets, and when."""
    return f"{floor_percent(curve.y[-1])} % within {curve.x[-1]:.2f} s" if curve.y else "none"


def _how_many(series: Series, shown: int) -> str:
    if shown == series.transactions:
        return f" There are {series.transactions:,}."
    return (
        f" {shown:,} of {series.transactions:,} are drawn: of neighbours on the chain those with the least and "
        "with the most."
    )

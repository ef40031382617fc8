"""The figures of one kind as a table: a row for each way and size."""

from headrace.app.bench.findings import Table
from headrace.app.gas.figures import SINGLE, Figure, Figures


def table(figures: Figures, kind: str) -> Table:
    """All figures of this kind, the individual transactions first."""
    alone = figures.single(kind)
    rows = [_row(figures, figure, alone) for figure in figures.all if figure.kind == kind]
    return Table(
        columns=(f"{alone.workload}: {kind}", "operations", "gas each", "of alone", "calldata each", "floor"),
        rows=rows,
    )


def _row(figures: Figures, figure: Figure, alone: Figure) -> tuple[str, ...]:
    return (
        figure.way,
        "1" if figure.way == SINGLE else f"{figure.size:,}",
        f"{figure.gas_each:,}",
        f"{figures.percent(figure, alone):.1f} %",
        f"{figure.bytes_each:,} B",
        "binds" if figure.floor_binds else f"{100 * figure.floor_gas / figure.gas:.0f} %",
    )

"""A bench's result as JSON, version 1: the fixed part that scripts rely on, and what we add to it.

Owns      field names. A change to the fixed part needs a new version and a line in the changelog.
"""

from collections.abc import Sequence
from typing import Final, NotRequired, TypedDict

from headrace.app.bench.findings import Findings, Number
from headrace.app.report_shape import Report

VERSION: Final = 1


class WrittenHeadline(TypedDict):
    name: str
    value: Number
    unit: str


class WrittenCheck(TypedDict):
    name: str
    value: Number
    limit: str
    holds: bool


class WrittenTable(TypedDict):
    """As people see it. The first column is text, the others are numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class WrittenResult(TypedDict):
    """`options` and `seed`: with them the run can be repeated. `tables` are for documents, not for scripts."""

    version: int
    command: str
    name: str
    date: str
    machine: str
    commit: str
    headline: list[WrittenHeadline]
    checks: list[WrittenCheck]
    runs: list[Report]
    seed: int
    options: dict[str, object]
    duration_s: float
    details: dict[str, object]
    tables: NotRequired[list[WrittenTable]]  # results of before have none


def written(
    findings: Findings,
    *,
    name: str,
    date: str,
    machine: str,
    commit: str,
    seed: int,
    options: dict[str, object],
    duration_s: float,
) -> WrittenResult:
    return {
        "version": VERSION,
        "command": "bench",
        "name": name,
        "date": date,
        "machine": machine,
        "commit": commit,
        "headline": [{"name": one.name, "value": one.value, "unit": one.unit} for one in findings.headline],
        "checks": [
            {"name": one.name, "value": one.value, "limit": one.limit, "holds": one.holds}
            for one in findings.checks
        ],
        "runs": list(findings.runs),
        "seed": seed,
        "options": options,
        "duration_s": round(duration_s, 1),
        "details": dict(findings.details),
        "tables": [
            {"columns": list(table.columns), "rows": [list(row) for row in table.rows]}
            for table in findings.tables
        ],
    }

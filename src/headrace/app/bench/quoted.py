"""What documents quote of the results in `bench/results/`, as Markdown, between marker comments.

    <!-- results: claims -->       every claim: its command, what was measured, whether it holds, when
    <!-- results: gas 2 -->        the second table of the bench `gas`; without a number all of its tables
    <!-- /results -->              ends either

Owns      the markers, and the form of what stands between them.
Promises  a check that does not hold is named with its true value, a claim without a result as not measured.
Leaves    files to its caller.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from headrace.app.bench.declaring import Bench
from headrace.app.bench.shown import number_shown
from headrace.app.bench.written import WrittenCheck, WrittenHeadline, WrittenResult, WrittenTable

CLAIMS: Final = "claims"
PART: Final = re.compile(
    r"^(<!-- results: (?P<what>[^\n]*?) -->)\n.*?^<!-- /results -->$", re.MULTILINE | re.DOTALL
)
WHAT: Final = re.compile(r"([a-z-]+)(?: ([1-9]\d*))?")
OPENS: Final = re.compile(r"^\s*<!-- /?results", re.MULTILINE)
CODE: Final = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)", re.DOTALL)


class CannotQuote(Exception):
    """A document asks for what there is not; the text says what to correct."""


def quoted(document: str, benches: Sequence[Bench], results: Mapping[str, WrittenResult]) -> str:
    """The document with every marked part as the results say it now. Raises CannotQuote."""
    by_name = {bench.name: bench for bench in benches}

    def part(match: re.Match[str]) -> str:
        return f"{match[1]}\n{_part(match['what'], by_name, results)}\n<!-- /results -->"

    changed, parts = PART.subn(part, document)
    if len(OPENS.findall(document)) != 2 * parts:
        raise CannotQuote(
            "each <!-- results: NAME --> is ended by its own <!-- /results -->, at a line's beginning"
        )
    return changed


def figures_outside(document: str, heading: str) -> list[str]:
    """Lines with a figure in a section, outside the marked parts; what is set as code is no figure."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", document, re.MULTILINE | re.DOTALL)
    if found is None:
        raise CannotQuote(f"the document has no section {heading!r}")
    return [line for line in CODE.sub("", PART.sub("", found[1])).splitlines() if re.search(r"\d", line)]


def _part(what: str, benches: Mapping[str, Bench], results: Mapping[str, WrittenResult]) -> str:
    if what == CLAIMS:
        return _claims(benches, results)
    if (match := WHAT.fullmatch(what)) is None or (name := match[1]) not in benches:
        there = ", ".join((CLAIMS, *benches))
        raise CannotQuote(f"<!-- results: {what} -->: there is no such result; there are: {there}")
    if name not in results:
        return f"Not measured yet: `{_command(benches[name])}`."
    result = results[name]
    # Results of before had no tables.
    tables = result.get("tables") or [_checks_table(result["checks"])]
    number = int(match[2] or 0)
    if number > len(tables):
        return f"This result has {len(tables)} of its tables only: `{_command(benches[name])}` writes all."
    chosen = tables[number - 1 : number] if number else tables
    return "\n\n".join([*map(_table, chosen), _origin(benches[name], result)])


def _claims(benches: Mapping[str, Bench], results: Mapping[str, WrittenResult]) -> str:
    rows = [
        (bench.says, f"`{_command(bench, results.get(name))}`", *_measured(results.get(name)))
        for name, bench in benches.items()
    ]
    measured = [(name, results[name]) for name in benches if name in results]
    lines = [_table({"columns": ("claim", "command", "measured", "checks", "date"), "rows": rows}, numbers=False)]
    if missed := list(_missed(measured)):
        lines.append("Not reached:\n\n" + "\n".join(missed))
    for label, key in (("Machine", _machine), ("Commit", _commit)):
        lines.append(_grouped(label, measured, key))
    return "\n\n".join(line for line in lines if line)


def _measured(result: WrittenResult | None) -> tuple[str, str, str]:
    if result is None:
        return "not measured yet", "", ""
    checks, hold = result["checks"], sum(check["holds"] for check in result["checks"])
    verdict = f"{hold} of {len(checks)} hold"
    verdict = verdict if hold == len(checks) else f"**{verdict}**"
    return "; ".join(map(_headline, result["headline"])), verdict, result["date"]


def _missed(measured: Sequence[tuple[str, WrittenResult]]) -> Iterator[str]:
    for name, result in measured:
        for check in result["checks"]:
            if not check["holds"]:
                yield f"- {name}: `{check['name']}` is {number_shown(check['value'])}, to reach: {check['limit']}"


def _headline(one: WrittenHeadline) -> str:
    value, unit = number_shown(one["value"]), one["unit"]
    return f"{one['name']}: {value}" + (unit if unit.startswith("/") else f" {unit}")


def _checks_table(checks: Sequence[WrittenCheck]) -> WrittenTable:
    rows = [
        (check["name"], number_shown(check["value"]), check["limit"], "holds" if check["holds"] else "not reached")
        for check in checks
    ]
    return {"columns": ("check", "value", "limit", ""), "rows": rows}


def _origin(bench: Bench, result: WrittenResult) -> str:
    return f"`{_command(bench, result)}`, {result['date']}, commit {result['commit']}."


def _command(bench: Bench, result: WrittenResult | None = None) -> str:
    """As it was run: options that had their defaults are left out."""
    words = ["headrace bench", bench.name]
    if result is not None:
        defaults = {option.name: option.default for option in bench.options}
        changed = {name: value for name, value in result["options"].items() if value != defaults.get(name)}
        words += [_option("seed", result["seed"])] if result["seed"] else []
        words += [_option(name, value) for name, value in sorted(changed.items()) if value not in (None, False)]
    return " ".join(words)


def _option(name: str, value: object) -> str:
    flag = f"--{name.replace('_', '-')}"
    if value is True:
        return flag
    return f"{flag} {value:g}" if isinstance(value, float) else f"{flag} {value}"


def _machine(result: WrittenResult) -> str:
    return result["machine"]


def _commit(result: WrittenResult) -> str:
    return result["commit"]


def _grouped(
    label: str, measured: Sequence[tuple[str, WrittenResult]], key: Callable[[WrittenResult], str]
) -> str:
    """`Machine: a; of chaos: b`: named by bench only where they are not all alike."""
    names: dict[str, list[str]] = {}
    for name, result in measured:
        names.setdefault(key(result), []).append(name)
    if len(names) <= 1:
        return "".join(f"{label}: {value}." for value in names)
    return f"{label}s: " + "; ".join(f"{value} ({', '.join(of)})" for value, of in names.items()) + "."


def _table(table: WrittenTable, *, numbers: bool = True) -> str:
    """The first column is text, the others are numbers."""
    columns, rows = table["columns"], table["rows"]
    rule = ["---", *("---:" if numbers else "---" for _ in columns[1:])]
    return "\n".join(_row(cells) for cells in (columns, rule, *rows))


def _row(cells: Sequence[str]) -> str:
    # An indented row belongs to the one above it; Markdown would swallow the blanks.
    shown = [re.sub(r"^ +", lambda blanks: "&nbsp;" * len(blanks[0]), cell).replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(shown)} |"

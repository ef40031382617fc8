import io
import json
import math

import pytest
from rich.console import Console

from headrace.app.bench.findings import Check, Findings, Headline, Table
from headrace.app.bench.shown import print_findings
from headrace.app.bench.written import WrittenResult, written

TWO = (Headline("lost or doubled", 0, "operations"), Headline("completed", 99.9999, "%"))


def result_of(findings: Findings) -> WrittenResult:
    return written(
        findings,
        name="chaos",
        date="2026-11-21",
        machine="2 cores",
        commit="abc",
        seed=7,
        options={"seconds": 12.0, "kills": 2, "quick": True, "file": None},
        duration_s=1.25,
    )


def printed(findings: Findings) -> str:
    out = io.StringIO()
    print_findings(findings, result_of(findings), Console(file=out, width=120))
    return out.getvalue()


@pytest.mark.parametrize(
    ("check", "limit", "holds"),
    [
        (Check.equals("lost", 0, 0), "== 0", True),
        (Check.equals("lost", 1, 0), "== 0", False),
        (Check.equals("completed", 99.99, 100), "== 100", False),
        (Check.at_least("kills", 10, 10), ">= 10", True),
        (Check.at_least("kills", 9, 10), ">= 10", False),
        (Check.at_most("delay", 1, 1), "<= 1", True),
        (Check.at_most("delay", 1.5, 1), "<= 1", False),
        (Check.below("slower", 9.99, 10), "< 10", True),
        (Check.below("slower", 10, 10), "< 10", False),
    ],
)
def test_a_check_says_the_limit_that_it_is_held_against(check: Check, limit: str, holds: bool) -> None:
    assert (check.limit, check.holds) == (limit, holds)


def test_what_is_no_number_can_be_held_against_nothing() -> None:
    with pytest.raises(AssertionError, match="delay: nan"):
        Check.at_most("delay", math.nan, 1)


def test_findings_hold_only_if_every_check_does() -> None:
    good, bad = Check.equals("lost", 0, 0), Check.equals("doubled", 1, 0)
    assert Findings(headline=TWO, checks=[good]).hold
    assert not Findings(headline=TWO, checks=[good, bad]).hold
    with pytest.raises(AssertionError):
        Findings(headline=TWO, checks=[])


def test_two_numbers_come_first_then_the_checks_then_the_line_that_repeats_it() -> None:
    findings = Findings(
        headline=TWO,
        checks=[Check.equals("lost", 0, 0), Check.at_least("kills", 9, 10)],
        tables=[Table(columns=("trouble", "times"), rows=[("reply lost", "17")])],
    )
    lines = printed(findings).splitlines()
    assert " ".join(lines[0].split()) == "lost or doubled 0 operations completed 99.999 %"
    text = "\n".join(" ".join(line.split()) for line in lines)
    for expected in (
        "lost 0 == 0 holds",
        "kills 9 >= 10 does not hold",
        "reply lost 17",
        "again: headrace bench chaos --seed 7 --seconds 12 --kills 2",
        "2026-11-21, 1.2 s, commit abc",
    ):
        assert expected in text


def test_written_it_has_the_fields_that_scripts_rely_on() -> None:
    findings = Findings(headline=TWO, checks=[Check.equals("lost", 0, 0)], details={"kills": [1, 2]})
    found = json.loads(json.dumps(result_of(findings)))
    fixed = ("version", "command", "name", "date", "machine", "commit", "headline", "checks", "runs")
    assert tuple(found)[: len(fixed)] == fixed
    assert (found["version"], found["command"], found["name"]) == (1, "bench", "chaos")
    assert found["headline"][0] == {"name": "lost or doubled", "value": 0, "unit": "operations"}
    assert found["checks"] == [{"name": "lost", "value": 0, "limit": "== 0", "holds": True}]
    assert found["runs"] == []
    assert found["details"] == {"kills": [1, 2]}

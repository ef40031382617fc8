import click
import pytest

from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline, Table
from headrace.app.bench.quoted import CannotQuote, figures_outside, quoted
from headrace.app.bench.written import WrittenResult, written


async def never(bench: BenchRun) -> Findings:
    raise AssertionError("a document runs nothing")


GAS = Bench(
    name="gas",
    says="A batch costs less.",
    run=never,
    options=(
        click.Option(["--jobs"], type=int, default=10),
        click.Option(["--step-seconds"], type=float, default=30.0),
        click.Option(["--quick"], is_flag=True),
    ),
)
SIM = Bench(name="source-load", says="Nothing is lost.", run=never)
FINDINGS = Findings(
    headline=(Headline("share", 19.5, "%"), Headline("highest", 8200, "/s")),
    checks=[Check.at_most("share", 19.5, 50), Check.at_least("jobs", 9, 10)],
    tables=[
        Table(columns=("way", "gas"), rows=[("alone", "105,113"), ("  p99 | all", "20,832")]),
        Table(columns=("why", ""), rows=[("signature", "most")]),
    ],
)


def result(
    name: str = "gas",
    *,
    findings: Findings = FINDINGS,
    seed: int = 0,
    options: dict[str, object] | None = None,
    machine: str = "2 cores",
    commit: str = "abc",
) -> WrittenResult:
    return written(
        findings,
        name=name,
        date="2026-11-22",
        machine=machine,
        commit=commit,
        seed=seed,
        options={"jobs": 10, "step_seconds": 30.0, "quick": False} if options is None else options,
        duration_s=1,
    )


def quote(what: str, *results: WrittenResult) -> str:
    document = f"before\n<!-- results: {what} -->\nold\n<!-- /results -->\nafter"
    return quoted(document, [GAS, SIM], {one["name"]: one for one in results})


def test_between_the_markers_stands_what_the_results_say_and_around_them_nothing_changes() -> None:
    now = quote("gas 1", result())
    assert now.startswith("before\n<!-- results: gas 1 -->\n| way | gas |\n| --- | ---: |\n| alone | 105,113 |\n")
    assert now.endswith("\n`headrace bench gas`, 2026-11-22, commit abc.\n<!-- /results -->\nafter")
    assert "old" not in now
    assert "signature" not in now
    assert "| signature | most |" in quote("gas", result())


def test_writing_again_changes_nothing() -> None:
    once = quote("gas", result())
    assert quoted(once, [GAS, SIM], {"gas": result()}) == once


def test_a_table_keeps_its_indents_and_its_bars() -> None:
    assert "| &nbsp;&nbsp;p99 \\| all | 20,832 |" in quote("gas 1", result())


def test_every_claim_has_a_row_with_its_command_and_its_numbers() -> None:
    now = quote("claims", result(), result("source-load", findings=SOUND, options={}))
    assert (
        "| A batch costs less. | `headrace bench gas` | share: 19.5 %; highest: 8,200/s "
        "| **1 of 2 hold** | 2026-11-22 |" in now
    )
    assert (
        "| Nothing is lost. | `headrace bench source-load` | lost: 0 tasks; seen: 5 tasks | 1 of 1 hold |" in now
    )


SOUND = Findings(
    headline=(Headline("lost", 0, "tasks"), Headline("seen", 5, "tasks")), checks=[Check.equals("lost", 0, 0)]
)


def test_what_was_not_reached_is_named_with_its_true_number() -> None:
    assert "Not reached:\n\n- gas: `jobs` is 9, to reach: >= 10" in quote("claims", result())
    assert "Not reached" not in quote("claims", result(findings=SOUND))


def test_a_claim_without_a_result_is_named_as_not_measured() -> None:
    assert "| Nothing is lost. | `headrace bench source-load` | not measured yet |" in quote("claims", result())
    assert "Not measured yet: `headrace bench source-load`." in quote("source-load")


def test_the_command_has_the_options_that_were_not_the_default() -> None:
    options: dict[str, object] = {"step_seconds": 12.5, "jobs": 3, "quick": True}
    now = quote("gas", result(seed=7, options=options))
    assert "`headrace bench gas --seed 7 --jobs 3 --quick --step-seconds 12.5`" in now


def test_machine_and_commit_are_said_once_where_they_are_the_same() -> None:
    alike = quote("claims", result(), result("source-load"))
    assert "Machine: 2 cores.\n\nCommit: abc.\n" in alike
    unlike = quote("claims", result(), result("source-load", machine="8 cores", commit="def"))
    assert "Machines: 2 cores (gas); 8 cores (source-load).\n\nCommits: abc (gas); def (source-load)." in unlike


def test_a_result_of_before_which_has_no_tables_is_quoted_by_its_checks() -> None:
    before = result()
    del before["tables"]
    assert "| share | 19.5 | <= 50 | holds |\n| jobs | 9 | >= 10 | not reached |" in quote("gas 1", before)
    assert "has 1 of its tables only: `headrace bench gas` writes all" in quote("gas 2", before)


@pytest.mark.parametrize("what", ["nothing-like-it", "gas x", "gas 0", ""])
def test_a_document_that_asks_for_what_there_is_not_is_told_what_there_is(what: str) -> None:
    with pytest.raises(CannotQuote, match="there are: claims, gas, source-load"):
        quote(what, result())


@pytest.mark.parametrize(
    "document",
    [
        "<!-- results: gas -->\n",
        "<!-- /results -->\n",
        "<!-- results: gas -->\n<!-- results: gas -->\n<!-- /results -->\n",
        "  <!-- results: gas -->\n<!-- /results -->\n",
    ],
)
def test_markers_that_do_not_match_are_an_error(document: str) -> None:
    with pytest.raises(CannotQuote, match="ended by its own"):
        quoted(document, [GAS], {"gas": result()})


def test_a_figure_written_by_hand_is_found() -> None:
    document = (
        "# Us, since 2026\n\n## Measured\n\nRun `make bench ONE=x`.\nOn 2 cores [it](docs/0001-x.md) took 9 s.\n"
        "<!-- results: gas -->\n| 77 |\n<!-- /results -->\nNone here.\n\n## Next\n\n17 of them\n"
    )
    assert figures_outside(document, "Measured") == ["On 2 cores [it took 9 s."]
    with pytest.raises(CannotQuote, match="no section 'Elsewhere'"):
        figures_outside(document, "Elsewhere")

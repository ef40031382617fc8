"""`headrace bench` as a shell sees it, in a checkout with benches that end at once."""

import json
from pathlib import Path

import pytest

from app.test_cli import run

MODULE = """
import click
from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline

async def run(bench: BenchRun, *, least: int) -> Findings:
    bench.say("measuring")
    found = bench.seed
    return Findings(
        headline=(Headline("found", found, "things"), Headline("wanted", least, "things")),
        checks=[Check.at_least("found", found, least)],
    )

BENCH = Bench(
    name={name!r},
    says="It finds things.",
    run=run,
    options=(click.Option(["--least"], type=int, default={least}),),
    only_by_name={only_by_name},
)
"""


def add_bench(checkout: Path, name: str, *, least: int = 0, only_by_name: bool = False) -> None:
    text = MODULE.format(name=name, least=least, only_by_name=only_by_name)
    (checkout / "bench" / f"{name.replace('-', '_')}.py").write_text(text)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "headrace"\n')
    (tmp_path / "bench").mkdir()
    add_bench(tmp_path, "easy-one")
    return tmp_path


def test_without_a_name_it_lists_what_there_is(checkout: Path) -> None:
    add_bench(checkout, "memory", only_by_name=True)
    answer = run("bench", cwd=checkout)
    assert answer.returncode == 0
    assert answer.stdout.splitlines() == [
        "easy-one  It finds things.",
        "memory    It finds things.  (only by name)",
    ]


def test_a_bench_whose_checks_hold_ends_with_0(checkout: Path) -> None:
    answer = run("bench", "easy-one", "--seed", "3", cwd=checkout)
    assert answer.returncode == 0
    assert answer.stdout.startswith("found  3 things")
    assert answer.stderr == "measuring\n"


def test_a_check_that_does_not_hold_ends_with_1_and_is_named(checkout: Path) -> None:
    answer = run("bench", "easy-one", "--seed", "3", "--least", "4", "--json", "-", cwd=checkout)
    assert answer.returncode == 1
    assert "does not hold: found is 3, it must be >= 4" in answer.stderr
    written = json.loads(answer.stdout)
    assert (written["seed"], written["options"], written["checks"][0]["holds"]) == (3, {"least": 4}, False)


def test_an_unknown_name_ends_with_2_and_names_those_there_are(checkout: Path) -> None:
    answer = run("bench", "easy", cwd=checkout)
    assert answer.returncode == 2
    assert "there is no bench 'easy'; there are: easy-one" in answer.stderr


def test_a_json_file_that_cannot_be_written_is_said_before_the_work(checkout: Path) -> None:
    answer = run("bench", "easy-one", "--json", str(checkout), cwd=checkout)
    assert answer.returncode == 2
    assert "--json" in answer.stderr and "measuring" not in answer.stderr


def test_all_of_them_run_and_one_that_does_not_hold_stops_no_other(checkout: Path) -> None:
    add_bench(checkout, "a-hard-one", least=1)
    add_bench(checkout, "memory", only_by_name=True)
    answer = run("bench", "--all", "--results", "results", cwd=checkout)
    assert answer.returncode == 1
    hard, easy, total = (line.split(maxsplit=3) for line in answer.stderr.splitlines()[-3:])
    assert (hard[0], hard[3]) == ("a-hard-one", "does not hold")
    assert (easy[0], easy[3]) == ("easy-one", "holds")
    assert total[:2] == ["in", "all"]
    assert sorted(file.name for file in (checkout / "results").iterdir()) == ["a-hard-one.json", "easy-one.json"]


def test_results_of_all_are_no_option_of_one(checkout: Path) -> None:
    assert run("bench", "--results", "results", cwd=checkout).returncode == 2
    assert run("bench", "--all", "easy-one", cwd=checkout).returncode == 2


def test_a_bench_that_draws_nothing_takes_no_page_and_one_that_does_takes_it(checkout: Path) -> None:
    assert run("bench", "easy-one", "--html", "page.html", cwd=checkout).returncode == 2
    add_bench(checkout, "drawing")
    file = checkout / "bench" / "drawing.py"
    file.write_text(file.read_text().replace("    run=run,\n", "    run=run,\n    draws=True,\n"))
    answer = run("bench", "drawing", "--html", str(checkout), cwd=checkout)
    assert answer.returncode == 2
    assert "--html" in answer.stderr and "measuring" not in answer.stderr

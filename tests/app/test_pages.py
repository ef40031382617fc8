"""`--html` as a shell sees it."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from app.page.made_up_runs import a_run
from app.test_cli import run
from headrace.app.cli.commands import headrace
from headrace.app.cli.options import AddressType
from headrace.app.cli.pages import again, check_html, html_option, write_html
from headrace.app.page.writing import RunToShow

LOADTEST = ("loadtest", "--url", "http://127.0.0.1:1", "--rate", "1", "--seconds", "1")


@pytest.fixture
def without_plotly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)


@pytest.mark.parametrize("command", [("demo",), LOADTEST], ids=lambda c: c[0])
def test_without_plotly_it_says_what_to_install_before_any_load(
    command: tuple[str, ...], tmp_path: Path, without_plotly: None
) -> None:
    answer = CliRunner().invoke(headrace, [*command, "--html", str(tmp_path / "page.html")])
    assert answer.exit_code == 2
    assert '--html draws with plotly, which is not installed: pip install "headrace[load]"' in answer.stderr
    assert not list(tmp_path.iterdir())


def test_without_html_nobody_asks_for_plotly(without_plotly: None) -> None:
    check_html(None)


def test_plotly_is_loaded_for_a_page_only() -> None:
    code = (
        "import sys, headrace.app.cli.commands, headrace.app.load_run, headrace.app.page.writing\n"
        "assert not [name for name in sys.modules if name.startswith('plotly')]"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("command", [("demo",), LOADTEST], ids=lambda c: c[0])
def test_a_file_that_cannot_be_written_is_said_before_any_load(command: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    answer = run(*command, "--html", str(file / "page.html"), cwd=tmp_path)
    assert answer.returncode == 2
    assert "--html" in answer.stderr and "cannot be written" in answer.stderr


def test_settlement_has_no_such_page_and_says_so(tmp_path: Path) -> None:
    answer = run("demo", "--workload", "settlement", "--html", "page.html", cwd=tmp_path)
    assert answer.returncode == 2
    assert "says nothing to --workload settlement" in answer.stderr and "--html" in answer.stderr


@click.command("loadtest")
@click.option("--url")
@click.option("--rate", type=float)
@click.option("--pacing", type=float, default=15.0)
@click.option("--client", "clients", type=AddressType(), multiple=True)
@click.option("--send", is_flag=True)
@click.option("--json", "json_file")
@html_option
@click.pass_context
def told(context: click.Context, /, html: Path | None, **options: object) -> None:
    click.echo(again(context))
    one = a_run(tasks=5)
    write_html(context, html, [RunToShow(run=one.run, report=one.report)])


def said(*arguments: str) -> str:
    group = click.Group("root", commands=[told])
    answer = CliRunner().invoke(group, ["loadtest", *arguments], prog_name="python -m headrace")
    assert answer.exit_code == 0, answer.output
    return answer.stdout.strip()


def test_the_command_to_repeat_is_what_was_given_less_where_results_went(tmp_path: Path) -> None:
    line = said("--url", "http://127.0.0.1:8645/", "--rate", "10", "--send", "--json", "x.json")
    assert line == "headrace loadtest --url http://127.0.0.1:8645/ --rate 10 --send"
    clients = [f"0x{number:040x}" for number in (1, 2)]
    assert said("--client", clients[0], "--client", clients[1]) == (
        f"headrace loadtest --client {clients[0]} --client {clients[1]}"
    )


def test_what_a_url_may_have_of_a_key_is_not_repeated() -> None:
    line = said("--url", "https://user:secret@node.example/v2/secret?key=secret")
    assert line == "headrace loadtest --url https://node.example/..."


def test_the_page_is_written_with_the_command_in_it(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    said("--rate", "10", "--html", str(file))
    text = file.read_text()
    assert "<title>Headrace demo: 10 a second for 60 s</title>" in text
    assert "<code>headrace loadtest --rate 10</code>" in text

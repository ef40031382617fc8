"""`headrace bench`"""

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import uvloop

from headrace.app.cli.options import check_writable, json_option, write_json
from headrace.app.cli.pages import check_html, html_option, write_html
from headrace.app.long_lived import spare_what_stays

if TYPE_CHECKING:
    from headrace.app.bench.declaring import Bench
    from headrace.app.bench.findings import Findings
    from headrace.app.bench.written import WrittenResult

VERDICTS = {0: "holds", 1: "does not hold"}


class Benches(click.Group):
    """A command for each module of the checkout's bench/."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from headrace.app.bench.checkout import bench_names, find_checkout

        return bench_names(find_checkout())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _command(_load(cmd_name)) if cmd_name in self.list_commands(ctx) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in (names := self.list_commands(ctx)):
            raise click.UsageError(f"there is no bench {args[0]!r}; there are: {', '.join(names)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Benches, invoke_without_command=True)
@click.option("--all", "run_all", is_flag=True, help="Run them one after the other, each in a process of its own.")
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="With --all: write each result as JSON into FOLDER.",
)
@click.pass_context
def bench(context: click.Context, run_all: bool, results: Path | None) -> None:
    """Measure a claim of the README. Without a name: list them.

    Exits 1 unless every check holds.
    """
    if context.invoked_subcommand is not None:
        if run_all or results is not None:
            raise click.UsageError("--all and --results go without a name")
        return
    if results is not None and not run_all:
        raise click.UsageError("--results goes with --all")
    assert isinstance(bench, Benches)
    benches = [_load(name) for name in bench.list_commands(context)]
    if not run_all:
        width = max((len(one.name) for one in benches), default=0)
        for one in benches:
            click.echo(f"{one.name:{width}}  {one.says}" + ("  (only by name)" if one.only_by_name else ""))
    elif not _run_all([one.name for one in benches if not one.only_by_name], results):
        context.exit(1)


def _load(name: str) -> "Bench":
    from headrace.app.bench.checkout import find_checkout, load_bench

    return load_bench(find_checkout(), name)


def _run_all(names: list[str], results: Path | None) -> bool:
    took: list[tuple[str, int, float]] = []
    for number, name in enumerate(names, 1):
        click.echo(f"-- bench {name} ({number} of {len(names)})", err=True)
        command = [sys.executable, "-m", "headrace", "bench", name]
        if results is not None:
            command += ["--json", str(results / f"{name}.json")]
        start_s = time.monotonic()
        code = subprocess.run(command, check=False).returncode  # noqa: S603 - ourselves
        took.append((name, code, time.monotonic() - start_s))
    width = max(len(name) for name in names) if names else 0
    for name, code, seconds in took:
        click.echo(f"{name:{width}}  {seconds:5.0f} s  {VERDICTS.get(code, f'ended with {code}')}", err=True)
    click.echo(f"{'in all':{width}}  {sum(seconds for _, _, seconds in took):5.0f} s", err=True)
    return all(code == 0 for _, code, _ in took)


def _command(one: "Bench") -> click.Command:
    @click.command(one.name, params=list(one.options), help=one.says, short_help=one.says)
    @click.option("--seed", type=int, default=0, show_default=True, help="What is left to chance follows from it.")
    @json_option
    @click.pass_context
    def command(
        context: click.Context,
        /,
        seed: int,
        json_file: str | None,
        html: Path | None = None,
        **options: Any,
    ) -> None:
        from headrace.app.demo.processes import DidNotStart
        from headrace.app.load.measure import ChainNotSeen
        from headrace.app.load.users_process import LocustMissing, UsersFailed
        from headrace.testing.anvil import AnvilFailed, AnvilMissing

        check_writable(json_file)
        check_html(html)
        # As Ctrl-C: what a bench started is ended.
        signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
        try:
            spare_what_stays()
            findings, result = uvloop.run(_measure(one, seed, options))
        except (AnvilMissing, AnvilFailed, DidNotStart, ChainNotSeen, LocustMissing, UsersFailed) as error:
            raise click.ClickException(str(error)) from None
        _show(findings, result, json_file)
        write_html(context, html, findings.drawn)
        if not findings.hold:
            context.exit(1)

    return html_option(command) if one.draws else command


async def _measure(one: "Bench", seed: int, options: dict[str, Any]) -> "tuple[Findings, WrittenResult]":
    from headrace.app.bench.checkout import commit_of, find_checkout
    from headrace.app.bench.declaring import BenchRun
    from headrace.app.bench.written import written
    from headrace.app.load.machine import machine

    commit = commit_of(find_checkout())  # of the code that is measured, not of what it is by the end
    start_s = time.monotonic()
    findings = await one.run(BenchRun(seed=seed, base=Path.cwd(), say=_say), **options)
    result = written(
        findings,
        name=one.name,
        date=datetime.now(UTC).date().isoformat(),
        machine=machine(),
        commit=commit,
        seed=seed,
        options=options,
        duration_s=time.monotonic() - start_s,
    )
    return findings, result


def _show(findings: "Findings", result: "WrittenResult", json_file: str | None) -> None:
    from rich.console import Console

    from headrace.app.bench.shown import print_findings

    if json_file is not None:
        write_json(result, json_file)
    if json_file != "-":
        print_findings(findings, result, Console())
    for check in findings.checks:
        if not check.holds:
            _say(f"does not hold: {check.name} is {check.value}, it must be {check.limit}")


def _say(text: str) -> None:
    click.echo(text, err=True)
    sys.stderr.flush()

"""`headrace demo`"""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import uvloop
from click.core import ParameterSource

from headrace.app.cli.options import LOAD_RANGE, FiniteRange, check_writable, json_option, write_json
from headrace.app.cli.pages import check_html, html_option, write_html
from headrace.app.long_lived import spare_what_stays

if TYPE_CHECKING:
    from headrace.app.demo.run import DemoOptions, Stage
    from headrace.app.page.writing import RunToShow
    from headrace.app.report_shape import Report

    ShowPage = Callable[[Sequence[RunToShow]], None]

ON_TIME_SHARE = 0.99
_OF_TASKS = ("rate", "seconds", "recording", "submitter", "poison", "on_time", "late_limit", "html")


@click.command()
@click.option(
    "--workload",
    type=click.Choice(["tasks", "settlement", "calls"]),
    default="tasks",
    show_default=True,
    help="tasks: recorded on chain. settlement: compute jobs, paid from an escrow. calls: not in this version.",
)
@click.option("--rate", type=LOAD_RANGE, default=20.0, show_default=True, help="Tasks a second.")
@click.option(
    "--seconds",
    type=LOAD_RANGE,
    default=20.0,
    show_default=True,
    help="How long tasks are offered.",
)
@click.option(
    "--block-time", type=click.IntRange(1, 600), default=2, show_default=True, help="Seconds between blocks."
)
@click.option(
    "--gas-limit",
    type=click.IntRange(min=1_000_000),
    default=60_000_000,
    show_default=True,
    help="Gas of a block. About 0.2 M a task; well over half full, the base fee climbs.",
)
@click.option(
    "--recording",
    type=click.Choice(["combined", "separate", "committed"]),
    help="One item creates and responds (combined, the default), or a create and then a respond. "
    "committed: not in this version.",
)
@click.option(
    "--submitter",
    type=click.Choice(["batched", "sequential"]),
    default="batched",
    show_default=True,
    help="sequential: one transaction at a time, the old way (records separately).",
)
@click.option(
    "--poison",
    type=FiniteRange(0, 90),
    default=0.0,
    show_default=True,
    metavar="PERCENT",
    help="Tasks that pass off chain and revert on chain.",
)
@click.option(
    "--on-time",
    type=FiniteRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds from request to block that count as on time.",
)
@click.option(
    "--late-limit",
    type=FiniteRange(min=0),
    default=180.0,
    show_default=True,
    help="Seconds after the last request at which the run ends.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of what the tasks, or jobs, are.")
@click.option(
    "--jobs",
    type=click.IntRange(20, 2000),
    default=200,
    show_default=True,
    help="Of settlement: paid jobs; a tenth as many are free.",
)
@click.option("--serve", "serve", is_flag=True, help="Keep everything up after the report, until Ctrl-C.")
@html_option
@json_option
@click.pass_context
def demo(
    context: click.Context,
    workload: str,
    rate: float,
    seconds: float,
    block_time: int,
    gas_limit: int,
    recording: Literal["combined", "separate", "committed"] | None,
    submitter: Literal["batched", "sequential"],
    poison: float,
    on_time: float,
    late_limit: float,
    seed: int,
    jobs: int,
    serve: bool,
    html: Path | None,
    json_file: str | None,
) -> None:
    """Show the whole way of a task on this machine: a real chain, contracts, four operators, the gateway, load.
    Or of compute jobs and their payments (--workload settlement): escrow, payers, sandboxed jobs, claim runs.

    Exits 1 if fewer than 99 % of the valid tasks landed on time; of settlement, unless every job is settled right
    and the books balance. Logs, settings and the store stay in .headrace/latest, so that `headrace inspect ID` can
    tell any task's story afterwards.
    """
    from headrace.app.demo.run import DemoOptions
    from headrace.app.load.profile import OpenLoop
    from headrace.app.report import Limits

    if workload == "calls":
        raise click.BadParameter("this version demonstrates tasks and settlement", param_hint="--workload")
    _check_fit(context, workload)
    check_writable(json_file)
    check_html(html)
    # As Ctrl-C: the processes are ended and the chain's folder is removed.
    signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    if workload == "settlement":
        from headrace.app.cli.demo_settlement import run_settlement
        from headrace.app.demo.settlement.stage import SettlementOptions, Size

        settling = SettlementOptions(
            size=Size(paid=jobs, free=max(jobs // 10, 2), payers=max(jobs // 8, 2)),
            block_time_s=block_time,
            gas_limit=gas_limit,
            serve=serve,
            seed=seed,
        )
        if not uvloop.run(run_settlement(settling, json_file, _say)):
            context.exit(1)
        return
    if recording == "committed":
        raise click.BadParameter("this version records combined or separate", param_hint="--recording")
    if submitter == "sequential" and recording == "combined":
        raise click.BadParameter("the sequential submitter records separately", param_hint="--recording")
    options = DemoOptions(
        profile=OpenLoop(rate_per_s=rate, seconds=seconds),
        block_time_s=block_time,
        gas_limit=gas_limit,
        recording="separate" if submitter == "sequential" else recording or "combined",
        submitter=submitter,
        poison_percent=poison,
        limits=Limits(on_time_s=on_time, late_limit_s=late_limit),
        serve=serve,
        seed=seed,
    )
    spare_what_stays()
    if not uvloop.run(_run(options, json_file, lambda runs: write_html(context, html, runs))):
        context.exit(1)


def _check_fit(context: click.Context, workload: str) -> None:
    """An option that says nothing to this workload is a slip. Raises BadParameter."""
    for name in ("jobs",) if workload == "tasks" else _OF_TASKS:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.BadParameter(
                f"says nothing to --workload {workload}", param_hint=f"--{name.replace('_', '-')}"
            )


async def _run(options: "DemoOptions", json_file: str | None, show_page: "ShowPage") -> bool:
    """Whether what the demo checks holds."""
    from headrace.app.demo.dying import while_alive
    from headrace.app.demo.processes import DidNotStart
    from headrace.app.demo.run import open_stage
    from headrace.testing.anvil import AnvilFailed, AnvilMissing

    try:
        async with open_stage(options, base=Path.cwd(), say=_say) as stage:
            return await while_alive(stage, _play(stage, options, json_file, show_page))
    except (AnvilMissing, AnvilFailed, DidNotStart) as error:
        raise click.ClickException(str(error)) from None


async def _play(stage: "Stage", options: "DemoOptions", json_file: str | None, show_page: "ShowPage") -> bool:
    from headrace.app.demo.run import CONFIRMATIONS, offer, until_final
    from headrace.app.page.writing import RunToShow

    _say(f"load: {options.profile.requests} tasks")
    shown: list[RunToShow] = []
    report = await offer(stage, options, then=lambda run, report: shown.append(RunToShow(run=run, report=report)))
    problems = _problems(report)
    _show(report, problems, json_file)
    show_page(shown)
    if report["ended"] == "all_landed":
        # So that the stories below have their ends: an outcome follows its block by the confirmations.
        await until_final(stage.scene, within_s=(CONFIRMATIONS + 2) * options.block_time_s)
    _say(f"any task's story: headrace inspect TASK_ID --config {stage.scene.settings}")
    if options.serve:
        _say(f"gateway {stage.gateway.url}/rpc, chain {stage.chain.http_url}; Ctrl-C ends it all")
        await asyncio.Event().wait()
    return not problems


def _problems(report: "Report") -> list[str]:
    from headrace.app.load_run import share_on_time

    problems = []
    share = share_on_time(report)
    if share < ON_TIME_SHARE:
        problems.append(f"{share:.1%} of the valid tasks landed on time, fewer than {ON_TIME_SHARE:.0%}")
    poisoned = report["poisoned"]
    if poisoned["outcomes"]["failed"] != poisoned["accepted"]:
        problems.append(
            f"of {poisoned['accepted']} poisoned tasks {poisoned['outcomes']['failed']} ended rejected"
        )
    if report["chain"]["done_twice"]:
        problems.append(f"{report['chain']['done_twice']} tasks were done twice")
    return problems


def _show(report: "Report", problems: list[str], json_file: str | None) -> None:
    from rich.console import Console

    from headrace.app.report_table import print_report

    if json_file is not None:
        write_json(report, json_file)
    if json_file != "-":
        print_report(report, Console())
    for problem in problems:
        _say(f"does not hold: {problem}")


def _say(text: str) -> None:
    click.echo(text, err=True)
    sys.stderr.flush()

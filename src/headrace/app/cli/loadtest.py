"""`headrace loadtest`"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import uvloop

from headrace.app.cli.options import (
    LOAD_RANGE,
    AddressType,
    FiniteRange,
    ListenType,
    check_writable,
    config_option,
    json_option,
    write_json,
)
from headrace.app.cli.pages import check_html, html_option, write_html
from headrace.app.long_lived import spare_what_stays
from headrace.core.words import Address

if TYPE_CHECKING:
    from headrace.app.load.profile import Profile, WebUi
    from headrace.app.load.stopping import Stop
    from headrace.app.report_shape import Report
    from headrace.app.settings import Settings

ON_TIME_SHARE = 0.99


@click.command()
@click.option("--url", required=True, help="The gateway, e.g. http://127.0.0.1:8645.")
@click.option("--seconds", type=LOAD_RANGE, required=True)
@click.option("--rate", type=LOAD_RANGE, help="Tasks a second, whatever the answers: for latency figures.")
@click.option("--users", type=click.IntRange(min=1), help="People who wait for each answer. Needs headrace[load].")
@click.option(
    "--spawn-rate",
    type=FiniteRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Users that arrive a second.",
)
@click.option(
    "--pacing",
    type=FiniteRange(min=0),
    default=15.0,
    show_default=True,
    help="Seconds from a user's request to their next.",
)
@click.option(
    "--web-ui",
    type=ListenType(),
    is_flag=False,
    flag_value="127.0.0.1:8089",
    metavar="[HOST:PORT]",
    help="Open locust's page, at 127.0.0.1:8089 unless said otherwise (port 0: a free one). It has no password. "
    "Without --users they are started there.",
)
@click.option("--chain-url", help="A node of the chain, asked directly. Default: the settings' first.")
@click.option("--task-manager", type=AddressType(), help="Default: the settings' deployment.")
@click.option(
    "--client",
    "clients",
    type=AddressType(),
    multiple=True,
    help="A policy client to ask for (repeatable). Default: the settings' policies.",
)
@click.option("--send", is_flag=True, help="newt_sendTask instead of newt_createTask.")
@click.option("--on-time", type=FiniteRange(min=0, min_open=True), default=60.0, show_default=True)
@click.option("--late-limit", type=FiniteRange(min=0), default=180.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every request and answer as JSON lines.",
)
@config_option
@html_option
@json_option
@click.pass_context
def loadtest(
    context: click.Context,
    url: str,
    seconds: float,
    rate: float | None,
    users: int | None,
    spawn_rate: float,
    pacing: float,
    web_ui: str | None,
    chain_url: str | None,
    task_manager: Address | None,
    clients: tuple[Address, ...],
    send: bool,
    on_time: float,
    late_limit: float,
    seed: int,
    journal: Path | None,
    config: Path | None,
    html: Path | None,
    json_file: str | None,
) -> None:
    """Offer tasks to a running gateway, and see on the chain what became of them.

    \b
    An open loop, the honest way to a latency: 50 tasks a second, however slow the answers are.
      headrace loadtest --url http://127.0.0.1:8645 --rate 50 --seconds 60
    People (by locust): 10 of them, all there after a second, each waits for the answer and asks every 15 s.
      headrace loadtest --url http://127.0.0.1:8645 --users 10 --spawn-rate 10 --pacing 15 --seconds 300
    The same with locust's page, to start, stop and add users; ends after the time or by Ctrl-C.
      headrace loadtest --url http://127.0.0.1:8645 --web-ui --seconds 600

    Chain, contracts and policy clients are those of the settings (--config), or named one by one. What landed is
    read from the chain, never asked of the gateway. Ctrl-C: no more requests, the report follows when what is
    under way has landed; Ctrl-C again: the report now. Exits 1 if fewer than 99 % of the accepted tasks landed on
    time.
    """
    from rich.console import Console

    from headrace.app.load.profile import OpenLoop, Users
    from headrace.app.load_run import run_load, share_on_time
    from headrace.app.load_target import Named, take_aim
    from headrace.app.page.writing import RunToShow
    from headrace.app.report import Limits
    from headrace.app.report_table import print_report

    if (rate is None) == (users is None and web_ui is None):
        raise click.UsageError("give either --rate or --users (with or without --web-ui)")
    profile: Profile
    if rate is not None:
        profile = OpenLoop(rate_per_s=rate, seconds=seconds)
    else:
        profile = Users(
            users=users or 1,
            spawn_rate_per_s=spawn_rate,
            pacing_s=pacing,
            seconds=seconds,
            web_ui=None if web_ui is None else _page(web_ui, start=users is not None),
        )
    check_writable(json_file)
    check_html(html)
    named = Named(gateway_url=url, chain_url=chain_url, task_manager=task_manager, clients=clients)
    settings = _settings(config, needed=not named.is_all)
    shown: list[RunToShow] = []

    async def work(stop: "Stop") -> "Report":
        aim = await take_aim(named, settings)
        return await run_load(
            "loadtest",
            aim.target,
            profile,
            aim.clients,
            deployment=aim.deployment,
            limits=Limits(on_time_s=on_time, late_limit_s=late_limit),
            send_only=send,
            seed=seed,
            journal_file=journal,
            then=lambda run, report: shown.append(RunToShow(run=run, report=report)),
            stop=stop,
        )

    report = _carry_out(work, profile)
    if json_file is not None:
        write_json(report, json_file)
    if json_file != "-":
        print_report(report, Console())
    write_html(context, html, shown)
    if share_on_time(report) < ON_TIME_SHARE:
        context.exit(1)


def _carry_out(work: "Callable[[Stop], Awaitable[Report]]", profile: "Profile") -> "Report":
    """Raises CannotRun for what is not the load's to measure."""
    from headrace.app.cli.interrupting import with_ctrl_c
    from headrace.app.load.measure import ChainNotSeen
    from headrace.app.load.profile import Users
    from headrace.app.load.users_process import LocustMissing, UsersFailed, require_locust

    try:
        if isinstance(profile, Users):
            require_locust()
        spare_what_stays()
        return uvloop.run(with_ctrl_c(work))
    except (LocustMissing, UsersFailed, ChainNotSeen) as error:
        raise CannotRun(str(error)) from None


class CannotRun(click.ClickException):
    exit_code = 2


def _page(address: str, *, start: bool) -> "WebUi":
    from headrace.app.load.profile import WebUi

    host, _, port = address.rpartition(":")
    return WebUi(host=host.strip("[]"), port=int(port), start=start)


def _settings(config: Path | None, *, needed: bool) -> "Settings | None":
    """Those that were named; else, where they are needed, those that are found."""
    from headrace.app.cli.options import settings_path
    from headrace.app.settings import load_settings

    if config is None and not needed:
        return None  # what lies about may be another gateway's
    try:
        return load_settings(settings_path(config))
    except click.UsageError:
        raise click.UsageError(
            "give --chain-url, --task-manager and --client, or settings to take them from (--config)"
        ) from None

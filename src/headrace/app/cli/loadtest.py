"""`headrace loadtest`"""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import uvloop

from headrace.app.cli.options import (
    LOAD_RANGE,
    AddressType,
    FiniteRange,
    check_writable,
    config_option,
    json_option,
    write_json,
)
from headrace.core.words import Address

if TYPE_CHECKING:
    from headrace.app.load.profile import Profile
    from headrace.app.load.task_source import PolicyClient
    from headrace.app.load_run import Target
    from headrace.app.settings import Settings

ON_TIME_SHARE = 0.99


@click.command()
@click.option("--url", required=True, help="The gateway, e.g. http://127.0.0.1:8645.")
@click.option("--seconds", type=LOAD_RANGE, required=True)
@click.option("--rate", type=LOAD_RANGE, help="Tasks a second, whatever the answers.")
@click.option("--users", type=click.IntRange(min=1), help="People who wait for each answer.")
@click.option("--spawn-rate", type=FiniteRange(min=0, min_open=True), default=10.0, show_default=True)
@click.option(
    "--pacing",
    type=FiniteRange(min=0),
    default=15.0,
    show_default=True,
    help="Seconds between a user's requests.",
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
    chain_url: str | None,
    task_manager: Address | None,
    clients: tuple[Address, ...],
    send: bool,
    on_time: float,
    late_limit: float,
    seed: int,
    journal: Path | None,
    config: Path | None,
    json_file: str | None,
) -> None:
    """Offer tasks to a running gateway, and see on the chain what became of them.

    Either --rate (an open loop) or --users. What landed is read from the chain, never asked of the gateway.
    Exits 1 if fewer than 99 % of the accepted tasks landed on time.
    """
    from rich.console import Console

    from headrace.app.load.profile import OpenLoop, Users
    from headrace.app.load_run import run_load, share_on_time
    from headrace.app.report import Deployment, Limits
    from headrace.app.report_table import print_report

    if (rate is None) == (users is None):
        raise click.UsageError("give either --rate or --users")
    profile: Profile
    if rate is not None:
        profile = OpenLoop(rate_per_s=rate, seconds=seconds)
    else:
        assert users is not None
        profile = Users(users=users, spawn_rate_per_s=spawn_rate, pacing_s=pacing, seconds=seconds)
    check_writable(json_file)
    target, ask_for = uvloop.run(_target(url, chain_url, task_manager, clients, config))
    limits = Limits(on_time_s=on_time, late_limit_s=late_limit)
    report = uvloop.run(
        run_load(
            "loadtest",
            target,
            profile,
            ask_for,
            deployment=Deployment(),
            limits=limits,
            send_only=send,
            seed=seed,
            journal_file=journal,
        )
    )
    if json_file is not None:
        write_json(report, json_file)
    if json_file != "-":
        print_report(report, Console())
    if share_on_time(report) < ON_TIME_SHARE:
        context.exit(1)


async def _target(
    url: str,
    chain_url: str | None,
    task_manager: Address | None,
    clients: tuple[Address, ...],
    config: Path | None,
) -> "tuple[Target, list[PolicyClient]]":
    """From the options, and from the settings for what they leave open."""
    from headrace.app.clock import SystemClock
    from headrace.app.deploying import BATCH, TASK_MANAGER
    from headrace.app.load.task_source import PolicyClient
    from headrace.app.load_run import Target
    from headrace.chain import deployments
    from headrace.chain.endpoints import Endpoints
    from headrace.chain.node import RpcNode

    contracts = [] if task_manager is None else [task_manager]
    if chain_url is None or task_manager is None or not clients:
        settings = _settings(config)
        chain_url = chain_url or settings.chain.http[0]
        if task_manager is None:
            deployed = deployments.read(settings.chain.deployment).contracts
            contracts = [deployed[n].address for n in (TASK_MANAGER, BATCH) if n in deployed]
        if not clients:
            from headrace.operators.policies import load_policies

            clients = tuple(sorted(load_policies(settings.tasks.policies).clients))
    node = RpcNode(Endpoints([chain_url], clock=SystemClock()))
    try:
        chain_id = await node.chain_id()
    finally:
        await node.close()
    target = Target(
        gateway_url=url,
        chain_url=chain_url,
        chain_ws_url=None,
        chain_id=chain_id,
        contracts=contracts,
        pids={},
    )
    return target, [PolicyClient(address=client) for client in clients]


def _settings(config: Path | None) -> "Settings":
    from headrace.app.cli.options import settings_path
    from headrace.app.settings import load_settings

    try:
        return load_settings(settings_path(config))
    except click.UsageError:
        raise click.UsageError(
            "give --chain-url, --task-manager and --client, or settings to take them from (--config)"
        ) from None

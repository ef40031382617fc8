"""`headrace deploy`"""

import asyncio
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from headrace.app.cli.options import config_option, settings_path
from headrace.core.words import Address, ChainId

LOCAL_CHAIN: Final = 31337

if TYPE_CHECKING:
    from headrace.app.deploying import NewOperator
    from headrace.app.settings import Settings
    from headrace.chain.signing import LocalSigner


@click.command()
@config_option
@click.option("--env", "env", required=True, help="A name for this deployment: deployments/{chainId}-{env}.json.")
@click.option(
    "--operators",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML with [[operators]] address, stake, keystore, passphrase_env: registered with proof of possession.",
)
@click.option(
    "--owner-key-env",
    metavar="NAME",
    help="The variable with the key that deploys and owns the contracts. Default: the first lane's key.",
)
@click.option(
    "--workload",
    "workloads",
    type=click.Choice(["tasks", "settlement"]),
    multiple=True,
    default=("tasks",),
    show_default=True,
    help="Whose contracts. May be given twice.",
)
@click.option(
    "--fee-router",
    metavar="ADDRESS",
    help="Of the escrow: who knows the fee on claims. Default, on chain 31337 only: a test contract, no fee.",
)
@click.option("--collector", metavar="ADDRESS", help="Of the escrow: who gets the fees. Default: the owner.")
def deploy(
    config: Path | None,
    env: str,
    operators: Path | None,
    owner_key_env: str | None,
    workloads: tuple[str, ...],
    fee_router: str | None,
    collector: str | None,
) -> None:
    """Put the contracts on the chain of the settings, and set them up for its lanes.

    Running it again finishes what an earlier run left undone.
    """
    from headrace.app.settings import load_settings

    path = settings_path(config)
    settings = load_settings(path)
    fees = _Fees(_address(fee_router, "--fee-router"), _address(collector, "--collector"))
    if "settlement" in workloads and fees.router is None and settings.chain.chain_id != LOCAL_CHAIN:
        raise click.UsageError(
            f"--workload settlement on chain {settings.chain.chain_id} needs --fee-router: the test contract lets "
            "anybody change the fee"
        )
    asyncio.run(_deploy(settings, path.parent, env, operators, owner_key_env, workloads, fees))


@dataclass(frozen=True, slots=True)
class _Fees:
    router: Address | None
    collector: Address | None


def _address(text: str | None, option: str) -> Address | None:
    if text is not None and not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise click.BadParameter(f"{text!r} is no address", param_hint=option)
    return None if text is None else Address(bytes.fromhex(text[2:]))


async def _deploy(
    settings: "Settings",
    folder: Path,
    env: str,
    operators: Path | None,
    owner_key_env: str | None,
    workloads: tuple[str, ...],
    fees: _Fees,
) -> None:
    from headrace.app.clock import SystemClock
    from headrace.app.deploying import Plan, deploy_escrow, deploy_tasks
    from headrace.app.keys import lane_signers
    from headrace.chain import deployments
    from headrace.chain.deploying import Deployer
    from headrace.chain.endpoints import Endpoints
    from headrace.chain.limits import FORKS
    from headrace.chain.node import RpcNode
    from headrace.core.errors import NeedsOperator

    chain = ChainId(settings.chain.chain_id)
    signers = lane_signers(settings)
    owner = _owner(owner_key_env) if owner_key_env is not None else signers[0]
    new_operators = _read_operators(operators) if operators is not None else []
    try:
        file = deployments.path_of(folder / "deployments", chain=chain, env=env)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--env") from None
    clock = SystemClock()
    node = RpcNode(Endpoints(settings.chain.http, clock=clock))
    try:
        if (found := await node.chain_id()) != chain:
            raise NeedsOperator(
                f"the node is on chain {found}, the settings say {chain}: correct chain_id or the node's URL"
            )
        deployer = Deployer(node, owner, chain=chain, clock=clock, limits=FORKS[settings.chain.fork])
        if "tasks" in workloads:
            await deploy_tasks(
                Plan(
                    owner=owner.address,
                    lanes=[s.address for s in signers],
                    operators=new_operators,
                    direct=not settings.batch_submitter.enabled,
                ),
                deployer=deployer,
                node=node,
                chain=chain,
                env=env,
                file=file,
                say=lambda text: click.echo(text, err=True),
            )
        if "settlement" in workloads:
            await deploy_escrow(
                fee_router=fees.router,
                collector=fees.collector or owner.address,
                deployer=deployer,
                node=node,
                chain=chain,
                env=env,
                file=file,
                say=lambda text: click.echo(text, err=True),
            )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    finally:
        await node.close()
    click.echo(str(file))


def _owner(variable: str) -> "LocalSigner":
    from headrace.app.keys import signer_from_env

    return signer_from_env(variable)


def _read_operators(file: Path) -> "list[NewOperator]":
    """Raises BadSettings with every problem of the file."""
    from headrace.app.deploying import NewOperator
    from headrace.app.settings import BadSettings
    from headrace.attest.keystore import read_keystore

    try:
        entries = tomllib.loads(file.read_text()).get("operators", [])
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings([f"{file}: cannot be read: {error}"]) from None
    if not isinstance(entries, list) or not entries:
        raise BadSettings([f"{file}: has no [[operators]]"])
    problems = [p for i, entry in enumerate(entries) for p in _entry_problems(i, entry)]
    if problems:
        raise BadSettings(problems)
    return [
        NewOperator(
            address=Address(bytes.fromhex(entry["address"][2:])),
            key=read_keystore(file.parent / entry["keystore"], passphrase=os.environ[entry["passphrase_env"]]),
            stake=entry["stake"],
        )
        for entry in entries
    ]


def _entry_problems(index: int, entry: object) -> list[str]:
    where = f"operators.{index}"
    if not isinstance(entry, dict):
        return [f"{where}: is no table"]
    wrong = []
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", str(entry.get("address"))):
        wrong.append(f"{where}.address: {entry.get('address')!r} is no address")
    stake = entry.get("stake")
    if not isinstance(stake, int) or isinstance(stake, bool) or stake < 1:
        wrong.append(f"{where}.stake: {stake!r} is no positive whole number")
    if not isinstance(entry.get("keystore"), str):
        wrong.append(f"{where}.keystore: is missing")
    if str(entry.get("passphrase_env")) not in os.environ:
        wrong.append(f"{where}.passphrase_env: names no variable that is set")
    return wrong

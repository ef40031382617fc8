"""`headrace lanes`: the operator of this service handles its lanes."""

import asyncio
import re
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from headrace.app.cli.options import (
    AddressType,
    FiniteRange,
    check_writable,
    config_option,
    json_option,
    settings_path,
    write_json,
)
from headrace.core.words import Address

if TYPE_CHECKING:
    from headrace.app.settings import Settings

NONCE: Final = click.IntRange(min=0, max=2**63 - 1)
LANE: Final = AddressType()
_HASH: Final = re.compile(r"0x[0-9a-fA-F]{64}")
Answer = TypeVar("Answer")


@click.group(invoke_without_command=True)
@click.pass_context
def lanes(context: click.Context) -> None:
    """Show the lanes (one key on one chain each), and take one out of work or back into it.

    Talks to the running gateway at its operator's socket, which only the gateway's own user can reach. While no
    gateway runs, list, drain, resume and adopt work on the store itself. What is said here holds across restarts,
    and `headrace inspect LANE` tells what was said when.

    \b
    Take a key out of work:       headrace lanes drain 0xLANE --wait
    Back into work:               headrace lanes resume 0xLANE
    A transaction must not land:  headrace lanes cancel 0xLANE NONCE
    The key was used elsewhere:   headrace lanes drain 0xLANE; headrace lanes adopt 0xLANE --nonce N
    """
    if context.invoked_subcommand is None:
        context.invoke(list_)


@lanes.command("list")
@config_option
@json_option
def list_(config: Path | None = None, json_file: str | None = None) -> None:
    """Show every lane: its state, nonces, what is under way, balance, and what hinders it.

    active: it seals batches. draining: it seals none, what is under way is being finished. drained: nothing is
    under way either. The chain's nonces and the balance are there only while a gateway runs.
    """
    from headrace.app.control_client import NobodyThere
    from headrace.app.lanes_shown import shown_lane

    check_writable(json_file)
    settings = _settings(config)

    async def ask() -> tuple[bool, list[Mapping[str, Any]]]:
        try:
            return True, list((await _call(settings, "headrace_lanes"))["lanes"])
        except NobodyThere:
            from headrace.api.lane_form import lane_form_for_operator
            from headrace.app.lanes_at_rest import list_at_rest

            return False, [lane_form_for_operator(report) for report in await list_at_rest(settings)]

    running, found = asyncio.run(ask())
    if json_file is not None:
        write_json({"gateway": running, "lanes": found}, json_file)
    if json_file != "-":
        if not running:
            click.echo("no gateway runs on this store; as it was left:", err=True)
        click.echo("\n".join(shown_lane(lane) for lane in found) or "no lane was ever used here")


@lanes.command()
@click.argument("lane", type=LANE)
@click.option("--wait", is_flag=True, help="Until nothing of it is unsettled, so that its key is free.")
@click.option(
    "--timeout",
    "timeout_s",
    type=FiniteRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    help="With --wait: seconds, then exit 1 with what is left. The lane stays drained.",
)
@config_option
@json_option
@click.pass_context
def drain(
    context: click.Context,
    lane: Address,
    wait: bool,
    timeout_s: float,
    config: Path | None,
    json_file: str | None,
) -> None:
    """LANE seals no new batch. What it has under way is finished: replaced, mined, settled.

    The gateway goes on accepting; other lanes take the queue. With every lane drained the queue stands, and
    /readyz says so.
    """
    from headrace.app.drain_wait import until_drained

    check_writable(json_file)
    settings = _settings(config)
    answer = _run(context, _change(settings, "drain", lane))
    _say(answer, json_file, "drained: it seals no batch" if answer["changed"] else "was drained already")
    if wait:
        left = _run(context, until_drained(settings, lane, timeout_s=timeout_s))
        if left is not None:
            click.echo(left, err=True)
            context.exit(1)


@lanes.command()
@click.argument("lane", type=LANE)
@config_option
@json_option
@click.pass_context
def resume(context: click.Context, lane: Address, config: Path | None, json_file: str | None) -> None:
    """LANE seals batches again."""
    check_writable(json_file)
    answer = _run(context, _change(_settings(config), "resume", lane))
    _say(answer, json_file, "resumed: it seals batches again" if answer["changed"] else "was not drained")


@lanes.command()
@click.argument("transaction", metavar="LANE NONCE | HASH", nargs=-1, required=True)
@click.option("--end", is_flag=True, help="Its operations end as cancelled, instead of going back to the queue.")
@config_option
@json_option
@click.pass_context
def cancel(
    context: click.Context, transaction: tuple[str, ...], end: bool, config: Path | None, json_file: str | None
) -> None:
    """Fill a transaction's nonce with nothing instead of its batch. Named by lane and nonce, or by a hash.

    A transfer of 0 to the lane itself is signed at the same nonce with higher fees. Once that is final, the
    operations go back to the queue and travel again; with --end they end as cancelled. The transaction may still
    win the race: then its operations landed, and `headrace inspect` says so. What is mined cannot be cancelled.
    Needs a running gateway.
    """
    check_writable(json_file)
    params = {**_named(transaction), "end": end}
    settings = _settings(config)
    answer = _run(context, _cancel(settings, params))
    if json_file is not None:
        write_json(answer, json_file)
    if json_file != "-":
        then = "end as cancelled" if answer["then"] == "end" else "travel again"
        no_op, hindered = answer["no_op"], answer["help_wanted"]
        by = f"its nonce filled by {no_op}" if no_op else f"but not filled yet: {hindered}"
        click.echo(
            f"nonce {answer['nonce']} of lane {answer['lane']} is cancelled, {by}; once that is final its "
            f"{answer['operations']} operations {then}, unless the transaction lands first"
        )


@lanes.command()
@click.argument("lane", type=LANE)
@click.option("--nonce", type=NONCE, required=True, help="The nonce of its next transaction.")
@click.option(
    "--fill-gap", is_flag=True, help="Also where nonces before it are nobody's: the lane fills those that stay so."
)
@config_option
@json_option
@click.pass_context
def adopt(
    context: click.Context, lane: Address, nonce: int, fill_gap: bool, config: Path | None, json_file: str | None
) -> None:
    """LANE goes on from this nonce: another wallet used its key, or somebody sent by hand.

    At each start a lane goes on from the chain's nonce by itself where that is higher than its own. While the
    gateway runs the lane must be drained first. Refused: a nonce that the ledger has had, one that the chain or
    somebody's pooled transaction has, and (without --fill-gap) one that leaves others before it to nobody.
    """
    check_writable(json_file)
    answer = _run(context, _adopt(_settings(config), lane, nonce, fill_gap))
    _say(answer, json_file, f"goes on from nonce {answer['lane']['next_nonce']}")


# ---- At the gateway, else at the store


def _settings(config: Path | None) -> "Settings":
    from headrace.app.settings import load_settings

    return load_settings(settings_path(config))


async def _call(settings: "Settings", method: str, **params: object) -> Mapping[str, Any]:
    from headrace.app.control_client import call_gateway

    return await call_gateway(settings.control_socket, method, params)


async def _change(settings: "Settings", what: str, lane: Address) -> Mapping[str, Any]:
    from headrace.api.lane_form import lane_form_for_operator
    from headrace.app.control_client import NobodyThere
    from headrace.app.lanes_at_rest import lanes_at_rest

    try:
        return await _call(settings, f"headrace_{what}Lane", lane=f"0x{lane.hex()}")
    except NobodyThere:
        async with lanes_at_rest(settings) as at_rest:
            changed = await (at_rest.drain(lane) if what == "drain" else at_rest.resume(lane))
            return {"changed": changed, "lane": lane_form_for_operator(await at_rest.report(lane))}


async def _adopt(settings: "Settings", lane: Address, nonce: int, fill_gap: bool) -> Mapping[str, Any]:
    from headrace.api.lane_form import lane_form_for_operator
    from headrace.app.control_client import NobodyThere
    from headrace.app.lanes_at_rest import lanes_at_rest
    from headrace.core.words import Nonce

    try:
        return await _call(settings, "headrace_adoptLane", lane=f"0x{lane.hex()}", nonce=nonce, fill_gap=fill_gap)
    except NobodyThere:
        async with lanes_at_rest(settings) as at_rest:
            await at_rest.adopt(lane, Nonce(nonce), fill_gap=fill_gap)
            return {"lane": lane_form_for_operator(await at_rest.report(lane))}


async def _cancel(settings: "Settings", params: Mapping[str, object]) -> Mapping[str, Any]:
    from headrace.app.control_client import NobodyThere
    from headrace.core.errors import NeedsOperator

    try:
        return await _call(settings, "headrace_cancelTransaction", **params)
    except NobodyThere:
        raise NeedsOperator(
            f"no gateway answers at {settings.control_socket}: cancelling needs one, because the nonce must be "
            "signed for, sent and watched; start it (headrace serve), then cancel"
        ) from None


# ---- Words


def _named(words: tuple[str, ...]) -> Mapping[str, object]:
    """Raises BadParameter."""
    match words:
        case (hash,) if _HASH.fullmatch(hash):
            return {"transaction": hash}
        case (one,):
            raise click.BadParameter(
                f"{one!r} is no transaction hash (0x and 64 hex digits); a nonce needs its lane before it",
                param_hint="'LANE NONCE | HASH'",
            )
        case (lane, nonce):
            LANE.convert(lane, None, None)
            return {"lane": lane, "nonce": click.types.convert_type(NONCE)(nonce)}
        case _:
            raise click.BadParameter("give LANE and NONCE, or HASH", param_hint="'LANE NONCE | HASH'")


def _run(context: click.Context, work: Awaitable[Answer]) -> Answer:
    """What cannot be done as things are ends with 1, what is asked for wrongly with 2."""
    from headrace.core.errors import FixTheRequest, TryLater

    async def wait() -> Answer:
        return await work

    try:
        return asyncio.run(wait())
    except (FixTheRequest, TryLater) as refused:
        click.echo(refused.message, err=True)
        context.exit(2 if "field" in refused.data else 1)


def _say(answer: Mapping[str, Any], json_file: str | None, what: str) -> None:
    if json_file is not None:
        write_json(answer, json_file)
    if json_file != "-":
        lane = answer["lane"]
        under_way = f"{lane['in_flight']} in flight, {lane['mined']} mined and not final"
        click.echo(f"lane {lane['lane']} {what} ({lane['state']}; {under_way})")

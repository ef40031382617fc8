"""`headrace status`"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from headrace.app.cli.options import check_writable, config_option, json_option, settings_path, write_json
from headrace.core.ports import LaneAccount, UnknownRevert

UNKNOWN_SHOWN_MAX = 20


@click.command()
@config_option
@click.option("--memory", is_flag=True, help="Also ask the running gateway what it holds in memory.")
@json_option
def status(config: Path | None, memory: bool, json_file: str | None) -> None:
    """Count operations by stage and outcome, transactions by lane, and reverts that no known ABI has.

    From the store, so that it works beside a running gateway and after it died. What hinders a running gateway
    now is in its /readyz, and for each lane in `headrace lanes`.
    """
    from headrace.app.control_client import NobodyThere, call_gateway
    from headrace.app.settings import load_settings
    from headrace.store import open_reader

    check_writable(json_file)
    settings = load_settings(settings_path(config))

    async def read() -> tuple[Mapping[str, int], Sequence[LaneAccount], Sequence[UnknownRevert]]:
        async with open_reader(settings.store.path) as reader:
            unknown = await reader.unknown_reverts(limit=UNKNOWN_SHOWN_MAX)
            return await reader.counts(), await reader.lanes(), unknown

    counts, lanes, unknown = asyncio.run(read())
    held: Mapping[str, Mapping[str, int]] = {}
    if memory:
        try:
            held = asyncio.run(call_gateway(settings.control_socket, "headrace_memory", {}))
        except NobodyThere:
            raise click.ClickException(f"no gateway runs on {settings.store.path}: nothing is in memory") from None
    if json_file is not None:
        content: dict[str, object] = {
            "operations": dict(counts),
            "lanes": [_as_json(lane) for lane in lanes],
            "unknown_reverts": [_unknown_as_json(each) for each in unknown],
        }
        write_json(content | ({"memory": held} if memory else {}), json_file)
    if json_file != "-":
        _show(counts, lanes)
        _show_unknown(unknown)
        _show_held(held)


def _show(counts: Mapping[str, int], lanes: Sequence[LaneAccount]) -> None:
    from rich.console import Console
    from rich.table import Table

    from headrace.chain.hexes import address_text

    console = Console()
    operations = Table("operations", "count", title=None)
    for name, count in counts.items():
        operations.add_row(name, str(count))
    console.print(operations)
    for lane in lanes:  # a line, not a table: an address is worth nothing when it is cut
        click.echo(
            f"lane {address_text(lane.lane)} of chain {lane.chain}: {lane.state.value}, "
            f"next nonce {lane.next_nonce}, {lane.in_flight} in flight, {lane.mined} mined and not final, "
            f"{lane.settled} settled"
        )


def _show_held(held: Mapping[str, Mapping[str, int]]) -> None:
    from rich.console import Console
    from rich.table import Table

    if held:
        memory = Table("in memory", "", "count", title=None)
        for group, counts in held.items():
            for name, count in counts.items():
                memory.add_row(group.replace("_", " "), name.replace("_", " "), f"{count:,}")
        Console().print(memory)


def _show_unknown(unknown: Sequence[UnknownRevert]) -> None:
    for each in unknown:
        click.echo(
            f"unknown revert {_selector(each)}: {each.operations} operations, the newest is {each.example} "
            "(headrace inspect shows its data; name the contract's ABI in tasks.error_abis)"
        )


def _selector(unknown: UnknownRevert) -> str:
    return f"0x{unknown.selector.hex()}" if unknown.selector else "of less than 4 bytes"


def _unknown_as_json(unknown: UnknownRevert) -> dict[str, object]:
    return {
        "selector": f"0x{unknown.selector.hex()}",
        "operations": unknown.operations,
        "example": unknown.example,
    }


def _as_json(lane: LaneAccount) -> dict[str, object]:
    from headrace.chain.hexes import address_text

    return {
        "lane": address_text(lane.lane),
        "chain_id": lane.chain,
        "state": lane.state.value,
        "next_nonce": lane.next_nonce,
        "in_flight": lane.in_flight,
        "mined": lane.mined,
        "settled": lane.settled,
    }

"""`headrace status`"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from headrace.app.cli.options import check_writable, config_option, json_option, settings_path, write_json
from headrace.core.ports import LaneAccount


@click.command()
@config_option
@json_option
def status(config: Path | None, json_file: str | None) -> None:
    """Count operations by stage and outcome, and transactions by lane, from the store."""
    from headrace.app.settings import load_settings
    from headrace.store import open_reader

    check_writable(json_file)
    settings = load_settings(settings_path(config))

    async def read() -> tuple[Mapping[str, int], Sequence[LaneAccount]]:
        async with open_reader(settings.store.path) as reader:
            return await reader.counts(), await reader.lanes()

    counts, lanes = asyncio.run(read())
    if json_file is not None:
        write_json({"operations": dict(counts), "lanes": [_as_json(lane) for lane in lanes]}, json_file)
    if json_file != "-":
        _show(counts, lanes)


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
            f"lane {address_text(lane.lane)} of chain {lane.chain}: next nonce {lane.next_nonce}, "
            f"{lane.in_flight} in flight, {lane.mined} mined, {lane.settled} settled"
        )


def _as_json(lane: LaneAccount) -> dict[str, object]:
    from headrace.chain.hexes import address_text

    return {
        "lane": address_text(lane.lane),
        "chain_id": lane.chain,
        "next_nonce": lane.next_nonce,
        "in_flight": lane.in_flight,
        "mined": lane.mined,
        "settled": lane.settled,
    }

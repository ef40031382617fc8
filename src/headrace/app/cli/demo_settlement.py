"""`headrace demo --workload settlement`"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.app.cli.options import write_json

if TYPE_CHECKING:
    from headrace.app.demo.settlement.shape import SettlementReport
    from headrace.app.demo.settlement.stage import SettlementOptions, SettlementStage

Say = Callable[[str], None]

PROBLEMS_SHOWN_MAX = 20


async def run_settlement(options: "SettlementOptions", json_file: str | None, say: Say) -> bool:
    """Whether every due job is settled right and the books balance."""
    from headrace.app.chain_watch import NodeSays, NodeUnreachable
    from headrace.app.demo.dying import while_alive
    from headrace.app.demo.processes import DidNotStart
    from headrace.app.demo.settlement.rest import Refused
    from headrace.app.demo.settlement.sending import DidNotSucceed
    from headrace.app.demo.settlement.stage import open_settlement_stage
    from headrace.testing.anvil import AnvilFailed, AnvilMissing

    try:
        async with open_settlement_stage(options, base=Path.cwd(), say=say, now=time.time()) as stage:
            return await while_alive(stage, _play(stage, options, json_file, say))
    except (AnvilMissing, AnvilFailed, DidNotStart, DidNotSucceed, Refused, NodeSays, NodeUnreachable) as error:
        raise click.ClickException(str(error)) from None


async def _play(stage: "SettlementStage", options: "SettlementOptions", json_file: str | None, say: Say) -> bool:
    from headrace.app.demo.settlement.run import perform

    report = await perform(stage, options, say=say)
    problems = report["settlement"]["problems"]
    _show(report, json_file)
    for problem in problems[:PROBLEMS_SHOWN_MAX]:
        say(f"does not hold: {problem}")
    if len(problems) > PROBLEMS_SHOWN_MAX:
        say(f"and {len(problems) - PROBLEMS_SHOWN_MAX} problems more, all in --json FILE")
    say(f"any job's story: headrace jobs show JOB_ID --config {stage.scene.settings}")
    if options.serve:
        say(f"gateway {stage.gateway.url}/docs, chain {stage.chain.http_url}; Ctrl-C ends it all")
        await asyncio.Event().wait()
    return not problems


def _show(report: "SettlementReport", json_file: str | None) -> None:
    from rich.console import Console

    from headrace.app.demo.settlement.table import print_settlement

    if json_file is not None:
        write_json(report, json_file)
    if json_file != "-":
        print_settlement(report, Console())

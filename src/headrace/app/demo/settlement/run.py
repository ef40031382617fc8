"""Plays a settlement demo on its stage, watches it from outside, and reports.

Owns      what is watched while it plays, and that everything is final before it is judged.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from headrace.app.chain_watch import ChainWatch
from headrace.app.chain_watch.escrow_read import read_escrow
from headrace.app.demo.run import CHAIN_ID, until_final
from headrace.app.demo.settlement.acts import Play
from headrace.app.demo.settlement.cast import Casting, cast
from headrace.app.demo.settlement.judging import judge
from headrace.app.demo.settlement.reporting import Witnessed, build_settlement_report
from headrace.app.demo.settlement.shape import SettlementReport
from headrace.app.demo.settlement.stage import CONFIRMATIONS, SettlementOptions, SettlementStage
from headrace.app.load.process_stats import ProcessStats

_ENDINGS_BLOCKS: Final = 12  # withdrawals follow claims, and what was cut out goes again


async def perform(
    stage: SettlementStage, options: SettlementOptions, *, say: Callable[[str], None]
) -> SettlementReport:
    """Raises Refused, DidNotSucceed, NodeUnreachable: what keeps it from being played, or read, at all."""
    escrow = stage.contracts.escrow.address
    watch = ChainWatch(stage.chain.http_url, (escrow,), ws_url=stage.chain.ws_url)
    stats = ProcessStats(
        {"gateway": [stage.gateway.pid], "chain": [stage.chain.pid], "proxy": list(stage.access.pids)}
    )
    began_at_s = time.monotonic()
    watching = [asyncio.create_task(work) for work in (watch.run(), stats.run())]
    try:
        await watch.started.wait()
        play = Play(stage, castings(stage, options), block_time_s=options.block_time_s, say=say)
        played = await play.run()
        say("until all of it is final")
        await until_final(stage.scene, within_s=_ENDINGS_BLOCKS * options.block_time_s + CONFIRMATIONS)
        seconds = time.monotonic() - began_at_s
        stats.sample()
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    record = await read_escrow(
        stage.chain.http_url,
        escrow,
        tokens=[stage.contracts.token.address],
        collector=stage.contracts.collector,
        from_block=stage.contracts.escrow.block,
    )
    judgement = judge(played, record, payee=stage.payee.address)
    witnessed = Witnessed(record=record, watched=watch.record, use=stats.use(), seconds=seconds)
    return build_settlement_report(stage, options, played, judgement, witnessed)


def castings(stage: SettlementStage, options: SettlementOptions) -> Sequence[Casting]:
    return cast(
        paid=options.size.paid,
        free=options.size.free,
        payers=[key.address for key in stage.payers],
        trickster=stage.trickster.address,
        chain=CHAIN_ID,
        token=stage.contracts.token.address,
        run="job",
        seed=options.seed,
    )

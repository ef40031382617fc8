"""Asks a node what a claim run's operations cost on this escrow, just before they are packed.

Owns      the estimates for each group of a run. Escrows differ by a factor of three, and some search their locks
          from the front: what a claim costs there hangs on where its lock stands.
Promises  it never stands in the way: an estimate that fails, or a batch in which one item would, changes nothing.
Leaves    the use of the figure to `core.gas`, whether each operation is sound to the simulator.
"""

import logging
from collections.abc import Sequence
from typing import Final

from headrace.chain.node import RpcNode
from headrace.core.gas import GasBook
from headrace.core.operation import Operation
from headrace.core.ports import NodeTrouble, Reverted
from headrace.workloads.escrow.workload import Escrow

log = logging.getLogger(__name__)

ENOUGH: Final = 12  # fewer say little of what one among many costs
MOST: Final = 150
# The second of our order stands deepest, the first in front (jobs.scan_order): alone it costs so much more.
SEARCHES_PERCENT: Final = 115
GAPS_PERCENT: Final = 50


class Measuring:
    """Implements jobs.claim_run.Measure."""

    def __init__(self, node: RpcNode, workload: Escrow, gas_book: GasBook) -> None:
        self._node, self._workload, self._gas_book = node, workload, gas_book

    async def __call__(self, operations: Sequence[Operation]) -> None:
        some = operations[:MOST]
        if len(some) < ENOUGH:
            return
        try:
            needed, front, deep = [await self._needed(o) for o in (some, some[:1], some[1:2])]
        except NodeTrouble as trouble:
            log.info("what a %s costs is not known: %s", some[0].form, trouble)
            return
        if needed is None or front is None or deep is None:
            return
        searches = deep * 100 >= front * SEARCHES_PERCENT
        if not searches:
            # The gaps that a batch leaves are filled from the end: more of them if an item was cut out before.
            needed = needed * (100 + GAPS_PERCENT) // 100
        sizes = [self._workload.size(operation) for operation in some]
        self._gas_book.of(self._workload, some[0].form).measured(gas_needed=needed, sizes=sizes)
        log.info(
            "%d of the kind %s need %d gas%s", len(some), some[0].form, needed, "; this escrow searches" * searches
        )

    async def _needed(self, operations: Sequence[Operation]) -> int | None:
        sender = operations[0].sender
        if sender is None:
            return None
        call = self._workload.call(operations[0].form, operations, strict=True)
        needed = await self._node.estimate_gas(sender=sender, to=call.to, data=call.data)
        return None if isinstance(needed, Reverted) else needed

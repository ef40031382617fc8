"""Asks a node what a claim run's operations cost on this escrow, just before they are packed.

Owns      the estimates for each group of a run. Escrows differ by a factor of three, and by how many locks they have.
Promises  it never stands in the way: an estimate that fails, or a batch in which one item would, changes nothing.
Leaves    the use of the figure to `core.gas`, whether each operation is sound to the simulator.
"""

import logging
from collections.abc import Sequence
from typing import Final

from headrace.chain.node import RpcNode
from headrace.core.gas import GasBook
from headrace.core.operation import Operation
from headrace.core.ports import NodeTrouble, Reverted, Workload

log = logging.getLogger(__name__)

ENOUGH: Final = 12  # fewer say little of what one among many costs
MOST: Final = 150
# An escrow that searches its locks from the front: the last of our order alone costs so much more than the first.
SEARCHES_PERCENT: Final = 150
# There a batch is dearer as long as those before it are not mined, and that is how it is simulated.
SEARCHES_TIMES: Final = 2


class Measuring:
    """Implements jobs.claim_run.Measure."""

    def __init__(self, node: RpcNode, workload: Workload, gas_book: GasBook) -> None:
        self._node, self._workload, self._gas_book = node, workload, gas_book

    async def __call__(self, operations: Sequence[Operation]) -> None:
        some = operations[:MOST]
        if len(some) < ENOUGH:
            return
        try:
            needed, first, last = [await self._needed(o) for o in (some, operations[:1], operations[-1:])]
        except NodeTrouble as trouble:
            log.info("what a %s costs is not known: %s", some[0].form, trouble)
            return
        if needed is None or first is None or last is None:
            return
        if last * 100 >= first * SEARCHES_PERCENT:
            needed *= SEARCHES_TIMES
        sizes = [self._workload.size(operation) for operation in some]
        self._gas_book.of(self._workload, some[0].form).measured(gas_needed=needed, sizes=sizes)
        log.info(
            "%d of the kind %s are packed by %d gas; alone the first of them needs %d, the last %d",
            len(some),
            some[0].form,
            needed,
            first,
            last,
        )

    async def _needed(self, operations: Sequence[Operation]) -> int | None:
        sender = operations[0].sender
        if sender is None:
            return None
        call = self._workload.call(operations[0].form, operations, strict=True)
        needed = await self._node.estimate_gas(sender=sender, to=call.to, data=call.data)
        return None if isinstance(needed, Reverted) else needed

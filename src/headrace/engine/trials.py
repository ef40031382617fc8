"""Tries calls on the chain as it will be in the block we aim at. Nothing is sent.

Owns      as whom, in which block and with how much gas a call is tried.
Leaves    what a failure means to the simulator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.core.flush import BlockTimes
from headrace.core.ports import Call, Node, Ran, Returned, Reverted
from headrace.core.words import Address, Block, BlockNumber


@dataclass(frozen=True, slots=True)
class Trials:
    """`sender` is the lane: to anybody else the contracts say no. `gas_max` is what one transaction may have."""

    node: Node
    sender: Address
    gas_max: int
    blocks: BlockTimes

    async def run(self, call: Call, *, head: Block, gas: int | None = None) -> Returned | Reverted:
        """By one eth_call. `gas`: all that one transaction may have, unless told. Raises NodeTrouble."""
        return await self.node.call(
            to=call.to,
            data=call.data,
            sender=self.sender,
            gas=self.gas_max if gas is None else gas,
            # At the latest block a fresh task would look as if it came from the future.
            in_block=self._aimed_at(head),
            timestamp=self._expected_time(head),
        )

    async def run_in_turn(self, calls: Sequence[Call], *, head: Block) -> Sequence[Ran] | None:
        """Each on what those before it left, in one question. None where no node can. Raises NodeTrouble."""
        return await self.node.run_in_turn(
            calls,
            sender=self.sender,
            gas=self.gas_max,
            in_block=self._aimed_at(head),
            timestamp=self._expected_time(head),
        )

    def _aimed_at(self, head: Block) -> BlockNumber:
        return BlockNumber(head.number + 1)

    def _expected_time(self, head: Block) -> int:
        return head.timestamp + max(round(self.blocks.interval_s or 1), 1)

"""Events of one contract over a range of blocks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.core.ports.nodes import Node
from headrace.core.words import Address, BlockHash, BlockNumber, Log, TxHash

# By place; None: whatever stands there, else one of these (32 bytes each).
TopicFilter = Sequence[Collection[bytes] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLog:
    """A log and where it stands on the canonical chain. `index` counts within its block."""

    log: Log
    block: BlockNumber
    block_hash: BlockHash
    transaction: TxHash
    index: int


class LogNode(Node, Protocol):
    """A node that finds logs."""

    async def logs(
        self, *, address: Address, topics: TopicFilter, first: BlockNumber, last: BlockNumber
    ) -> Sequence[FoundLog]:
        """Those of the contract in blocks `first` to `last`, both included, in their order. All of them, or
        NodeTrouble: what was read in part says nothing. Asked about blocks that are final; a block that the node
        does not have yet is NodeTrouble too."""
        ...

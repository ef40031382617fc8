"""Follows the operator registry, so that certificates are made for the quorum that the contract will count.

Owns      the operators as they are at the newest block, and which block that is.
Promises  a task's reference block is never newer than what is known of the registry; an operator of the registry
          that has no endpoint counts as one that does not sign, and is named.
Leaves    asking operators to the aggregator.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headrace.app.task_contracts import RegisteredOperator, View, no_quorum, read_operators
from headrace.core.ports import Node
from headrace.core.words import Address, Block, BlockNumber
from headrace.operators.answers import Answer, Failed, Question
from headrace.operators.clients import OperatorClient
from headrace.operators.membership import Member

log = logging.getLogger(__name__)

# Stakes can move between operators and leave total and aggregate key as they were: rare, and cheap to find out.
READ_ALL_EVERY_BLOCKS = 64


class Absent:
    """An operator of the registry that we cannot ask."""

    async def ask(self, question: Question) -> Sequence[Answer]:
        return (Failed(code="no_endpoint", text="operators.endpoints has no URL for it", retryable=True),)


class RegistryWatch:
    def __init__(
        self,
        *,
        node: Node,
        registry: Address,
        clients: Mapping[Address, OperatorClient],
        threshold_percent: int,
        replace: Callable[[Sequence[Member], BlockNumber], None],
    ) -> None:
        """`clients`: the operators that we can ask; `replace` takes the members that count from a block on."""
        self._view = View(node, "OperatorRegistry", registry)
        self._clients, self._threshold_percent, self._replace = clients, threshold_percent, replace
        self._quorum: tuple[Any, ...] | None = None
        self._read_at = 0
        self._head: Block | None = None
        self.hindrance: str | None = None

    def head(self) -> Block | None:
        """The newest block for which the operators are known: what a task may refer to."""
        return self._head

    async def saw_head(self, block: Block) -> None:
        """Raises NodeTrouble; then the next head catches up."""
        try:
            await self._follow(block)
        except ValueError as error:
            # Without knowing the quorum no task can be built: requests are told to try later.
            self.hindrance = str(error)
            log.error("%s", error)

    async def _follow(self, block: Block) -> None:
        quorum = await self._view.ask("quorumAt", block.number, in_block=BlockNumber(block.number + 1))
        if quorum != self._quorum or block.number >= self._read_at + READ_ALL_EVERY_BLOCKS:
            await self._read(block)
            self._quorum, self._read_at = quorum, block.number
        self._head = block

    async def _read(self, block: Block) -> None:
        operators = await read_operators(self._view)
        members = members_of(operators, self._clients)
        self.hindrance = no_quorum(operators, self._clients, threshold_percent=self._threshold_percent)
        try:
            self._replace(members, block.number)
        except ValueError as error:
            self.hindrance = f"the registry at block {block.number} makes no quorum: {error}"
        silent = [m.address.hex() for m in members if m.stake > 0 and isinstance(m.client, Absent)]
        if silent:
            log.warning("operators.endpoints has no URL for 0x%s: counted as silent", ", 0x".join(silent))
        if self._quorum is not None:
            log.info("registry at block %d: %d operators", block.number, sum(m.stake > 0 for m in members))


def members_of(operators: Sequence[RegisteredOperator], clients: Mapping[Address, OperatorClient]) -> list[Member]:
    return [
        Member(
            index=operator.index,
            address=operator.address,
            public_key=operator.public_key,
            stake=operator.stake,
            client=clients.get(operator.address, Absent()),
        )
        for operator in operators
    ]

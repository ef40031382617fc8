"""Runs a batch before it is sealed, and takes out what would fail.

Owns      the one eth_call per batch, and the judging of what it shows.
Promises  nothing is ever tried by a real transaction; an operation that fails is judged by its own revert, and
          its neighbours lose nothing; items that cannot stand together are found too: what remains is run again.
Leaves    saving the judgements to the packer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.core.flush import BlockTimes
from headrace.core.operation import Ending, Operation, Return
from headrace.core.ports import Node, Reverted, Workload
from headrace.core.words import Address, Block, BlockNumber, Revert
from headrace.engine.judging import Judge


class BatchRefused(Exception):
    """The contract refuses the batch as such, whatever is in it: a person must act."""

    def __init__(self, revert: Revert, why: str) -> None:
        super().__init__(f"the batch contract refuses every batch: {revert}: {why}")


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is in none of the three travels another time: nothing is wrong with it."""

    standing: tuple[Operation, ...]
    endings: tuple[Ending, ...]
    returns: tuple[Return, ...]


class Simulator:
    def __init__(
        self, *, node: Node, judge: Judge, sender: Address, gas_per_transaction: int, blocks: BlockTimes
    ) -> None:
        self._node, self._judge, self._sender = node, judge, sender
        self._gas_per_transaction, self._blocks = gas_per_transaction, blocks

    async def sift(self, workload: Workload, form: str, operations: Sequence[Operation], *, head: Block) -> Sifted:
        """Raises NodeTrouble where no node answered, BatchRefused where the revert speaks of no item."""
        endings: list[Ending] = []
        returns: list[Return] = []
        standing = _one_of_each_subject(operations)
        while standing:
            failures = await self._failures(workload, form, standing, head=head)
            if not failures:
                break
            for index, revert in failures.items():
                if revert is None:
                    continue  # it stands, only not with these: it waits for another batch
                verdict = await self._judge.of_revert(workload, standing[index], revert, head=head.number)
                if isinstance(verdict, Ending):
                    endings.append(verdict)
                else:
                    returns.append(verdict)
            standing = tuple(o for i, o in enumerate(standing) if i not in failures)
        if standing:
            self._judge.all_is_well()
        return Sifted(standing, tuple(endings), tuple(returns))

    async def _failures(
        self, workload: Workload, form: str, operations: tuple[Operation, ...], *, head: Block
    ) -> dict[int, Revert | None]:
        """Which do not stand, by index, and why; None where one fails only in this company."""
        call = workload.call(form, operations, strict=True)
        answer = await self._node.call(
            to=call.to,
            data=call.data,
            sender=self._sender,
            gas=self._gas_per_transaction,
            # The block we aim at: at the latest one a fresh task would look as if it came from the future.
            in_block=BlockNumber(head.number + 1),
            timestamp=head.timestamp + max(round(self._blocks.interval_s or 1), 1),
        )
        if not isinstance(answer, Reverted):
            return {}
        revert = workload.read_revert(answer.data)
        failures = workload.failures(revert, len(operations))
        if failures is not None:
            return dict(failures)
        if revert.name is not None:
            raise BatchRefused(revert, workload.judge(operations[0], revert, ()).reason)
        if len(operations) == 1:
            return {0: revert}
        return await self._in_halves(workload, form, operations, head=head)

    async def _in_halves(
        self, workload: Workload, form: str, operations: tuple[Operation, ...], *, head: Block
    ) -> dict[int, Revert | None]:
        """No reason given, as when the whole ran out of gas: look at the parts."""
        middle = len(operations) // 2
        first = await self._failures(workload, form, operations[:middle], head=head)
        second = await self._failures(workload, form, operations[middle:], head=head)
        found = first | {index + middle: revert for index, revert in second.items()}
        # Where each half stands and the whole does not, the second half waits.
        return found or dict.fromkeys(range(middle, len(operations)))


def _one_of_each_subject(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """The second would find the work of the first done, in a simulation of what may never be mined."""
    return tuple({o.subject: o for o in reversed(operations)}.values())[::-1]

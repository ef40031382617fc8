"""Runs a batch before it is sealed, and takes out what would fail.

Owns      the one eth_call per batch, the search for the guilty where its revert names none, and the judging of
          what it shows.
Promises  nothing is ever tried by a real transaction; an operation that fails is judged by its own revert, and
          its neighbours lose nothing; items that cannot stand together are found too: what remains is run again.
Leaves    saving the judgements to the packer, as whom and in which block to `engine.trials`, how much gas a
          batch needs that is sent as it was tried to `engine.gas_needed`.

The search has two ways, with the same findings (docs/decisions/0010): each item in turn in one question, where a
node has eth_simulateV1; by halves with eth_call everywhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from headrace.core.flush import BlockTimes
from headrace.core.operation import Ending, Operation, Return
from headrace.core.ports import Node, Ran, Reverted, Workload
from headrace.core.words import Address, Block, Revert
from headrace.engine.gas_needed import GasPlan, enough, goes_well
from headrace.engine.judging import Judge
from headrace.engine.trials import Trials

# Which do not stand, by index, and why; None where one fails only in this company.
Failures = Mapping[int, Revert | None]


class BatchRefused(Exception):
    """The contract refuses the batch as such, whatever is in it: a person must act."""

    def __init__(self, revert: Revert, why: str) -> None:
        super().__init__(f"the batch contract refuses every batch: {revert}: {why}")


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is in none of the three travels another time: nothing is wrong with it. `gas_limit`: with which those
    that stand were tried as one batch, and are sent; None where a batch is tried with all that there is."""

    standing: tuple[Operation, ...]
    endings: tuple[Ending, ...]
    returns: tuple[Return, ...]
    gas_limit: int | None = None


class Simulator:
    def __init__(
        self, *, node: Node, judge: Judge, sender: Address, gas_per_transaction: int, blocks: BlockTimes
    ) -> None:
        self._judge = judge
        self._trials = Trials(node, sender, gas_per_transaction, blocks)

    async def sift(
        self,
        workload: Workload,
        form: str,
        operations: Sequence[Operation],
        *,
        head: Block,
        plan: GasPlan,
    ) -> Sifted:
        """Raises NodeTrouble where no node answered, BatchRefused where the contract wants no batch at all."""
        endings: list[Ending] = []
        returns: list[Return] = []
        standing = _one_of_each_subject(operations)
        gas_limit = None
        while standing:
            # What a strict batch is sent with is what it is tried with: it runs dry here, and not on chain.
            gas_limit = plan.limit(standing) if workload.strict_only else None
            if gas_limit is not None:
                call = workload.call(form, standing, strict=True)
                if await goes_well(self._trials, call, gas=gas_limit, head=head):
                    break
            failures = await self._failures(workload, form, standing, head=head)
            if not failures:
                if gas_limit is not None:
                    gas_limit = await enough(self._trials, call, more_than=gas_limit, most=plan.most, head=head)
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
        return Sifted(standing, tuple(endings), tuple(returns), gas_limit)

    async def _failures(
        self, workload: Workload, form: str, operations: tuple[Operation, ...], *, head: Block
    ) -> Failures:
        failures = await self._whole(workload, form, operations, head=head)
        if failures is None:
            failures = await self._in_turn(workload, form, operations, head=head)
        if failures is None:
            failures = await self._in_halves(workload, form, operations, head=head)
        return failures

    async def _whole(
        self, workload: Workload, form: str, operations: tuple[Operation, ...], *, head: Block
    ) -> Failures | None:
        """By one eth_call. None: some fail, and the revert does not say which."""
        answer = await self._trials.run(workload.call(form, operations, strict=True), head=head)
        if not isinstance(answer, Reverted):
            return {}
        return _named(workload, operations, workload.read_revert(answer.data))

    # ---- Who is guilty, where the revert does not say

    async def _in_turn(
        self, workload: Workload, form: str, operations: tuple[Operation, ...], *, head: Block
    ) -> Failures | None:
        """None where no node can run them in turn."""
        found: dict[int, Revert | None] = {}
        suspects = list(range(len(operations)))
        while suspects:
            ran = await self._each(workload, form, [operations[i] for i in suspects], head=head)
            if ran is None:
                return None
            failed = {
                index: _own_revert(workload, operations[index], run.result)
                for index, run in zip(suspects, ran, strict=True)
                if isinstance(run.result, Reverted)
            }
            if len(failed) == len(suspects):  # nothing went well, so that each ran as if it were alone
                return found | failed
            if len(suspects) < len(operations):
                found.update(dict.fromkeys(index for index in suspects if index not in failed))
            elif not failed:
                return dict.fromkeys(range(self._most_together(ran), len(operations)))
            # One that failed after others went well may only not bear them: the suspects again, among themselves.
            suspects = list(failed)
        return found

    async def _each(
        self, workload: Workload, form: str, operations: Sequence[Operation], *, head: Block
    ) -> Sequence[Ran] | None:
        calls = [workload.call(form, [operation], strict=True) for operation in operations]
        return await self._trials.run_in_turn(calls, head=head)

    def _most_together(self, ran: Sequence[Ran]) -> int:
        """All go well one after the other: as many stay as one transaction has gas for, else the first half."""
        fit = sum(gas <= self._trials.gas_max for gas in accumulate(run.gas_used for run in ran))
        return fit if fit < len(ran) else len(ran) // 2

    async def _in_halves(
        self, workload: Workload, form: str, operations: tuple[Operation, ...], *, head: Block
    ) -> Failures:
        middle = len(operations) // 2
        found: dict[int, Revert | None] = {}
        for first, part in ((0, operations[:middle]), (middle, operations[middle:])):
            failures = await self._whole(workload, form, part, head=head)
            if failures is None:
                failures = await self._in_halves(workload, form, part, head=head)
            found |= {index + first: revert for index, revert in failures.items()}
        # Where each half stands and the whole does not, the second half waits.
        return found or dict.fromkeys(range(middle, len(operations)))


def _named(workload: Workload, operations: Sequence[Operation], revert: Revert) -> Failures | None:
    """Whom the revert names. None: somebody, but not whom. Raises BatchRefused."""
    failures = workload.failures(revert, len(operations))
    if failures is not None:
        return failures
    if workload.refuses_all(revert):
        raise BatchRefused(revert, workload.judge(operations[0], revert, ()).reason)
    return {0: revert} if len(operations) == 1 else None


def _own_revert(workload: Workload, operation: Operation, result: Reverted) -> Revert:
    failures = _named(workload, [operation], workload.read_revert(result.data))
    own = failures[0] if failures is not None else None
    assert own is not None, "a batch of one names its one item"
    return own


def _one_of_each_subject(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """The second would find the work of the first done, in a simulation of what may never be mined."""
    return tuple({o.subject: o for o in reversed(operations)}.values())[::-1]

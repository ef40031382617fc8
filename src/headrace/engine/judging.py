"""Asks the chain what a verdict needs to know, and turns the verdict into what happens to the operation.

Promises  nothing ends as already done or in conflict on a block that may still be uncled.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from headrace.core.operation import Ending, Operation, Return
from headrace.core.ports import Call, Clock, Effect, Judgement, Node, NodeTrouble, Returned, Seen, Workload
from headrace.core.retries import RetryPolicy, again, consequence
from headrace.core.words import BlockNumber, Outcome, Revert, Verdict

# The same trouble shows again with every flush; what was not seen for so long is mended, or nobody needs it.
OPERATOR_NEEDED_S: Final = 60.0
BLOCKS_AHEAD: Final = 32  # a node that lags further behind is told of by itself
_SAYS_WHAT_THE_CHAIN_HAS: Final = (Verdict.ALREADY_DONE, Verdict.CONFLICT)


class Judge:
    def __init__(self, *, node: Node, clock: Clock, policy: RetryPolicy, confirmations: int) -> None:
        self._node, self._clock, self._policy = node, clock, policy
        self._confirmations = confirmations
        self._needed: tuple[str, float] | None = None

    @property
    def operator_needed(self) -> str | None:
        """The newest verdict that a person must act on."""
        if self._needed is None or self._clock.now() - self._needed[1] > OPERATOR_NEEDED_S:
            return None
        return self._needed[0]

    def need_operator(self, reason: str) -> None:
        self._needed = (reason, self._clock.now())

    def all_is_well(self) -> None:
        self._needed = None

    async def of_revert(
        self,
        workload: Workload,
        operation: Operation,
        revert: Revert,
        *,
        head: BlockNumber,
        more_gas_is_free: bool = False,
    ) -> Ending | Return:
        """`more_gas_is_free`: running dry costs no retry this time. Raises NodeTrouble if the chain could not be
        asked."""
        answers = await self._ask(workload.questions(operation, revert))
        judgement = workload.judge(operation, revert, answers)
        if more_gas_is_free and judgement.verdict is Verdict.MORE_GAS:
            judgement = replace(judgement, costs_retry=False)
        if judgement.verdict in _SAYS_WHAT_THE_CHAIN_HAS:
            judgement = await self._once_final(workload, operation, judgement, head)
        if judgement.needs_block is not None and await self._is_far(judgement.needs_block, head):
            judgement = replace(judgement, costs_retry=True)
        return self._consequence(operation, judgement, revert, head)

    async def of_state(
        self,
        workload: Workload,
        operation: Operation,
        *,
        head: BlockNumber,
        unseen: str,
        landed: bool,
        costs_retry: bool = False,
    ) -> Ending | Return:
        """What became of an operation, from the chain's final state: `unseen` is the reason to return it where its
        effect is not there; `landed` says that only we can have caused the effect."""
        found = await self._probe(workload, operation, head)
        match found:
            case Seen(effect=Effect.DONE):
                outcome = Outcome.LANDED if landed else Outcome.ALREADY_DONE
                return Ending(operation=operation.id, outcome=outcome, reason="seen in the chain's state")
            case Seen() if not costs_retry:
                return again(operation, reason=unseen, now=self._clock.now(), head=head)
            case Seen():
                back = Judgement(Verdict.WAIT, unseen, costs_retry=costs_retry)
                return self._consequence(operation, back, None, head)
            case Judgement():
                return self._consequence(operation, found, None, head)

    async def _once_final(
        self, workload: Workload, operation: Operation, judgement: Judgement, head: BlockNumber
    ) -> Judgement:
        """The newest state says so. Whoever did it may still be uncled, and then our operation must go on."""
        match await self._probe(workload, operation, head):
            case Seen(effect=Effect.DONE) | Judgement(verdict=Verdict.CONFLICT):
                return judgement
            case _:
                return Judgement(Verdict.WAIT, f"{judgement.reason}, in a block that is not final yet")

    async def _probe(self, workload: Workload, operation: Operation, head: BlockNumber) -> Seen | Judgement:
        final = BlockNumber(max(head - self._confirmations + 1, 0))
        return workload.probed(operation, await self._ask(workload.probe(operation), as_of=final))

    def _consequence(
        self, operation: Operation, judgement: Judgement, revert: Revert | None, head: BlockNumber
    ) -> Ending | Return:
        if judgement.needs_operator:
            self.need_operator(judgement.reason)
        return consequence(
            operation,
            judgement.verdict,
            reason=judgement.reason,
            revert=revert,
            form=judgement.form,
            costs_retry=judgement.costs_retry,
            too_late=judgement.too_late,
            now=self._clock.now(),
            head=head,
            policy=self._policy,
        )

    async def _is_far(self, needed: BlockNumber, head: BlockNumber) -> bool:
        """A reorg can leave the chain shorter than it was when an operation came, or its client knows a node that
        is ahead of ours: that passes, and costs nothing. What needs a block that neither explains was wrong from
        the beginning. Raises NodeTrouble."""
        ahead = max(self._confirmations, BLOCKS_AHEAD)
        # Our own head may be old, after a time in which no node answered.
        return needed > head + ahead and needed > (await self._node.head()).number + ahead

    async def _ask(self, questions: Sequence[Call], *, as_of: BlockNumber | None = None) -> list[bytes]:
        answers = []
        for question in questions:
            answer = await self._node.call(to=question.to, data=question.data, as_of=as_of)
            if not isinstance(answer, Returned):
                raise NodeTrouble(f"a view of 0x{question.to.hex()} reverted")
            if not answer.data:  # a node that has not this contract (yet): silence is not "nothing recorded"
                raise NodeTrouble(f"a view of 0x{question.to.hex()} returned nothing: is there a contract?")
            answers.append(answer.data)
        return answers

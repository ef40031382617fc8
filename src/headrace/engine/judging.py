"""Asks the chain what a verdict needs to know, and turns the verdict into what happens to the operation."""

from collections.abc import Sequence

from headrace.core.operation import Ending, Operation, Return
from headrace.core.ports import Call, Clock, Effect, Judgement, Node, NodeTrouble, Returned, Seen, Workload
from headrace.core.retries import RetryPolicy, consequence
from headrace.core.words import Outcome, Revert, Verdict


class Judge:
    def __init__(self, *, node: Node, clock: Clock, policy: RetryPolicy) -> None:
        self._node, self._clock, self._policy = node, clock, policy
        self.operator_needed: str | None = None  # the newest verdict that a person must act on

    async def of_revert(self, workload: Workload, operation: Operation, revert: Revert) -> Ending | Return:
        """Raises NodeTrouble if the chain could not be asked."""
        answers = await self._ask(workload.questions(operation, revert))
        return self._consequence(operation, workload.judge(operation, revert, answers), revert)

    async def of_state(
        self, workload: Workload, operation: Operation, *, unseen: str, landed: bool
    ) -> Ending | Return:
        """What became of an operation, from the chain's state: `unseen` is the reason to return it where its
        effect is not there; `landed` says that only we can have caused the effect."""
        found = workload.probed(operation, await self._ask(workload.probe(operation)))
        match found:
            case Seen(effect=Effect.DONE):
                outcome = Outcome.LANDED if landed else Outcome.ALREADY_DONE
                return Ending(operation=operation.id, outcome=outcome, reason="seen in the chain's state")
            case Seen():
                return self._consequence(operation, Judgement(Verdict.WAIT, unseen), None)
            case Judgement():
                return self._consequence(operation, found, None)

    def _consequence(self, operation: Operation, judgement: Judgement, revert: Revert | None) -> Ending | Return:
        if judgement.needs_operator:
            self.operator_needed = judgement.reason
        return consequence(
            operation,
            judgement.verdict,
            reason=judgement.reason,
            revert=revert,
            form=judgement.form,
            costs_retry=judgement.costs_retry,
            too_late=judgement.too_late,
            now=self._clock.now(),
            policy=self._policy,
        )

    async def _ask(self, questions: Sequence[Call]) -> list[bytes]:
        answers = []
        for question in questions:
            answer = await self._node.call(to=question.to, data=question.data)
            if not isinstance(answer, Returned):
                raise NodeTrouble(f"a view of 0x{question.to.hex()} reverted")
            if not answer.data:  # a node that has not this contract (yet): silence is not "nothing recorded"
                raise NodeTrouble(f"a view of 0x{question.to.hex()} returned nothing: is there a contract?")
            answers.append(answer.data)
        return answers

"""Where an operation is: in the store's account of it, or still in its evaluation.

Promises  an operation is found from the moment its client heard yes, whether or not it has a row yet.
"""

from collections.abc import Mapping
from typing import assert_never

from headrace.api.operation_form import account_form, evaluation_form, evaluation_state
from headrace.api.services import Services
from headrace.api.wire import shown, wrong
from headrace.core.operation import Account, State
from headrace.core.ports import Evaluation
from headrace.core.words import OperationId
from headrace.operators.evaluation import Certified, result_of

Reading = Account | Evaluation


class OperationBook:
    def __init__(self, services: Services) -> None:
        self._reader, self._evaluations = services.reader, services.evaluations
        self._chain, self._recorded_kind = services.chain, services.recorded_kind

    async def find(self, operation: OperationId) -> Reading | None:
        account = await self._reader.account(operation)
        if account is not None:
            return account
        evaluation = await self._evaluations.evaluation(operation)
        if evaluation is not None and isinstance(result_of(evaluation), Certified):
            # Between the two looks it was concluded, and its operation saved by the same commit.
            return await self._reader.account(operation) or evaluation
        return evaluation

    async def get(self, operation: OperationId) -> Reading:
        """Raises FixTheRequest where there is none."""
        reading = await self.find(operation)
        if reading is None:
            raise wrong("operation_id", f"there is no operation {shown(operation)}")
        return reading

    async def about_task(self, task_id: bytes) -> Evaluation | None:
        return await self._evaluations.evaluation_about(task_id)

    def form(self, reading: Reading) -> Mapping[str, object]:
        match reading:
            case Account():
                return account_form(reading)
            case Evaluation():
                return evaluation_form(reading, kind=self._recorded_kind, chain=self._chain)
            case _:
                assert_never(reading)


def state_of(reading: Reading) -> State:
    return reading.state if isinstance(reading, Account) else evaluation_state(reading)[0]

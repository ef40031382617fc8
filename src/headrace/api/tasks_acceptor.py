"""Takes `headrace_submit` of workload `tasks`: for teams that run their own operators.

Owns      the payload `{task, response?, signature_data?}`.
Leaves    what makes a valid operation of it to `workloads.tasks`.
"""

from collections.abc import Sequence
from typing import Final

from headrace.api.fields import Shape
from headrace.api.services import Submission
from headrace.api.task_forms import TaskForms, read_response
from headrace.api.wire import read_data
from headrace.core.errors import FixTheRequest
from headrace.core.operation import Operation
from headrace.core.words import ChainId
from headrace.workloads.tasks.operations import Windows, operation_of
from headrace.workloads.tasks.payload import KINDS

_PAYLOAD: Final = Shape("task", "response", "signature_data")
_SIGNATURE_BYTES_MAX: Final = 4096


class TasksAcceptor:
    """Implements api.services.Acceptor. `windows` are TaskManager's; an operation waits at most `respond_wait_s`
    for the one that it names in `after`."""

    def __init__(
        self,
        *,
        chain: ChainId,
        windows: Windows,
        respond_wait_s: float,
        threshold_percent: int,
        quorum_numbers: bytes = b"\x00",
    ) -> None:
        self._chain, self._windows, self._respond_wait_s = chain, windows, respond_wait_s
        self._forms = TaskForms(quorums=quorum_numbers, threshold_percent=threshold_percent)

    @property
    def kinds(self) -> Sequence[str]:
        return KINDS

    def accept(self, submission: Submission) -> Operation:
        fields = _PAYLOAD.read(submission.payload, "payload")
        task = self._forms.read_task(fields.need("task"), fields.at("task"))
        response = fields.get("response")
        signature = fields.get("signature_data")
        after = submission.after
        try:
            return operation_of(
                id=submission.id,
                chain=self._chain,
                kind=submission.kind,
                task=task,
                response=None if response is None else read_response(response, fields.at("response")),
                signature_data=b""
                if signature is None
                else read_data(signature, fields.at("signature_data"), bytes_max=_SIGNATURE_BYTES_MAX),
                windows=self._windows,
                received_at=submission.received_at,
                after=after,
                wait_until=None if after is None else submission.received_at + self._respond_wait_s,
                deadline=submission.deadline,
            )
        except FixTheRequest as problem:
            raise _within_payload(problem) from None


def _within_payload(problem: FixTheRequest) -> FixTheRequest:
    """The workload names the field as it knows it; the client wrote it inside `payload`."""
    field = str(problem.data.get("field", ""))
    if field.startswith("payload"):
        return problem
    return FixTheRequest(f"payload.{problem.message}", **{**problem.data, "field": f"payload.{field}"})

"""Operations that cannot travel at all: what cannot be built, is too late, or fits no transaction.

Promises  each ends by its own fault, with the reason; whoever was claimed or packed beside it is not touched.
Leaves    saving the endings to the packer.
"""

import logging
from collections.abc import Sequence

from headrace.core.operation import Ending, Operation
from headrace.core.ports import Workload
from headrace.core.words import Outcome
from headrace.engine.deadlines import misses_next_block

log = logging.getLogger(__name__)


def sort_out(
    workload: Workload, claimed: Sequence[Operation], *, by: float
) -> tuple[list[Operation], list[Ending]]:
    """Those that can be read and are in time for a block at `by` (unix seconds), and the ends of all others."""
    sound: list[Operation] = []
    endings: list[Ending] = []
    for operation in claimed:
        if misses_next_block(operation, next_block_at=by):
            endings.append(_expired(operation))
            continue
        try:
            workload.size(operation)
            if operation.form not in workload.forms:
                raise ValueError(f"{workload.name} has no form {operation.form!r} here")
            sound.append(operation)
        except Exception as error:  # whatever it is, it is this operation's own: told in its outcome
            endings.append(_unbuildable(operation, error))
    return sound, endings


def unbuildable(workload: Workload, operations: Sequence[Operation], error: BaseException) -> list[Ending]:
    """Some operation broke the building of its batch: it ends, its neighbours go back. Raises `error` if none of
    them did."""
    endings = []
    for operation in operations:
        try:
            workload.call(operation.form, [operation], strict=True)
        except Exception as own:  # as in `sort_out`
            endings.append(_unbuildable(operation, own))
    if not endings:
        raise error
    return endings


def too_large(operations: Sequence[Operation]) -> list[Ending]:
    reason = "it fits no transaction of this chain: more gas or bytes than one may have"
    return [Ending(operation=o.id, outcome=Outcome.REJECTED, reason=reason) for o in operations]


def _expired(operation: Operation) -> Ending:
    reason = "its deadline comes before the next block"
    return Ending(operation=operation.id, outcome=Outcome.EXPIRED, reason=reason)


def _unbuildable(operation: Operation, error: Exception) -> Ending:
    log.error("operation %s cannot be built", operation.id, exc_info=error)
    reason = f"it cannot be built: {type(error).__name__}: {error}"
    return Ending(operation=operation.id, outcome=Outcome.REJECTED, reason=reason)

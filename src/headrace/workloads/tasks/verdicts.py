"""What each revert of the task contracts means for an operation.

Owns      the verdict table of this workload.
Promises  every known error has one row; "responded" is never concluded from "exists"; an unknown revert is
          retried within the budget and shown raw, never guessed at.
Leaves    decoding to `chain.reverts`, asking the chain to whoever judges.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from headrace.core.ports import Judgement
from headrace.core.words import Revert, Verdict
from headrace.workloads.tasks.payload import CREATE, RESPOND, Payload

NOTHING: Final = bytes(32)

# A row looks at the form the operation travels in, what it carries, the revert, and what the chain recorded as
# its response (None where that was not asked).
Row = Callable[[str, Payload, Revert, bytes | None], Judgement]


def _word(revert: Revert, index: int) -> bytes:
    start = 4 + 32 * index
    return revert.data[start : start + 32]


def _exists(form: str, payload: Payload, revert: Revert, recorded: bytes | None) -> Judgement:
    if _word(revert, 0) != payload.task_hash():
        return Judgement(Verdict.CONFLICT, "another task has this id")
    if form == CREATE:
        return Judgement(Verdict.ALREADY_DONE, "this very task is recorded")
    if recorded is None or recorded == NOTHING:
        return Judgement(Verdict.WAIT, "the task is recorded without its response: respond only", form=RESPOND)
    return _recorded_response(payload, recorded)


def _responded(form: str, payload: Payload, revert: Revert, recorded: bytes | None) -> Judgement:
    return _recorded_response(payload, _word(revert, 0))


def _recorded_response(payload: Payload, recorded: bytes) -> Judgement:
    if recorded == payload.response_hash():
        return Judgement(Verdict.ALREADY_DONE, "this very response is recorded")
    return Judgement(Verdict.CONFLICT, "another response to this task is recorded")


def _mismatch(form: str, payload: Payload, revert: Revert, recorded: bytes | None) -> Judgement:
    if _word(revert, 0) == NOTHING:
        return Judgement(Verdict.WAIT, "the task is not (or no longer) on chain")
    return Judgement(Verdict.CONFLICT, "another task has this id")


def _always(
    verdict: Verdict,
    reason: str,
    *,
    costs_retry: bool = False,
    too_late: bool = False,
    operator: bool = False,
) -> Row:
    judgement = Judgement(verdict, reason, costs_retry=costs_retry, too_late=too_late, needs_operator=operator)
    return lambda form, payload, revert, recorded: judgement


TABLE: Final[Mapping[str, Row]] = {
    "TaskAlreadyExists": _exists,
    "TaskAlreadyResponded": _responded,
    "TaskMismatch": _mismatch,
    "TaskCreatedBlockInFuture": _always(
        Verdict.WAIT, "the reference block is not in the past of this node yet", costs_retry=True
    ),
    "InsufficientGasForItem": _always(Verdict.MORE_GAS, "the batch ran dry before this item"),
    "ItemLikelyOutOfGas": _always(Verdict.MORE_GAS, "the item used up its gas", costs_retry=True),
    "TaskCreatedBlockTooOld": _always(Verdict.REJECTED, "the task's creation window is over", too_late=True),
    "TaskResponseTooLate": _always(Verdict.REJECTED, "the task's response window is over", too_late=True),
    "TaskResponseExpired": _always(Verdict.REJECTED, "the response has expired", too_late=True),
    "TaskResponseMismatch": _always(Verdict.REJECTED, "the response does not belong to the task"),
    "InvalidTaskId": _always(Verdict.REJECTED, "the task id is zero"),
    "InvalidIntent": _always(Verdict.REJECTED, "the intent has no sender or no target"),
    "InvalidQuorumNumbers": _always(Verdict.REJECTED, "there is no such quorum"),
    "InvalidQuorumThreshold": _always(Verdict.REJECTED, "the quorum threshold is out of range"),
    "InvalidTaskCreatedBlock": _always(Verdict.REJECTED, "the task has no reference block"),
    "InvalidPolicyClient": _always(Verdict.REJECTED, "the policy client is the zero address"),
    "InterfaceNotSupported": _always(Verdict.REJECTED, "the policy client is a contract but no policy client"),
    "PolicyMismatch": _always(Verdict.REJECTED, "the policy client has another policy now"),
    "InvalidSignatureLength": _always(Verdict.REJECTED, "the signature data is malformed"),
    "InvalidNonSigner": _always(Verdict.REJECTED, "a non-signer was no operator at the reference block"),
    "InsufficientQuorumStake": _always(Verdict.REJECTED, "the signers' stake is below the threshold"),
    "InvalidBLSSignature": _always(Verdict.REJECTED, "the aggregate signature does not verify"),
    "InvalidReferenceBlocknumber": _always(Verdict.REJECTED, "the reference block is not in the past"),
    "NoOperatorsAt": _always(Verdict.REJECTED, "no operator was registered at the reference block"),
    "BLS12381_PrecompileFailed": _always(
        Verdict.RETRY, "a BLS precompile failed: does this chain have EIP-2537?", costs_retry=True, operator=True
    ),
    "Error": _always(Verdict.REJECTED, "the contract refused it"),
    "Panic": _always(Verdict.REJECTED, "the contract panicked"),
    "OnlyTaskGenerator": _always(
        Verdict.WAIT, "the sender is no task generator: OperatorRegistry.addTaskGenerator", operator=True
    ),
    "Unauthorized": _always(
        Verdict.WAIT, "the lane may not use the batch contract: BatchTaskManager.addAuthorized", operator=True
    ),
}


def needs_recorded_response(form: str, payload: Payload, revert: Revert) -> bool:
    """Whether the row must know what response the chain has."""
    own = revert.name == "TaskAlreadyExists" and _word(revert, 0) == payload.task_hash()
    return own and form != CREATE


def judge(form: str, payload: Payload, revert: Revert, answers: Sequence[bytes]) -> Judgement:
    if not revert.data:
        return Judgement(Verdict.MORE_GAS, "no revert data: likely out of gas", costs_retry=True)
    row = TABLE.get(revert.name) if revert.name is not None else None
    if row is None:
        return Judgement(Verdict.RETRY, f"unknown revert: {revert}", costs_retry=True)
    return row(form, payload, revert, answers[0] if answers else None)

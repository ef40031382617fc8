"""What each revert of the task contracts means for an operation.

Owns      the verdict table of this workload, from selector and decoded arguments to a judgement.
Promises  every error of `tasks.errors` has one row; "responded" is never concluded from "exists"; an error without
          a row is retried within the budget and shown, never guessed at.
Leaves    decoding to `chain.reverts`, asking the chain to whoever judges.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from eth_utils.crypto import keccak

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


def _ahead(form: str, payload: Payload, revert: Revert, recorded: bytes | None) -> Judgement:
    reason = "the reference block is not in the past of this node yet"
    return Judgement(Verdict.WAIT, reason, needs_block=payload.created_block())


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


def _said(what: str) -> Row:
    def row(form: str, payload: Payload, revert: Revert, recorded: bytes | None) -> Judgement:
        words = revert.args.get("message", revert.args.get("meaning"))
        return Judgement(Verdict.REJECTED, f"{what}: {words}" if words else what)

    return row


def _wait_for_person(reason: str) -> Row:
    return _always(Verdict.WAIT, reason, operator=True)


_NO_WORD_FOR_AN_OPERATION: Final = _always(
    Verdict.RETRY,
    "the contracts say this only to their owner: is the right contract at the configured address?",
    costs_retry=True,
    operator=True,
)
_BADLY_BUILT: Final = _always(
    Verdict.RETRY,
    "the batch was built wrongly: report it, with the operation's id",
    costs_retry=True,
    operator=True,
)

TABLE: Final[Mapping[str, Row]] = {
    "TaskAlreadyExists(bytes32)": _exists,
    "TaskAlreadyResponded(bytes32)": _responded,
    "TaskMismatch(bytes32,bytes32)": _mismatch,
    # Time and gas
    "TaskCreatedBlockInFuture()": _ahead,
    "InvalidReferenceBlocknumber()": _ahead,  # a response is asked in a block of a node that lags
    "TaskCreatedBlockTooOld()": _always(Verdict.REJECTED, "the task's creation window is over", too_late=True),
    "TaskResponseTooLate(uint32,uint32,uint32)": _always(
        Verdict.REJECTED, "the task's response window is over", too_late=True
    ),
    "TaskResponseExpired(uint32,uint32)": _always(Verdict.REJECTED, "the response has expired", too_late=True),
    "InsufficientGasForItem(uint256,bytes32,uint256)": _always(
        Verdict.MORE_GAS, "the batch ran dry before this item"
    ),
    "ItemLikelyOutOfGas(uint256,bytes32,uint256)": _always(
        Verdict.MORE_GAS, "the item used up its gas", costs_retry=True
    ),
    # What was asked for cannot be
    "InvalidTaskId()": _always(Verdict.REJECTED, "the task id is zero"),
    "InvalidIntent()": _always(Verdict.REJECTED, "the intent has no sender or no target"),
    "InvalidQuorumNumbers(bytes)": _always(Verdict.REJECTED, "there is no such quorum"),
    "InvalidQuorumThreshold(uint32)": _always(Verdict.REJECTED, "the quorum threshold is out of range"),
    "InvalidTaskCreatedBlock()": _always(Verdict.REJECTED, "the task has no reference block"),
    "InvalidPolicyClient()": _always(Verdict.REJECTED, "the policy client is the zero address"),
    "InterfaceNotSupported()": _always(Verdict.REJECTED, "the policy client is a contract but no policy client"),
    "PolicyMismatch(bytes32,bytes32)": _always(Verdict.REJECTED, "the policy client has another policy now"),
    "TaskResponseMismatch()": _always(Verdict.REJECTED, "the response does not belong to the task"),
    # The operators' proof does not hold
    "InvalidSignatureLength(uint256)": _always(Verdict.REJECTED, "the signature data is malformed"),
    "InvalidNonSigner(uint256)": _always(Verdict.REJECTED, "a non-signer was no operator at the reference block"),
    "InsufficientQuorumStake()": _always(Verdict.REJECTED, "the signers' stake is below the threshold"),
    "InvalidBLSSignature()": _always(Verdict.REJECTED, "the aggregate signature does not verify"),
    "NoOperatorsAt(uint32)": _always(Verdict.REJECTED, "no operator was registered at the reference block"),
    "OperatorNotWhitelisted()": _always(Verdict.REJECTED, "a signer is not on the operators' white list"),
    # Solidity's own
    "Error(string)": _said("the contract refused it"),
    "Panic(uint256)": _said("the contract panicked"),
    # A person must mend the contracts
    "OnlyTaskGenerator()": _wait_for_person("the sender is no task generator: OperatorRegistry.addTaskGenerator"),
    "Unauthorized()": _wait_for_person("the lane may not use the batch contract: BatchTaskManager.addAuthorized"),
    "CurrentlyPaused()": _wait_for_person("the contracts are paused: whoever paused them must end it"),
    "StaleStakesForbidden()": _wait_for_person("the registry's stakes are too old: update the operators' stakes"),
    "BLS12381_PrecompileFailed(uint256)": _always(
        Verdict.RETRY, "a BLS precompile failed: does this chain have EIP-2537?", costs_retry=True, operator=True
    ),
    # Of a batch as a whole
    "ArrayLengthMismatch()": _BADLY_BUILT,
    "EmptyBatch()": _BADLY_BUILT,
    "BatchPartialFailure((uint256,bytes32,bytes)[])": _always(
        Verdict.RETRY, "a batch failed and does not say which item", costs_retry=True
    ),
    # Only ever said to an owner, or to an operator who registers
    "BatchTaskManager_ItemGasOutOfRange(uint256)": _NO_WORD_FOR_AN_OPERATION,
    "TaskManager_ZeroWindow()": _NO_WORD_FOR_AN_OPERATION,
    "Owned_ZeroOwner()": _NO_WORD_FOR_AN_OPERATION,
    "OperatorRegistry_AlreadyRegistered(address)": _NO_WORD_FOR_AN_OPERATION,
    "OperatorRegistry_Full()": _NO_WORD_FOR_AN_OPERATION,
    "OperatorRegistry_InvalidPossession()": _NO_WORD_FOR_AN_OPERATION,
    "OperatorRegistry_InvalidPublicKey()": _NO_WORD_FOR_AN_OPERATION,
    "OperatorRegistry_NotRegistered(address)": _NO_WORD_FOR_AN_OPERATION,
    "OperatorRegistry_PublicKeyTaken(bytes32)": _NO_WORD_FOR_AN_OPERATION,
    "OperatorRegistry_ZeroAddress()": _NO_WORD_FOR_AN_OPERATION,
    "OperatorRegistry_ZeroStake()": _NO_WORD_FOR_AN_OPERATION,
}
# Two errors may share a name; the selector tells them apart.
_BY_SELECTOR: Final[Mapping[bytes, Row]] = {keccak(text=signature)[:4]: row for signature, row in TABLE.items()}
_REFUSE_ALL: Final = frozenset(
    keccak(text=signature)[:4]
    for signature in ("Unauthorized()", "CurrentlyPaused()", "ArrayLengthMismatch()", "EmptyBatch()")
)


def refuses_all(revert: Revert) -> bool:
    """Of a revert of the batch contract itself, which names no item."""
    return revert.selector in _REFUSE_ALL


def needs_recorded_response(form: str, payload: Payload, revert: Revert) -> bool:
    """Whether the row must know what response the chain has."""
    exists = _BY_SELECTOR.get(revert.selector) is _exists and revert.name is not None
    return exists and _word(revert, 0) == payload.task_hash() and form != CREATE


def judge(form: str, payload: Payload, revert: Revert, answers: Sequence[bytes]) -> Judgement:
    if not revert.data:
        return Judgement(Verdict.MORE_GAS, "no revert data: likely out of gas", costs_retry=True)
    if revert.name is None:
        return Judgement(Verdict.RETRY, f"{revert}: an error that no known ABI has", costs_retry=True)
    row = _BY_SELECTOR.get(revert.selector)
    if row is None:
        return Judgement(Verdict.RETRY, f"{revert}: an error without a verdict of its own", costs_retry=True)
    return row(form, payload, revert, answers[0] if answers else None)

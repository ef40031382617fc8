import pytest
from eth_utils.crypto import keccak

from headrace.chain.abi import Abi
from headrace.chain.artifacts import load, packaged
from headrace.core.operation import Operation
from headrace.core.ports import Effect, Judgement, Seen
from headrace.core.words import Revert, Verdict
from headrace.testing.builders import BATCH_TASK_MANAGER, TASK_MANAGER, Builder
from headrace.workloads.tasks.errors import DEPLOYED, task_errors
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, RESPOND
from headrace.workloads.tasks.verdicts import TABLE
from workloads.tasks.making import ERRORS, payload, revert, travelling, workload

MADE = Builder(4)
BOTH, CREATE_ONE, RESPOND_ONE = (MADE.operation(kind) for kind in (CREATE_AND_RESPOND, CREATE, RESPOND))
NOTHING, OTHER = bytes(32), b"\x77" * 32
TASKS = workload()
# Whose errors are judged by another workload, or by none. What is new goes into a table or here.
OF_OTHER_WORKLOADS = frozenset({"Escrow", "IEscrow", "LinearEscrow", "TestFeeRouter", "TestToken"})

# Every error that a task or a response can meet on its way, with the arguments of one example, and its verdict.
FIXED = {
    "OnlyTaskGenerator()": ((), Verdict.WAIT),
    "InvalidTaskId()": ((), Verdict.REJECTED),
    "InvalidIntent()": ((), Verdict.REJECTED),
    "InvalidQuorumNumbers(bytes)": ((b"\x01",), Verdict.REJECTED),
    "InvalidQuorumThreshold(uint32)": ((101,), Verdict.REJECTED),
    "InvalidTaskCreatedBlock()": ((), Verdict.REJECTED),
    "TaskCreatedBlockInFuture()": ((), Verdict.WAIT),
    "TaskCreatedBlockTooOld()": ((), Verdict.REJECTED),
    "InvalidPolicyClient()": ((), Verdict.REJECTED),
    "InterfaceNotSupported()": ((), Verdict.REJECTED),
    "TaskResponseMismatch()": ((), Verdict.REJECTED),
    "TaskResponseTooLate(uint32,uint32,uint32)": ((1, 2, 3), Verdict.REJECTED),
    "TaskResponseExpired(uint32,uint32)": ((1, 2), Verdict.REJECTED),
    "PolicyMismatch(bytes32,bytes32)": ((OTHER, NOTHING), Verdict.REJECTED),
    "InvalidSignatureLength(uint256)": ((3,), Verdict.REJECTED),
    "InvalidNonSigner(uint256)": ((3,), Verdict.REJECTED),
    "InsufficientQuorumStake()": ((), Verdict.REJECTED),
    "InvalidBLSSignature()": ((), Verdict.REJECTED),
    "InvalidReferenceBlocknumber()": ((), Verdict.WAIT),
    "NoOperatorsAt(uint32)": ((3,), Verdict.REJECTED),
    "BLS12381_PrecompileFailed(uint256)": ((15,), Verdict.RETRY),
    "InsufficientGasForItem(uint256,bytes32,uint256)": ((0, OTHER, 9), Verdict.MORE_GAS),
    "ItemLikelyOutOfGas(uint256,bytes32,uint256)": ((0, OTHER, 9), Verdict.MORE_GAS),
    "Unauthorized()": ((), Verdict.WAIT),
    "Error(string)": (("no",), Verdict.REJECTED),
    "Panic(uint256)": ((0x11,), Verdict.REJECTED),
    # Of the source's deployed contracts only
    "CurrentlyPaused()": ((), Verdict.WAIT),
    "StaleStakesForbidden()": ((), Verdict.WAIT),
    "OperatorNotWhitelisted()": ((), Verdict.REJECTED),
    # Of a batch as a whole
    "ArrayLengthMismatch()": ((), Verdict.RETRY),
    "EmptyBatch()": ((), Verdict.RETRY),
    "BatchPartialFailure((uint256,bytes32,bytes)[])": (([],), Verdict.RETRY),
    # Said to an owner, or to an operator who registers
    "BatchTaskManager_ItemGasOutOfRange(uint256)": ((1,), Verdict.RETRY),
    "TaskManager_ZeroWindow()": ((), Verdict.RETRY),
    "Owned_ZeroOwner()": ((), Verdict.RETRY),
    "OperatorRegistry_AlreadyRegistered(address)": ((b"\x01" * 20,), Verdict.RETRY),
    "OperatorRegistry_Full()": ((), Verdict.RETRY),
    "OperatorRegistry_InvalidPossession()": ((), Verdict.RETRY),
    "OperatorRegistry_InvalidPublicKey()": ((), Verdict.RETRY),
    "OperatorRegistry_NotRegistered(address)": ((b"\x01" * 20,), Verdict.RETRY),
    "OperatorRegistry_PublicKeyTaken(bytes32)": ((OTHER,), Verdict.RETRY),
    "OperatorRegistry_ZeroAddress()": ((), Verdict.RETRY),
    "OperatorRegistry_ZeroStake()": ((), Verdict.RETRY),
}
WITH_HASHES = {"TaskAlreadyExists(bytes32)", "TaskAlreadyResponded(bytes32)", "TaskMismatch(bytes32,bytes32)"}


def judge(operation: Operation, why: Revert, *answers: bytes) -> Judgement:
    return TASKS.judge(operation, why, answers)


@pytest.mark.parametrize("signature", FIXED)
def test_each_error_has_its_verdict(signature: str) -> None:
    args, verdict = FIXED[signature]
    why = revert(signature, *args)
    assert why.name == signature.partition("(")[0], "it must be in some ABI that we know"
    assert judge(BOTH, why).verdict is verdict
    assert not TASKS.questions(BOTH, why)


def test_the_table_has_one_row_for_each_error_and_no_other() -> None:
    assert set(TABLE) == set(FIXED) | WITH_HASHES


def test_every_error_that_any_packaged_contract_can_raise_has_a_row() -> None:
    without = {
        f"{name}: {error.signature}"
        for name in packaged()
        if name not in OF_OTHER_WORKLOADS
        for error in load(name).abi.errors
        if error.signature not in TABLE
    }
    assert without == set()


def test_every_error_of_the_deployed_contracts_is_decoded_and_has_a_row() -> None:
    assert {error.signature for error in DEPLOYED.errors} <= set(TABLE)
    assert task_errors().decode(bytes.fromhex("840a48d5")).name == "CurrentlyPaused"
    assert task_errors().decode(bytes.fromhex("a2ac32f6")).name == "OperatorNotWhitelisted"
    assert task_errors().decode(bytes.fromhex("affc5edb")).name == "StaleStakesForbidden"


def test_only_what_a_person_must_mend_asks_for_one() -> None:
    asking = {s for s, (args, _) in FIXED.items() if judge(BOTH, revert(s, *args)).needs_operator}
    to_owners = {s for s in FIXED if "_" in s} - {"BLS12381_PrecompileFailed(uint256)"}
    mendable = {"OnlyTaskGenerator()", "Unauthorized()", "CurrentlyPaused()", "StaleStakesForbidden()"}
    built_wrongly = {"ArrayLengthMismatch()", "EmptyBatch()"}
    assert asking == mendable | built_wrongly | to_owners | {"BLS12381_PrecompileFailed(uint256)"}


def test_what_solidity_itself_says_stands_in_the_reason_in_words() -> None:
    assert judge(BOTH, revert("Error(string)", "cap exceeded")).reason == "the contract refused it: cap exceeded"
    panicked = judge(BOTH, revert("Panic(uint256)", 0x12)).reason
    assert panicked == "the contract panicked: division or modulo by zero"


def test_an_error_of_the_users_that_has_the_name_of_ours_does_not_get_its_verdict() -> None:
    theirs = Abi([{"type": "error", "name": "TaskMismatch", "inputs": [{"name": "why", "type": "uint8"}]}])
    why = task_errors(theirs).decode(keccak(text="TaskMismatch(uint8)")[:4] + (7).to_bytes(32))
    assert why.name == "TaskMismatch"
    judgement = judge(BOTH, why)
    assert judgement.verdict is Verdict.RETRY
    assert judgement.reason == "TaskMismatch(why=7): an error without a verdict of its own"


def test_only_a_batch_that_nobody_may_send_is_refused_whatever_is_in_it() -> None:
    refusing = {s for s, (args, _) in FIXED.items() if TASKS.refuses_all(revert(s, *args))}
    assert refusing == {"Unauthorized()", "CurrentlyPaused()", "ArrayLengthMismatch()", "EmptyBatch()"}


# ---- D6: the argument is the hash that is there, not the id


def exists(hash: bytes) -> Revert:
    return revert("TaskAlreadyExists(bytes32)", hash)


def responded(hash: bytes) -> Revert:
    return revert("TaskAlreadyResponded(bytes32)", hash)


def test_d6_another_task_under_our_id_is_a_conflict() -> None:
    for operation in (BOTH, CREATE_ONE):
        assert judge(operation, exists(OTHER)).verdict is Verdict.CONFLICT
        assert not TASKS.questions(operation, exists(OTHER))


def test_d6_our_own_task_makes_a_create_already_done() -> None:
    assert judge(CREATE_ONE, exists(payload(CREATE_ONE).task_hash())).verdict is Verdict.ALREADY_DONE


def test_d6_a_response_that_is_ours_is_already_done_and_another_is_a_conflict() -> None:
    for operation in (BOTH, RESPOND_ONE):
        assert judge(operation, responded(payload(operation).response_hash())).verdict is Verdict.ALREADY_DONE
        assert judge(operation, responded(OTHER)).verdict is Verdict.CONFLICT


# ---- D5: "responded" is never concluded from "exists"


OWN = exists(payload(BOTH).task_hash())


def test_d5_that_our_task_exists_asks_for_its_response_before_it_is_judged() -> None:
    (question,) = TASKS.questions(BOTH, OWN)
    assert question.to == TASK_MANAGER
    assert question.data.hex() == "38fac745" + BOTH.subject.hex()  # allTaskResponses(bytes32)
    assert not TASKS.questions(CREATE_ONE, exists(payload(CREATE_ONE).task_hash()))


def test_d5_our_task_with_our_response_is_already_done() -> None:
    assert judge(BOTH, OWN, payload(BOTH).response_hash()).verdict is Verdict.ALREADY_DONE


def test_d5_our_task_without_a_response_goes_on_as_respond_only_and_costs_nothing() -> None:
    for answers in ((NOTHING,), ()):
        judgement = judge(BOTH, OWN, *answers)
        assert (judgement.verdict, judgement.form, judgement.costs_retry) == (Verdict.WAIT, RESPOND, False)


def test_d5_our_task_with_another_response_is_a_conflict() -> None:
    assert judge(BOTH, OWN, OTHER).verdict is Verdict.CONFLICT


# ---- A task that is missing


def mismatch(recorded: bytes) -> Revert:
    return revert("TaskMismatch(bytes32,bytes32)", recorded, payload(RESPOND_ONE).task_hash())


def test_a_respond_whose_task_is_missing_after_a_reorg_waits() -> None:
    judgement = judge(RESPOND_ONE, mismatch(NOTHING))
    assert (judgement.verdict, judgement.form, judgement.costs_retry) == (Verdict.WAIT, None, False)


def test_what_had_gone_on_as_respond_only_creates_its_missing_task_again() -> None:
    judgement = judge(travelling(BOTH, RESPOND), mismatch(NOTHING))
    assert (judgement.verdict, judgement.form) == (Verdict.WAIT, CREATE_AND_RESPOND)


def test_a_respond_whose_id_has_another_task_is_a_conflict() -> None:
    assert judge(RESPOND_ONE, mismatch(OTHER)).verdict is Verdict.CONFLICT


# ---- What nobody knows


def test_d10_empty_revert_data_is_more_gas_and_not_a_rejection() -> None:
    judgement = judge(BOTH, Revert(data=b""))
    assert (judgement.verdict, judgement.costs_retry) == (Verdict.MORE_GAS, True)


def test_an_unknown_revert_is_retried_within_the_budget_and_shown_raw() -> None:
    judgement = judge(BOTH, ERRORS.decode(b"\xde\xad\xbe\xef" + bytes(4)))
    assert (judgement.verdict, judgement.costs_retry) == (Verdict.RETRY, True)
    assert "0xdeadbeef00000000" in judgement.reason


def test_a_known_selector_with_cut_off_arguments_is_unknown_and_no_conflict() -> None:
    judgement = judge(BOTH, ERRORS.decode(exists(OTHER).data[:20]))
    assert judgement.verdict is Verdict.RETRY


def test_running_dry_in_the_batch_costs_nothing_and_running_dry_by_itself_does() -> None:
    args, _ = FIXED["InsufficientGasForItem(uint256,bytes32,uint256)"]
    assert not judge(BOTH, revert("InsufficientGasForItem(uint256,bytes32,uint256)", *args)).costs_retry
    assert judge(BOTH, revert("ItemLikelyOutOfGas(uint256,bytes32,uint256)", *args)).costs_retry


# ---- From the chain's state, when there is no revert


def probed(operation: Operation, task: bytes, response: bytes) -> Seen | Judgement:
    assert [q.data.hex() for q in TASKS.probe(operation)] == [
        "e1352edb" + operation.subject.hex(),
        "38fac745" + operation.subject.hex(),
    ]
    assert {q.to for q in TASKS.probe(operation)} == {TASK_MANAGER} != {BATCH_TASK_MANAGER}
    return TASKS.probed(operation, [task, response])


def test_state_with_both_our_hashes_proves_the_effect() -> None:
    for operation in (BOTH, RESPOND_ONE):
        mine = payload(operation)
        assert probed(operation, mine.task_hash(), mine.response_hash()) == Seen(Effect.DONE)


def test_state_without_the_task_shows_nothing() -> None:
    assert probed(BOTH, NOTHING, NOTHING) == Seen(Effect.UNSEEN)


def test_state_with_our_task_is_all_that_a_create_wanted() -> None:
    for response in (NOTHING, OTHER):
        assert probed(CREATE_ONE, payload(CREATE_ONE).task_hash(), response) == Seen(Effect.DONE)


def test_state_with_our_task_alone_makes_the_rest_respond_only() -> None:
    found = probed(BOTH, payload(BOTH).task_hash(), NOTHING)
    assert isinstance(found, Judgement)
    assert (found.verdict, found.form) == (Verdict.WAIT, RESPOND)


def test_state_with_anything_of_somebody_else_is_a_conflict() -> None:
    for task, response in ((OTHER, NOTHING), (OTHER, payload(BOTH).response_hash()), (None, OTHER)):
        found = probed(BOTH, task or payload(BOTH).task_hash(), response)
        assert isinstance(found, Judgement)
        assert found.verdict is Verdict.CONFLICT

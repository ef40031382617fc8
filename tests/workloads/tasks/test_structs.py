import pytest
from eth_abi.abi import encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.words import Address, ChainId
from headrace.workloads.tasks.structs import Intent, Task, TaskResponse, attestation_digest
from workloads.tasks.making import addresses, intents, responses, tasks, words

# Written out a second time, from the contracts' interface and not from the code under test.
INTENT = "(address,address,uint256,bytes,uint256,bytes)"
TASK = f"(bytes32,address,uint32,uint32,{INTENT},bytes,bytes,bytes,uint256)"
RESPONSE = "(bytes32,address,bytes32,bytes32,bytes,uint32)"


def intent_fields(intent: Intent) -> tuple[object, ...]:
    return (intent.from_, intent.to, intent.value, intent.data, intent.chain, intent.function_signature)


def task_fields(task: Task) -> tuple[object, ...]:
    return (
        task.task_id,
        task.policy_client,
        task.created_block,
        task.threshold_percent,
        intent_fields(task.intent),
        task.intent_signature,
        task.wasm_args,
        task.quorum_numbers,
        task.timestamp,
    )


def response_fields(response: TaskResponse) -> tuple[object, ...]:
    return (
        response.task_id,
        response.policy_client,
        response.policy_id,
        response.intent_hash,
        response.evaluation_result,
        response.expire_block,
    )


@given(intents)
def test_an_intent_is_encoded_and_hashed_as_solidity_does(intent: Intent) -> None:
    assert intent.abi() == encode([INTENT], [intent_fields(intent)])
    assert intent.hash() == keccak(intent.abi())


@given(tasks)
def test_a_task_is_encoded_as_solidity_does_and_read_back(task: Task) -> None:
    assert task.abi() == encode([TASK], [task_fields(task)])
    assert task.hash() == keccak(task.abi())
    assert Task.from_abi(task.abi()) == task


@given(responses)
def test_a_response_is_encoded_as_solidity_does_and_read_back(response: TaskResponse) -> None:
    assert response.abi() == encode([RESPONSE], [response_fields(response)])
    assert response.hash() == keccak(response.abi())
    assert TaskResponse.from_abi(response.abi()) == response


@pytest.mark.parametrize("nonsense", [b"", b"\x00" * 31, b"\xff" * 64])
def test_bytes_that_are_none_are_refused(nonsense: bytes) -> None:
    with pytest.raises(DecodingError):
        Task.from_abi(nonsense)
    with pytest.raises(DecodingError):
        TaskResponse.from_abi(nonsense)


@given(st.integers(0, 2**256 - 1), addresses, words, words)
def test_operators_sign_a_digest_bound_to_chain_contract_task_and_response(
    chain: int, task_manager: Address, task_hash: bytes, response_hash: bytes
) -> None:
    typehash = keccak(
        text="HeadraceAttestation(uint256 chainId,address taskManager,bytes32 taskHash,bytes32 responseHash)"
    )
    words = ["bytes32", "uint256", "address", "bytes32", "bytes32"]
    digest = attestation_digest(
        chain=ChainId(chain), task_manager=task_manager, task_hash=task_hash, response_hash=response_hash
    )
    assert digest == keccak(encode(words, [typehash, chain, task_manager, task_hash, response_hash]))

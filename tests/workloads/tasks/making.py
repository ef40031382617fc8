"""What the tests of this workload share: strategies for its structs, and reverts as the contracts give them."""

from dataclasses import replace
from typing import Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import strategies as st

from headrace.core.operation import Operation
from headrace.core.words import Address, BlockNumber, ChainId, Log, Receipt, Revert
from headrace.testing.builders import BATCH_TASK_MANAGER, TASK_MANAGER
from headrace.workloads.tasks.errors import TaskReverts, task_errors
from headrace.workloads.tasks.payload import Payload
from headrace.workloads.tasks.structs import Intent, Task, TaskResponse
from headrace.workloads.tasks.workload import TaskContracts, Tasks

ERRORS: Final = task_errors()
BATCHED: Final = TaskContracts(task_manager=TASK_MANAGER, batch=BATCH_TASK_MANAGER, item_gas=450_000)
SINGLY: Final = TaskContracts(task_manager=TASK_MANAGER, batch=None)

words = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20).map(Address)
uint32 = st.integers(0, 2**32 - 1)
uint256 = st.integers(0, 2**256 - 1)
short_bytes = st.binary(max_size=100)

intents = st.builds(
    Intent,
    from_=addresses,
    to=addresses,
    value=uint256,
    data=short_bytes,
    chain=uint256.map(ChainId),
    function_signature=short_bytes,
)
tasks = st.builds(
    Task,
    task_id=words,
    policy_client=addresses,
    created_block=uint32.map(BlockNumber),
    threshold_percent=uint32,
    intent=intents,
    intent_signature=short_bytes,
    wasm_args=short_bytes,
    quorum_numbers=short_bytes,
    timestamp=uint256,
)
responses = st.builds(
    TaskResponse,
    task_id=words,
    policy_client=addresses,
    policy_id=words,
    intent_hash=words,
    evaluation_result=short_bytes,
    expire_block=uint32.map(BlockNumber),
)


def workload(contracts: TaskContracts = BATCHED) -> Tasks:
    return Tasks(contracts, read_revert=TaskReverts(ERRORS).read)


def revert(signature: str, *args: object) -> Revert:
    """`revert("TaskMismatch(bytes32,bytes32)", recorded, given)`, by hand: the contracts' side of it."""
    types = signature[signature.index("(") + 1 : -1]
    listed = [types] if types.startswith("(") else types.split(",") if types else []
    data = keccak(text=signature)[:4] + encode(listed, args)
    return ERRORS.decode(data)


def payload(operation: Operation) -> Payload:
    return Payload.unpack(operation.payload)


def travelling(operation: Operation, form: str) -> Operation:
    return replace(operation, form=form)


def receipt(*logs: Log) -> Receipt:
    return Receipt(
        transaction=b"\x01" * 32,  # type: ignore[arg-type]
        block=BlockNumber(9),
        block_hash=b"\x02" * 32,  # type: ignore[arg-type]
        ok=True,
        gas_used=100_000,
        gas_price_wei=1,
        logs=logs,
    )

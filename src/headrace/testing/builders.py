"""Made-up tasks, responses, operations and a fake chain with the task contracts, the same for the same seed.

Owns      values that are valid where nothing else is asked for.
Promises  two builders of one seed build the same, in the same order; two seeds share no id.
Leaves    real certificates to `headrace.attest`: the signature data here is what `fake_contracts` takes for good.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from headrace.core.operation import Operation
from headrace.core.words import Address, BlockNumber, ChainId, OperationId
from headrace.testing.clock import START
from headrace.testing.fake_chain import FakeChain
from headrace.testing.fake_contracts import FakeBatchTaskManager, FakePolicyClient, FakeRegistry, FakeTaskManager
from headrace.testing.pool_rules import NodeRules
from headrace.workloads.tasks.operations import Windows, operation_of
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND
from headrace.workloads.tasks.structs import Intent, Task, TaskResponse

CHAIN: Final = ChainId(31337)
REGISTRY: Final = Address(b"\x01registry".ljust(20, b"\x00"))
TASK_MANAGER: Final = Address(b"\x02task-manager".ljust(20, b"\x00"))
BATCH_TASK_MANAGER: Final = Address(b"\x03batch-manager".ljust(20, b"\x00"))
POLICY_CLIENT: Final = Address(b"\x04policy-client".ljust(20, b"\x00"))
POLICY: Final = b"\x05policy".ljust(32, b"\x00")
ETHER: Final = 10**18
WINDOWS: Final = Windows(creation=64, response=128)


class Builder:
    """`policy_client` and `policy` go into every task and response."""

    def __init__(
        self, seed: int, *, chain: ChainId = CHAIN, policy_client: Address = POLICY_CLIENT, policy: bytes = POLICY
    ) -> None:
        self._random = random.Random(seed)
        self._chain, self._policy_client, self._policy = chain, policy_client, policy

    def task(self, *, created_block: int = 1, data_bytes: int = 68, **changes: Any) -> Task:
        """A transfer that wants permission; 67 % of the stake must sign. `changes`: fields of Task."""
        intent = Intent(
            from_=self.address(),
            to=self.address(),
            value=self._random.randrange(ETHER),
            data=self._random.randbytes(data_bytes),
            chain=self._chain,
            function_signature=b"transfer(address,uint256)",
        )
        task = Task(
            task_id=self._random.randbytes(32),
            policy_client=self._policy_client,
            created_block=BlockNumber(created_block),
            threshold_percent=67,
            intent=intent,
            intent_signature=self._random.randbytes(65),
            wasm_args=b"{}",
            quorum_numbers=b"\x00",
            timestamp=int(START),
        )
        return replace(task, **changes)

    def response(self, task: Task, *, expire_block: int | None = None, **changes: Any) -> TaskResponse:
        """Allows the task. Expires 100 blocks after the task's reference block. `changes`: fields of it."""
        response = TaskResponse(
            task_id=task.task_id,
            policy_client=task.policy_client,
            policy_id=self._policy,
            intent_hash=task.intent.hash(),
            evaluation_result=b"\x01",
            expire_block=BlockNumber(task.created_block + 100 if expire_block is None else expire_block),
        )
        return replace(response, **changes)

    def signature_data(self, *, good: bool = True) -> bytes:
        """128 bytes: 96 of signature, then a bitmap that says everybody signed."""
        signature = bytearray(self._random.randbytes(96))
        signature[0] = 0x0F if good else 0xFF
        return bytes(signature) + bytes(32)

    def operation(
        self,
        kind: str = CREATE_AND_RESPOND,
        *,
        id: str | None = None,
        task: Task | None = None,
        created_block: int = 1,
        good: bool = True,
        received_at: float = START,
        after: str | None = None,
        wait_until: float | None = None,
        deadline: float | None = None,
        windows: Windows = WINDOWS,
    ) -> Operation:
        """`good` False: its signature is refused on chain (not in a create, which has none)."""
        task = task or self.task(created_block=created_block)
        creates_only = kind == CREATE
        return operation_of(
            id=OperationId(id or f"op-{self._random.getrandbits(64):016x}"),
            chain=self._chain,
            kind=kind,
            task=task,
            response=None if creates_only else self.response(task),
            signature_data=b"" if creates_only else self.signature_data(good=good),
            windows=windows,
            received_at=received_at,
            after=None if after is None else OperationId(after),
            wait_until=wait_until,
            deadline=deadline,
        )

    def address(self) -> Address:
        return Address(self._random.randbytes(20))


@dataclass(frozen=True, slots=True)
class TaskChain:
    """A fake chain with the task contracts, and hands on their settings."""

    chain: FakeChain
    registry: FakeRegistry
    task_manager: FakeTaskManager
    batch: FakeBatchTaskManager
    policy_client: FakePolicyClient


def fake_task_chain(
    lanes: Iterable[Address],
    *,
    balance_wei: int = 1_000 * ETHER,
    item_gas: int = 450_000,
    item_burns: Mapping[bytes, int] | None = None,
    gas_limit: int = 60_000_000,
    block_time_s: int = 12,
    now: Callable[[], float] | None = None,
    rules: NodeRules | None = None,
) -> TaskChain:
    """`lanes` are funded, may call the batch contract, and may record tasks directly."""
    lanes = frozenset(lanes)
    registry = FakeRegistry({BATCH_TASK_MANAGER, *lanes})
    task_manager = FakeTaskManager(REGISTRY, item_burns=item_burns or {})
    batch = FakeBatchTaskManager(TASK_MANAGER, lanes, item_gas)
    policy_client = FakePolicyClient(POLICY)
    chain = FakeChain(
        chain=CHAIN,
        balances=dict.fromkeys(lanes, balance_wei),
        contracts={
            REGISTRY: registry,
            TASK_MANAGER: task_manager,
            BATCH_TASK_MANAGER: batch,
            POLICY_CLIENT: policy_client,
        },
        gas_limit=gas_limit,
        block_time_s=block_time_s,
        now=now,
        rules=rules,
    )
    return TaskChain(chain, registry, task_manager, batch, policy_client)

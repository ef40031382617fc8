"""The same search on a real chain, with the real contracts: random poisons, three ways, one set of verdicts.

The real batch contract names its failed items. For two of the ways the workload turns a deaf ear to that, as if
the revert data had been cut short on its way.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from app.real_contracts import deploy_real_contracts
from headrace.chain.endpoints import Endpoints
from headrace.chain.node import RpcNode
from headrace.core.flush import BlockTimes
from headrace.core.operation import Operation
from headrace.core.ports import Ran
from headrace.core.retries import RetryPolicy
from headrace.core.words import Address, BlockNumber, OperationId, Outcome, Revert
from headrace.engine.gas_needed import GasPlan
from headrace.engine.judging import Judge
from headrace.engine.simulator import Sifted, Simulator
from headrace.testing.anvil import start_anvil
from headrace.testing.builders import Builder
from headrace.testing.clock import HandClock
from headrace.workloads.tasks.errors import TaskReverts, task_errors
from headrace.workloads.tasks.payload import CREATE
from headrace.workloads.tasks.structs import Task
from headrace.workloads.tasks.workload import TaskContracts, Tasks

Poison = Callable[[Task], Task]
# What is done to a task, and the error that the contract answers with.
POISONS: Mapping[str, Poison] = {
    "TaskCreatedBlockInFuture": lambda task: replace(task, created_block=BlockNumber(2**31)),
    "InvalidTaskCreatedBlock": lambda task: replace(task, created_block=BlockNumber(0)),
    "InvalidQuorumThreshold": lambda task: replace(task, threshold_percent=101),
    "InvalidQuorumNumbers": lambda task: replace(task, quorum_numbers=b"\x07"),
    "InvalidIntent": lambda task: replace(task, intent=replace(task.intent, to=Address(bytes(20)))),
    "InvalidPolicyClient": lambda task: replace(task, policy_client=Address(bytes(20))),
}
BATCH_MAX = 16


class Deaf(Tasks):
    """Hears what a contract says of one item only."""

    def failures(self, revert: Revert, count: int) -> Mapping[int, Revert] | None:
        return super().failures(revert, count) if count == 1 else None


class CountingNode(RpcNode):
    """`simulates` False: as a node without eth_simulateV1."""

    def __init__(self, endpoints: Endpoints, *, simulates: bool) -> None:
        super().__init__(endpoints)
        self._simulates, self.questions = simulates, 0

    async def call(self, **asked: Any) -> Any:
        self.questions += 1
        return await super().call(**asked)

    async def run_in_turn(self, calls: Any, **asked: Any) -> Sequence[Ran] | None:
        if not self._simulates:
            return None
        self.questions += 1
        return await super().run_in_turn(calls, **asked)


@dataclass
class RealChain:
    run: asyncio.Runner
    url: str
    contracts: TaskContracts
    lane: Address
    height: int

    def sift(
        self, workload: type[Tasks], operations: Sequence[Operation], *, simulates: bool
    ) -> tuple[Sifted, int]:
        """And how many questions it took."""
        return self.run.run(self._sift(workload, operations, simulates))

    async def _sift(
        self, workload: type[Tasks], operations: Sequence[Operation], simulates: bool
    ) -> tuple[Sifted, int]:
        endpoints = Endpoints([self.url], clock=HandClock())
        node = CountingNode(endpoints, simulates=simulates)
        judge = Judge(node=node, clock=HandClock(), policy=RetryPolicy(), confirmations=1)
        simulator = Simulator(
            node=node, judge=judge, sender=self.lane, gas_per_transaction=2**24, blocks=BlockTimes()
        )
        tasks = workload(self.contracts, read_revert=TaskReverts(task_errors()).read)
        try:
            sifted = await simulator.sift(
                tasks, CREATE, operations, head=await node.head(), plan=GasPlan(lambda _: 2**24, 2**24)
            )
            return sifted, node.questions
        finally:
            await endpoints.close()


@pytest.fixture(scope="module")
def real() -> Iterator[RealChain]:
    with asyncio.Runner() as run:
        started = start_anvil()
        anvil = run.run(started.__aenter__())
        try:
            contracts = run.run(deploy_real_contracts(anvil))
            found = TaskContracts(
                task_manager=Address(contracts.task_manager),
                batch=Address(contracts.batch_task_manager),
                item_gas=450_000,
            )
            yield RealChain(run, anvil.http_url, found, anvil.keys[0].address, run.run(anvil.height()))
        finally:
            run.run(started.__aexit__(None, None, None))


def endings(sifted: Sifted) -> dict[OperationId, tuple[Outcome, str | None]]:
    return {e.operation: (e.outcome, e.revert.name if e.revert else None) for e in sifted.endings}


def returns(sifted: Sifted) -> dict[OperationId, tuple[str, int, str | None]]:
    return {r.operation: (r.reason, r.retries, r.revert.name if r.revert else None) for r in sifted.returns}


@settings(max_examples=20, deadline=None)
@given(
    poison=st.dictionaries(st.integers(0, BATCH_MAX - 1), st.sampled_from(sorted(POISONS)), max_size=BATCH_MAX),
    seed=st.integers(0, 2**32),
)
def test_random_poisons_are_found_alike_by_name_in_turn_and_in_halves(
    real: RealChain, poison: dict[int, str], seed: int
) -> None:
    made = Builder(random.Random(seed).getrandbits(32), policy_client=Address(keccak(b"client")[:20]))
    tasks = [made.task(created_block=real.height) for _ in range(BATCH_MAX)]
    for index, why in poison.items():
        tasks[index] = POISONS[why](tasks[index])
    operations = [made.operation(CREATE, task=task) for task in tasks]
    by_name, _ = real.sift(Tasks, operations, simulates=False)
    in_turn, questions = real.sift(Deaf, operations, simulates=True)
    in_halves, _ = real.sift(Deaf, operations, simulates=False)

    judged = {**endings(by_name), **returns(by_name)}
    assert {id: told[-1] for id, told in judged.items()} == {operations[i].id: why for i, why in poison.items()}
    assert [o.id for o in by_name.standing] == [o.id for i, o in enumerate(operations) if i not in poison]
    for other in (in_turn, in_halves):
        assert (endings(other), returns(other)) == (endings(by_name), returns(by_name))
        assert other.standing == by_name.standing
    assert questions <= 4, "the whole, each in turn, the suspects, and what remains"


def test_the_quiet_case_is_one_question(real: RealChain) -> None:
    made = Builder(3, policy_client=Address(keccak(b"client")[:20]))
    operations = [made.operation(CREATE, created_block=real.height) for _ in range(4)]
    for workload in (Tasks, Deaf):
        sifted, questions = real.sift(workload, operations, simulates=True)
        assert (len(sifted.standing), questions) == (4, 1)

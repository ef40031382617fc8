"""A chain with the task contracts, and with a plain `aggregate3` that has the same rights as the batch contract.

Promises  the same bytes and the same gas on every machine: accounts, keys and addresses follow from constants.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from headrace.app.clock import SystemClock
from headrace.app.demo.settlement.sending import Mined, Senders, Wish
from headrace.app.gas.certified import STAKE, BenchOperator, make_operators
from headrace.attest.possession import prove_possession
from headrace.chain.artifacts import load
from headrace.chain.deploying import Deployer
from headrace.chain.endpoints import Endpoints
from headrace.chain.hexes import address_text, keccak
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.core.words import Address
from headrace.testing.anvil import Anvil, start_anvil
from headrace.testing.keys import TestKey

TRANSACTION_GAS_MAX: Final = 1 << 24  # EIP-7825
_OPERATOR_SEED: Final = 1
_CREATED: Final = keccak(b"NewTaskCreated(bytes32,bytes32,address)")
_RESPONDED: Final = keccak(b"TaskResponded(bytes32,bytes32)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStage:
    """`lane` may use the batch contract and, for comparison, TaskManager itself. The chain mines when asked."""

    chain: Anvil
    senders: Senders
    lane: TestKey
    operators: tuple[BenchOperator, ...]
    task_manager: Address
    batch: Address
    plain: Address

    async def send(self, to: Address, calldata: Sequence[bytes], what: str) -> list[Mined]:
        """A transaction for each. Raises DidNotSucceed."""
        gas = TRANSACTION_GAS_MAX
        wishes = [Wish(key=self.lane, to=to, data=data, gas=gas, what=what) for data in calldata]
        return await self.senders.mine(wishes)

    async def recorded(self, mined: Sequence[Mined]) -> tuple[int, int]:
        """How many tasks and how many responses TaskManager recorded in these transactions."""
        asked = [("eth_getTransactionReceipt", ["0x" + one.hash.hex()]) for one in mined]
        receipts: list[dict[str, Any]] = await self.chain.rpc.ask_all(asked)
        emitter = "0x" + self.task_manager.hex()
        topics = [log["topics"][0] for r in receipts for log in r["logs"] if log["address"] == emitter]
        return topics.count("0x" + _CREATED.hex()), topics.count("0x" + _RESPONDED.hex())


@asynccontextmanager
async def open_task_stage() -> AsyncIterator[TaskStage]:
    """Raises AnvilMissing, AnvilFailed; and as `Deployer.deploy`."""
    async with start_anvil(block_time_s=0, gas_limit=60_000_000, accounts=2) as chain:
        owner, lane = chain.keys
        clock = SystemClock()
        node = RpcNode(Endpoints([chain.http_url], clock=clock))
        try:
            deployer = Deployer(node, LocalSigner(owner.secret), chain=chain.chain, clock=clock, poll_every_s=0.01)
            stage = await _deploy(chain, deployer, owner.address, lane)
        finally:
            await node.close()
        await chain.pause()
        await chain.mine(2)
        yield stage


async def _deploy(chain: Anvil, deployer: Deployer, owner: Address, lane: TestKey) -> TaskStage:
    registry = (await deployer.deploy(load("OperatorRegistry"), address_text(owner))).address
    manager = await deployer.deploy(load("TaskManager"), address_text(registry), address_text(owner))
    batch = await deployer.deploy(load("BatchTaskManager"), address_text(manager.address), address_text(owner))
    plain = await deployer.deploy(load("Aggregate3"))

    async def change(contract: str, at: Address, name: str, *args: object) -> None:
        abi = load(contract).abi
        await deployer.transact(at, abi.function(name).encode(*args), name, abi=abi)

    for generator in (batch.address, plain.address, lane.address):
        await change("OperatorRegistry", registry, "addTaskGenerator", address_text(generator))
    await change("BatchTaskManager", batch.address, "addAuthorized", address_text(lane.address))
    operators = make_operators(_OPERATOR_SEED)
    for operator in operators:
        account, key = operator.account.address, operator.key
        proof = prove_possession(key, chain=chain.chain, registry=registry, operator=account)
        arguments = (address_text(account), key.public_key.to_bytes(), STAKE, proof)
        await change("OperatorRegistry", registry, "registerOperator", *arguments)
    return TaskStage(
        chain=chain,
        senders=Senders(chain),
        lane=lane,
        operators=operators,
        task_manager=manager.address,
        batch=batch.address,
        plain=plain.address,
    )

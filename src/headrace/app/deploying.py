"""Puts our contracts on a chain and sets them up: `headrace deploy`, and the demo's first act.

Owns      which contracts there are, who may do what, which operators are registered.
Promises  running it again finishes what an earlier run left undone, and changes nothing that is right already.
Leaves    transactions to `chain.deploying`, the record to `chain.deployments`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.app.task_contracts import View
from headrace.attest import bls
from headrace.attest.possession import prove_possession
from headrace.chain import deployments
from headrace.chain.artifacts import load
from headrace.chain.deploying import Deployer
from headrace.chain.deployments import Deployed, Deployment
from headrace.chain.hexes import address_text
from headrace.core.ports import Node
from headrace.core.words import Address, ChainId

REGISTRY: Final = "OperatorRegistry"
TASK_MANAGER: Final = "TaskManager"
BATCH: Final = "BatchTaskManager"
ESCROW: Final = "Escrow"
TEST_FEE_ROUTER: Final = "TestFeeRouter"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOperator:
    """To be registered with this stake."""

    address: Address
    key: bls.SecretKey
    stake: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`owner` deploys and owns; `lanes` may use the batch contract, and TaskManager itself where `direct`."""

    owner: Address
    lanes: Sequence[Address]
    operators: Sequence[NewOperator]
    direct: bool = False


async def deploy_tasks(
    plan: Plan,
    *,
    deployer: Deployer,
    node: Node,
    chain: ChainId,
    env: str,
    file: Path,
    say: Callable[[str], None],
) -> Deployment:
    """Writes the file after each contract, so that nothing deployed is forgotten. Raises as `Deployer.deploy`."""
    there = await _Putting.beside(file, deployer=deployer, node=node, chain=chain, env=env, say=say)
    registry = await there.put(REGISTRY, plan.owner)
    manager = await there.put(TASK_MANAGER, registry, plan.owner)
    batch = await there.put(BATCH, manager, plan.owner)
    setup = _Setup(deployer, node, say)
    generators = [batch, *(plan.lanes if plan.direct else ())]
    for generator in generators:
        await setup.once(REGISTRY, registry, "isTaskGenerator", "addTaskGenerator", generator)
    for lane in plan.lanes:
        if lane != plan.owner:
            await setup.once(BATCH, batch, "isAuthorized", "addAuthorized", lane)
    await setup.operators(registry, plan.operators, chain)
    return there.deployment


async def deploy_escrow(
    *,
    fee_router: Address | None,
    collector: Address,
    deployer: Deployer,
    node: Node,
    chain: ChainId,
    env: str,
    file: Path,
    say: Callable[[str], None],
) -> Deployment:
    """Beside whatever the file has already. `fee_router` None: one of ours that takes nothing, and that anybody
    may change: for local chains. `collector` gets the fees. Raises as `Deployer.deploy`."""
    there = await _Putting.beside(file, deployer=deployer, node=node, chain=chain, env=env, say=say)
    if ESCROW not in there.done:
        router = fee_router if fee_router is not None else await there.put(TEST_FEE_ROUTER, 0, collector)
        await there.put(ESCROW, router, collector)
    return there.deployment


@dataclass(frozen=True, slots=True)
class _Putting:
    """Deploys what the file does not have yet, and writes it after each."""

    file: Path
    deployer: Deployer
    chain: ChainId
    env: str
    say: Callable[[str], None]
    done: dict[str, Deployed]

    @staticmethod
    async def beside(
        file: Path, *, deployer: Deployer, node: Node, chain: ChainId, env: str, say: Callable[[str], None]
    ) -> "_Putting":
        known = _recorded(file)
        if known is not None:
            await deployments.check(known, node)
        return _Putting(file, deployer, chain, env, say, dict(known.contracts) if known is not None else {})

    @property
    def deployment(self) -> Deployment:
        return Deployment(chain=self.chain, env=self.env, contracts=self.done)

    async def put(self, name: str, *args: object) -> Address:
        if name not in self.done:
            self.done[name] = found = await self.deployer.deploy(load(name), *args)
            deployments.write(self.file, self.deployment)
            self.say(f"{name} deployed at {address_text(found.address)}, block {found.block}")
        return self.done[name].address


def _recorded(file: Path) -> Deployment | None:
    return deployments.read(file) if file.exists() else None


async def deploy_policy_clients(
    policies: Mapping[str, bytes], *, deployer: Deployer, say: Callable[[str], None]
) -> dict[str, Address]:
    """A reference policy client for each name, with that policy id."""
    clients = {}
    for name, policy_id in policies.items():
        deployed = await deployer.deploy(load("PolicyClient"), policy_id)
        clients[name] = deployed.address
        say(f"PolicyClient {name!r} deployed at {address_text(deployed.address)}")
    return clients


class _Setup:
    """Set-up calls that are made only where the chain does not show their effect yet."""

    def __init__(self, deployer: Deployer, node: Node, say: Callable[[str], None]) -> None:
        self._deployer, self._node, self._say = deployer, node, say

    async def once(self, contract: str, at: Address, question: str, change: str, account: Address) -> None:
        (already,) = await View(self._node, contract, at).ask(question, account)
        if not already:
            await self._change(contract, at, change, account)
            self._say(f"{contract}.{change}({address_text(account)})")

    async def operators(self, registry: Address, operators: Sequence[NewOperator], chain: ChainId) -> None:
        (accounts,) = await View(self._node, REGISTRY, registry).ask("operators")
        known = {bytes.fromhex(a[2:]) if isinstance(a, str) else a for a in accounts}
        for operator in operators:
            if operator.address in known:
                continue
            proof = prove_possession(operator.key, chain=chain, registry=registry, operator=operator.address)
            key = operator.key.public_key.to_bytes()
            await self._change(
                REGISTRY, registry, "registerOperator", operator.address, key, operator.stake, proof
            )
            self._say(f"operator {address_text(operator.address)} registered, stake {operator.stake}")

    async def _change(self, contract: str, at: Address, name: str, *args: object) -> None:
        abi = load(contract).abi
        data = abi.function(name).encode(*args)
        await self._deployer.transact(at, data, f"{contract}.{name}", abi=abi)

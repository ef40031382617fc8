"""Reads the deployed task contracts once at start, and says what is wrong with them.

Owns      what the gateway must know of the contracts: windows, item gas, who may do what, the operators.
Promises  every problem at once, each with its fix; nothing is sent.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.chain.artifacts import load
from headrace.chain.hexes import address_text
from headrace.core.ports import Node, Returned
from headrace.core.words import Address, BlockNumber
from headrace.operators.policies import Policies
from headrace.workloads.tasks.operations import Windows
from headrace.workloads.tasks.workload import TaskContracts


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredOperator:
    """As the registry has it now. `public_key` 256 bytes."""

    index: int
    address: Address
    public_key: bytes
    stake: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChain:
    """What the chain says about our contracts."""

    registry: Address
    contracts: TaskContracts
    windows: Windows
    operators: tuple[RegisteredOperator, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """`batch` None: batches are switched off."""

    registry: Address
    task_manager: Address
    batch: Address | None


class View:
    """Calls view functions of one packaged contract at one address. Raises NodeTrouble; ValueError where the
    answer is not what the contract would give."""

    def __init__(self, node: Node, contract: str, address: Address) -> None:
        self._node, self._address, self._contract = node, address, contract
        self._abi = load(contract).abi

    async def ask(self, name: str, *args: object, in_block: BlockNumber | None = None) -> tuple[Any, ...]:
        """`in_block`: what NUMBER answers, where the contract only speaks of blocks before it."""
        function = self._abi.function(name)
        answer = await self._node.call(to=self._address, data=function.encode(*args), in_block=in_block)
        if not isinstance(answer, Returned):
            raise ValueError(f"{address_text(self._address)} does not answer {self._contract}.{name}()")
        return function.decode_output(answer.data)


async def read_task_chain(
    node: Node,
    addresses: Addresses,
    *,
    lanes: Sequence[Address],
    endpoints: Collection[Address],
    policies: Policies,
    strict_only: bool,
    threshold_percent: int,
) -> tuple[TaskChain | None, list[str]]:
    """None beside problems that forbid a start. Raises NodeTrouble."""
    registry = View(node, "OperatorRegistry", addresses.registry)
    manager = View(node, "TaskManager", addresses.task_manager)
    try:
        problems = await _roles(node, addresses, registry, manager, lanes)
        windows = Windows(
            creation=(await manager.ask("taskCreationBufferWindow"))[0],
            response=(await manager.ask("taskResponseWindowBlock"))[0],
        )
        item_gas = 0
        if addresses.batch is not None and not problems:
            (item_gas,) = await View(node, "BatchTaskManager", addresses.batch).ask("itemGas")
        operators = await read_operators(registry)
    except ValueError as error:
        return None, [f"{error}: is the deployment file that of these contracts?"]
    if (problem := no_quorum(operators, endpoints, threshold_percent=threshold_percent)) is not None:
        problems.append(problem)
    problems += await _clients(node, policies)
    if problems:
        return None, problems
    contracts = TaskContracts(
        task_manager=addresses.task_manager,
        batch=addresses.batch,
        item_gas=item_gas,
        strict_only=strict_only,
    )
    return TaskChain(registry=addresses.registry, contracts=contracts, windows=windows, operators=operators), []


async def _roles(
    node: Node, addresses: Addresses, registry: View, manager: View, lanes: Sequence[Address]
) -> list[str]:
    problems = []
    (linked,) = await manager.ask("registry")
    if Address(_bytes(linked)) != addresses.registry:
        problems.append(
            f"TaskManager {address_text(addresses.task_manager)} uses registry {address_text(_bytes(linked))}, "
            f"the deployment file says {address_text(addresses.registry)}"
        )
    if addresses.batch is None:
        for lane in lanes:
            if not (await registry.ask("isTaskGenerator", lane))[0]:
                problems.append(
                    f"lane {address_text(lane)} is no task generator: as the registry's owner call "
                    f"OperatorRegistry.addTaskGenerator({address_text(lane)})"
                )
        return problems
    if not await node.code(addresses.batch):
        return [
            *problems,
            _without_batch(f"there is no contract at batch address {address_text(addresses.batch)}"),
        ]
    batch = View(node, "BatchTaskManager", addresses.batch)
    (target,) = await batch.ask("taskManager")
    if Address(_bytes(target)) != addresses.task_manager:
        problems.append(
            _without_batch(f"batch contract {address_text(addresses.batch)} serves another TaskManager")
        )
    if not (await registry.ask("isTaskGenerator", addresses.batch))[0]:
        problems.append(
            _without_batch(
                f"batch contract {address_text(addresses.batch)} is no task generator: as the registry's owner "
                f"call OperatorRegistry.addTaskGenerator({address_text(addresses.batch)})"
            )
        )
    (owner,) = await batch.ask("owner")
    for lane in lanes:
        if lane != _bytes(owner) and not (await batch.ask("isAuthorized", lane))[0]:
            problems.append(
                _without_batch(
                    f"lane {address_text(lane)} may not use the batch contract: as its owner call "
                    f"BatchTaskManager.addAuthorized({address_text(lane)})"
                )
            )
    return problems


def _without_batch(problem: str) -> str:
    return f"{problem}; or set batch_submitter.enabled = false, which works without the batch contract"


async def read_operators(registry: View) -> tuple[RegisteredOperator, ...]:
    """All that were ever registered, in the order of their index. Raises NodeTrouble; ValueError."""
    (accounts,) = await registry.ask("operators")
    found = []
    for index in range(len(accounts)):
        address, public_key, stake = await registry.ask("operatorAt", index)
        found.append(
            RegisteredOperator(index=index, address=Address(_bytes(address)), public_key=public_key, stake=stake)
        )
    return tuple(found)


def no_quorum(
    operators: Collection[RegisteredOperator], endpoints: Collection[Address], *, threshold_percent: int
) -> str | None:
    """Why the operators that can be asked make no quorum, if so: those without an endpoint count as silent."""
    total = sum(o.stake for o in operators)
    if total == 0:
        return "no operator is registered with stake: nothing can be certified"
    silent = [o for o in operators if o.stake > 0 and o.address not in endpoints]
    heard = total - sum(o.stake for o in silent)
    if heard * 100 >= total * threshold_percent:
        return None
    names = ", ".join(address_text(o.address) for o in silent)
    return (
        f"operators.endpoints: no URL for {names}: the others have {heard} of {total} stake, "
        f"fewer than the {threshold_percent} % of tasks.quorum_threshold_percent"
    )


async def _clients(node: Node, policies: Policies) -> list[str]:
    """A client's contract whose policy is another one refuses every response: better known now."""
    problems = []
    for policy in policies:
        if not await node.code(policy.client):
            continue
        try:
            (on_chain,) = await View(node, "PolicyClient", policy.client).ask("policyId")
        except ValueError:
            continue  # no policy client at all: each of its tasks is rejected with that reason
        if on_chain != policy.policy_id:
            problems.append(
                f"policy {policy.name!r}: client {address_text(policy.client)} has policy 0x{on_chain.hex()} on "
                f"chain, the file's expression is 0x{policy.policy_id.hex()}"
            )
    return problems


def _bytes(address: Any) -> bytes:
    return address if isinstance(address, bytes) else bytes.fromhex(str(address)[2:])

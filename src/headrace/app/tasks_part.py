"""What the workload `tasks` adds to a gateway: its contracts, its operators, and the desk that answers requests.

Owns      the wiring of everything that only tasks need.
Promises  nothing starts on contracts that do not fit the settings: every problem at once, each with its fix.
Leaves    landing the operations to the engine, the doors to `app.gateway`.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from headrace.api.tasks_acceptor import TasksAcceptor
from headrace.api.topics import Topics
from headrace.app.deploying import BATCH, REGISTRY, TASK_MANAGER
from headrace.app.engine_room import EngineRoom
from headrace.app.registry_watch import RegistryWatch, members_of
from headrace.app.settings import BadSettings, Settings
from headrace.app.task_contracts import Addresses, TaskChain, read_task_chain
from headrace.chain import deployments
from headrace.chain.hexes import read_address
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.core.errors import NeedsOperator
from headrace.core.ports import Clock
from headrace.core.words import Address, Block, ChainId
from headrace.engine.intake import Intake
from headrace.operators.aggregator import Aggregator
from headrace.operators.beat import Beat
from headrace.operators.desk import Desk, Terms
from headrace.operators.http_client import HttpOperator
from headrace.operators.policies import Policies
from headrace.store import SqliteStore
from headrace.workloads.tasks.errors import TaskReverts
from headrace.workloads.tasks.workload import Tasks


@dataclass(frozen=True, slots=True)
class TasksPart:
    """Ready for an engine; `open_desk` follows once there is one."""

    found: TaskChain
    workload: Tasks
    acceptor: TasksAcceptor
    recorded_kind: str
    reverts: TaskReverts
    _settings: Settings
    _aggregator: Aggregator
    _registry: RegistryWatch
    _policies: Policies

    async def saw_head(self, block: Block) -> None:
        """Raises NodeTrouble."""
        await self._registry.saw_head(block)

    def hindrances(self) -> Sequence[str]:
        """Why requests cannot be answered now, for people."""
        return [h for h in (self._registry.hindrance, self._aggregator.hindrance) if h is not None]

    def held(self) -> Mapping[str, int]:
        """Questions to operators that are in memory."""
        return {"slots": self._aggregator.slots_in_use, "deadlines": self._aggregator.deadlines_waiting}

    def kept(self) -> Mapping[str, int]:
        return {"answers without a quorum": self._aggregator.remembered}

    def open_desk(
        self,
        stack: AsyncExitStack,
        *,
        store: SqliteStore,
        engine: EngineRoom,
        intake: Intake,
        clock: Clock,
        announce: Topics,
    ) -> Desk:
        """Closed with the stack."""
        desk = Desk(
            store=store,
            aggregator=self._aggregator,
            clients=self._policies.clients,
            terms=_terms(self._settings, self.found),
            head=self._registry.head,
            check_room=intake.check_room,
            noticed=engine.noticed,
            clock=clock,
            announce=announce,
        )
        stack.push_async_callback(desk.close)
        return desk


async def open_tasks(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    node: RpcNode,
    signers: Sequence[LocalSigner],
    policies: Policies,
    reverts: TaskReverts,
    clock: Clock,
) -> TasksPart:
    """Reads the contracts once; what it opens is closed with the stack.

    Raises NodeTrouble where the chain does not answer; BadSettings, NeedsOperator with every problem."""
    endpoints = {_address(e.address): e.url for e in settings.operators.endpoints}
    found = await _read_chain(settings, node, signers, policies, endpoints)
    chain = ChainId(settings.chain.chain_id)
    beat = Beat()
    clients: Mapping[Address, HttpOperator] = {
        # For every endpoint, also of those that may be registered later.
        address: await stack.enter_async_context(
            HttpOperator(
                url,
                chain=chain,
                task_manager=found.contracts.task_manager,
                timeout_s=settings.operators.request_timeout_s,
                beat=beat,
            )
        )
        for address, url in endpoints.items()
    }
    aggregator = Aggregator(
        members_of(found.operators, clients),
        chain=chain,
        task_manager=found.contracts.task_manager,
        clock=clock,
        slots_max=settings.operators.slots_max,
    )
    stack.callback(aggregator.close)
    return TasksPart(
        found=found,
        workload=Tasks(found.contracts, read_revert=reverts.read),
        acceptor=TasksAcceptor(
            chain=chain,
            windows=found.windows,
            respond_wait_s=settings.batch_submitter.respond_wait_timeout_ms / 1000,
            threshold_percent=settings.tasks.quorum_threshold_percent,
        ),
        recorded_kind="respond" if settings.recording == "separate" else "create_and_respond",
        reverts=reverts,
        _settings=settings,
        _aggregator=aggregator,
        _registry=RegistryWatch(
            node=node,
            registry=found.registry,
            clients=clients,
            threshold_percent=settings.tasks.quorum_threshold_percent,
            replace=aggregator.replace_members,
        ),
        _policies=policies,
    )


async def _read_chain(
    settings: Settings,
    node: RpcNode,
    signers: Sequence[LocalSigner],
    policies: Policies,
    endpoints: Mapping[Address, str],
) -> TaskChain:
    deployment = deployments.read(settings.chain.deployment)
    submitter = settings.batch_submitter
    # The batch contract is checked below, where the fix can be to do without it.
    needed = {n: c for n, c in deployment.contracts.items() if n in (REGISTRY, TASK_MANAGER)}
    await deployments.check(
        deployments.Deployment(chain=deployment.chain, env=deployment.env, contracts=needed), node
    )
    batch: Address | None = None
    if submitter.enabled:
        named = submitter.batch_contract_address
        if named is None and BATCH not in deployment.contracts:
            raise NeedsOperator(
                f"{settings.chain.deployment} has no {BATCH}: deploy it, name it in "
                "batch_submitter.batch_contract_address, or set batch_submitter.enabled = false, which works "
                "without it"
            )
        batch = _address(named) if named is not None else deployment.contract(BATCH).address
    found, problems = await read_task_chain(
        node,
        Addresses(
            registry=deployment.contract(REGISTRY).address,
            task_manager=deployment.contract(TASK_MANAGER).address,
            batch=batch,
        ),
        lanes=[s.address for s in signers],
        endpoints=endpoints,
        policies=policies,
        strict_only=submitter.strict_only,
        threshold_percent=settings.tasks.quorum_threshold_percent,
    )
    if found is None:
        raise BadSettings(problems)
    return found


def _terms(settings: Settings, found: TaskChain) -> Terms:
    return Terms(
        chain=ChainId(settings.chain.chain_id),
        task_manager=found.contracts.task_manager,
        windows=found.windows,
        recording=settings.recording,
        respond_wait_s=settings.batch_submitter.respond_wait_timeout_ms / 1000,
        patience_s=settings.operators.patience_s,
        evaluations_max=settings.gateway.evaluations_max,
    )


def _address(text: str) -> Address:
    return read_address(text, "address")

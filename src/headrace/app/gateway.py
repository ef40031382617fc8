"""The gateway as one process: composed here, started in order, stopped cleanly.

Owns      the composition root, and the life of everything in it.
Promises  the port answers from the first moment (/readyz says what is waited for); a loop that dies takes the
          gateway down loudly; a stop loses nothing, because nothing is only in memory.
"""

import asyncio
import logging
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from headrace.api.gateway import gateway_app
from headrace.api.server import GatewayServer
from headrace.api.services import LaneReport, Limits, Services
from headrace.api.starting import Front
from headrace.api.tasks_acceptor import TasksAcceptor
from headrace.api.topics import Topics
from headrace.app.clock import SystemClock
from headrace.app.deploying import BATCH, REGISTRY, TASK_MANAGER
from headrace.app.engine_room import EngineRoom, build_engine
from headrace.app.keys import lane_signers
from headrace.app.listening import bound_socket, say_listening
from headrace.app.registry_watch import RegistryWatch, members_of
from headrace.app.settings import BadSettings, Settings
from headrace.app.task_contracts import Addresses, TaskChain, read_task_chain
from headrace.chain import deployments
from headrace.chain.artifacts import load
from headrace.chain.endpoints import Endpoints
from headrace.chain.heads import Heads
from headrace.chain.hexes import read_address
from headrace.chain.node import RpcNode
from headrace.chain.reverts import Errors
from headrace.chain.signing import LocalSigner
from headrace.core.errors import NeedsOperator
from headrace.core.operation import Ending
from headrace.core.ports import Clock, NodeTrouble
from headrace.core.words import Address, ChainId, OperationId
from headrace.engine.intake import Intake
from headrace.operators.aggregator import Aggregator
from headrace.operators.desk import Desk, Terms
from headrace.operators.http_client import HttpOperator
from headrace.operators.policies import Policies, load_policies
from headrace.store import SqliteStore, open_store
from headrace.workloads.tasks.workload import Tasks

log = logging.getLogger(__name__)

CHAIN_PAUSE_S = 2.0
GRACE_S = 5
HEADS_QUIET_S = 15.0


@dataclass(slots=True)
class _Progress:
    """What the start waits for, for /readyz."""

    waiting_for: str = "the store is being opened"


async def run_gateway(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises BadSettings, BadPolicies, NeedsOperator where it must not start; an
    ExceptionGroup where a loop died."""
    clock = SystemClock()
    signers = lane_signers(settings)
    policies = load_policies(settings.tasks.policies)
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    progress = _Progress()
    front = Front(lambda: progress.waiting_for)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.store.path, clock=clock))
        listener = stack.enter_context(bound_socket(settings.gateway.host, settings.gateway.port))
        server = GatewayServer(front, grace_s=GRACE_S)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
        say_listening(settings.gateway.host, listener)
        work = _run(settings, store, signers, policies, clock, front, progress)
        working = asyncio.create_task(work, name="gateway")
        try:
            asked = asyncio.create_task(stopping.wait(), name="stop")
            await asyncio.wait({working, asked, serving}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
        finally:
            log.info("stopping")
            # The port first: calls under way end with all loops running, new ones are told to come back.
            front.close()
            server.stop()
            await serving
            await _ended(working)


async def _ended(working: asyncio.Task[None]) -> None:
    """Stops the loops, or tells what they died of."""
    if not working.done():
        working.cancel()
    try:
        await working
    except asyncio.CancelledError:
        pass
    except BaseExceptionGroup as group:
        raise _innermost(group) from group


def _innermost(error: BaseException) -> BaseException:
    """What ended the gateway: one error as itself (main shows it in words), several as a group."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def _run(
    settings: Settings,
    store: SqliteStore,
    signers: list[LocalSigner],
    policies: Policies,
    clock: Clock,
    front: Front,
    progress: _Progress,
) -> None:
    chain = settings.chain
    async with AsyncExitStack() as stack:
        node = RpcNode(Endpoints(chain.http, clock=clock, timeout_s=chain.request_timeout_s))
        stack.push_async_callback(node.close)
        endpoints = {_address(e.address): e.url for e in settings.operators.endpoints}
        found = await _reach_chain(settings, node, signers, policies, endpoints, clock, progress)
        topics = Topics()
        heads = Heads(
            node,
            clock=clock,
            poll_every_s=chain.poll_interval_s,
            quiet_s=HEADS_QUIET_S,
            websocket=chain.ws,
        )
        stack.push_async_callback(heads.close)
        errors = Errors.of(*(load(name).abi for name in (TASK_MANAGER, BATCH, REGISTRY)))
        clients = await _clients(settings, found, endpoints, stack)
        aggregator = _aggregator(settings, found, clients, clock, stack)
        registry = RegistryWatch(
            node=node,
            registry=found.registry,
            clients=clients,
            threshold_percent=settings.tasks.quorum_threshold_percent,
            replace=aggregator.replace_members,
        )
        engine = build_engine(
            settings,
            store=store,
            node=node,
            heads=aiter(heads),
            signers=signers,
            workloads=[Tasks(found.contracts, read_revert=errors.decode)],
            clock=clock,
            announce=topics,
            also=registry.saw_head,
        )
        intake = Intake(
            store=store,
            noticed=engine.noticed,
            backlog=engine.backlog,
            waiting_max=settings.gateway.operations_waiting_max,
            backlog_max=settings.gateway.backlog_max,
        )
        desk = Desk(
            store=store,
            aggregator=aggregator,
            clients=policies.clients,
            terms=_terms(settings, found),
            head=registry.head,
            check_room=intake.check_room,
            noticed=engine.noticed,
            clock=clock,
            announce=topics,
        )
        stack.push_async_callback(desk.close)
        await _take_up(engine, clock, progress)
        async with asyncio.TaskGroup() as loops:
            loops.create_task(intake.run(), name="intake")
            loops.create_task(engine.watcher.run(), name="watcher")
            for index, lane in enumerate(engine.lanes):
                loops.create_task(lane.packer.run(), name=f"packer {index}")
            front.open(
                gateway_app(
                    _services(settings, store, engine, registry, aggregator, intake, desk, topics, found, clock)
                )
            )
            log.info("%d evaluations resumed", await desk.resume())


async def _reach_chain(
    settings: Settings,
    node: RpcNode,
    signers: list[LocalSigner],
    policies: Policies,
    endpoints: Mapping[Address, str],
    clock: Clock,
    progress: _Progress,
) -> TaskChain:
    """Waits for a node, then reads the contracts. Raises NeedsOperator with every problem."""
    while True:
        try:
            return await _read_chain(settings, node, signers, policies, endpoints)
        except NodeTrouble as trouble:
            progress.waiting_for = f"the chain does not answer: {trouble}"
            log.warning("%s; trying again in %g s", progress.waiting_for, CHAIN_PAUSE_S)
        await clock.sleep(CHAIN_PAUSE_S)


async def _read_chain(
    settings: Settings,
    node: RpcNode,
    signers: list[LocalSigner],
    policies: Policies,
    endpoints: Mapping[Address, str],
) -> TaskChain:
    chain_id = await node.chain_id()
    if chain_id != settings.chain.chain_id:
        raise NeedsOperator(
            f"the node is on chain {chain_id}, the settings say {settings.chain.chain_id}: correct "
            "chains.NAME.chain_id, or chains.NAME.http"
        )
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


async def _clients(
    settings: Settings, found: TaskChain, endpoints: Mapping[Address, str], stack: AsyncExitStack
) -> dict[Address, HttpOperator]:
    """For every endpoint, also of those that may be registered later."""
    return {
        address: await stack.enter_async_context(
            HttpOperator(
                url,
                chain=ChainId(settings.chain.chain_id),
                task_manager=found.contracts.task_manager,
                timeout_s=settings.operators.request_timeout_s,
            )
        )
        for address, url in endpoints.items()
    }


def _aggregator(
    settings: Settings,
    found: TaskChain,
    clients: Mapping[Address, HttpOperator],
    clock: Clock,
    stack: AsyncExitStack,
) -> Aggregator:
    aggregator = Aggregator(
        members_of(found.operators, clients),
        chain=ChainId(settings.chain.chain_id),
        task_manager=found.contracts.task_manager,
        clock=clock,
        slots_max=settings.operators.slots_max,
    )
    stack.callback(aggregator.close)
    return aggregator


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


async def _take_up(engine: EngineRoom, clock: Clock, progress: _Progress) -> None:
    while True:
        try:
            await engine.restart()
            return
        except NodeTrouble as trouble:
            progress.waiting_for = f"lanes cannot be taken up, the chain does not answer: {trouble}"
            log.warning("%s; trying again in %g s", progress.waiting_for, CHAIN_PAUSE_S)
        await clock.sleep(CHAIN_PAUSE_S)


def _services(
    settings: Settings,
    store: SqliteStore,
    engine: EngineRoom,
    registry: RegistryWatch,
    aggregator: Aggregator,
    intake: Intake,
    desk: Desk,
    topics: Topics,
    found: TaskChain,
    clock: Clock,
) -> Services:
    gateway = settings.gateway

    async def cancel(operation: OperationId) -> Sequence[Ending]:
        return await store.cancel(operation, now=clock.now())

    def readiness() -> list[str]:
        others = (registry.hindrance, aggregator.hindrance)
        return [*engine.hindrances(), *(reason for reason in others if reason is not None)]

    async def lanes() -> list[LaneReport]:
        configured = {lane.runner.address: lane for lane in engine.lanes}
        reports = []
        for account in await store.lanes():
            lane = configured.get(account.lane)
            if lane is None:
                reports.append(LaneReport(account=account))
                continue
            help_wanted = lane.runner.help_wanted or lane.packer.hindrance
            reports.append(LaneReport(account=account, help_wanted=help_wanted, balance_wei=lane.room.balance_wei))
        return reports

    return Services(
        desk=desk,
        intake=intake,
        acceptors={
            "tasks": TasksAcceptor(
                chain=ChainId(settings.chain.chain_id),
                windows=found.windows,
                respond_wait_s=settings.batch_submitter.respond_wait_timeout_ms / 1000,
                threshold_percent=settings.tasks.quorum_threshold_percent,
            )
        },
        cancel=cancel,
        reader=store,
        evaluations=store,
        topics=topics,
        readiness=readiness,
        lanes=lanes,
        clock=clock,
        chain=ChainId(settings.chain.chain_id),
        threshold_percent=settings.tasks.quorum_threshold_percent,
        recorded_kind="respond" if settings.recording == "separate" else "create_and_respond",
        limits=Limits(body_bytes_max=gateway.body_bytes_max, calls_max=gateway.requests_in_work_max),
    )


def _address(text: str) -> Address:
    return read_address(text, "address")

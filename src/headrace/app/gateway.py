"""The gateway as one process: composed here, started in order, stopped cleanly.

Owns      the composition root, and the life of everything in it.
Promises  the port answers from the first moment (/readyz says what is waited for); a loop that dies takes the
          gateway down loudly; a stop loses nothing, because nothing is only in memory.
"""

import asyncio
import logging
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from headrace.api.control import control_app
from headrace.api.gateway import gateway_app
from headrace.api.rest.services import JobServices
from headrace.api.server import GatewayServer
from headrace.api.services import Limits, Services
from headrace.api.starting import Front
from headrace.api.topics import Topics
from headrace.app.clock import SystemClock
from headrace.app.compute_part import open_compute
from headrace.app.control_socket import control_listener
from headrace.app.deploying import ESCROW, TASK_MANAGER
from headrace.app.engine_room import EngineRoom, build_engine
from headrace.app.error_abis import read_task_reverts
from headrace.app.held import Held
from headrace.app.keys import lane_signers
from headrace.app.lane_office import LaneOffice
from headrace.app.listening import bound_socket, say_listening
from headrace.app.long_lived import spare_what_stays
from headrace.app.settings import Settings
from headrace.app.settlement_part import SettlementPart, open_settlement
from headrace.app.tasks_part import TasksPart, open_tasks
from headrace.chain import deployments
from headrace.chain.deployments import Deployment
from headrace.chain.endpoints import Endpoints
from headrace.chain.heads import Heads
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.compute.engine import LocalEngine
from headrace.core.errors import NeedsOperator
from headrace.core.ports import Announce, Clock, News, NodeTrouble
from headrace.core.words import ChainId
from headrace.engine.intake import Intake
from headrace.jobs.service import SettlementService
from headrace.operators.desk import Desk
from headrace.operators.policies import Policies, load_policies
from headrace.store import SqliteStore, open_store
from headrace.workloads.tasks.errors import TaskReverts

log = logging.getLogger(__name__)

CHAIN_PAUSE_S = 2.0
GRACE_S = 5
HEADS_QUIET_S = 15.0


@dataclass(slots=True)
class _Progress:
    """What the start waits for, for /readyz."""

    waiting_for: str = "the store is being opened"


@dataclass(frozen=True, slots=True)
class _Found:
    """What is read once, before anything is started. `policies` None: this gateway has no tasks."""

    settings: Settings
    deployment: Deployment
    signers: list[LocalSigner]
    policies: Policies | None
    reverts: TaskReverts
    clock: Clock


async def run_gateway(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises BadSettings, BadPolicies, NeedsOperator where it must not start; an
    ExceptionGroup where a loop died."""
    clock = SystemClock()
    signers = lane_signers(settings)
    deployment = deployments.read(settings.chain.deployment)
    if not {TASK_MANAGER, ESCROW} & deployment.contracts.keys():
        raise NeedsOperator(
            f"{settings.chain.deployment} has neither {TASK_MANAGER} nor {ESCROW}: there is nothing to do. Run "
            "`headrace deploy`"
        )
    policies = load_policies(settings.tasks.policies) if TASK_MANAGER in deployment.contracts else None
    reverts = read_task_reverts(settings.tasks.error_abis)
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    progress = _Progress()
    front, control = Front(lambda: progress.waiting_for), Front(lambda: progress.waiting_for)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.store.path, clock=clock))
        listener = stack.enter_context(bound_socket(settings.gateway.host, settings.gateway.port))
        control_listening = stack.enter_context(control_listener(settings.control_socket))
        server, control_server = GatewayServer(front, grace_s=GRACE_S), GatewayServer(control, grace_s=GRACE_S)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
        controlling = asyncio.create_task(control_server.serve(sockets=[control_listening]), name="control")
        say_listening(settings.gateway.host, listener)
        found = _Found(settings, deployment, signers, policies, reverts, clock)
        work = _run(found, store, front, control, progress)
        working = asyncio.create_task(work, name="gateway")
        try:
            asked = asyncio.create_task(stopping.wait(), name="stop")
            await asyncio.wait({working, asked, serving, controlling}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
        finally:
            log.info("stopping")
            # The port first: calls under way end with all loops running, new ones are told to come back.
            front.close()
            control.close()
            server.stop()
            control_server.stop()
            await serving
            await controlling
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


async def _run(found: _Found, store: SqliteStore, front: Front, control: Front, progress: _Progress) -> None:
    settings, clock = found.settings, found.clock
    chain = settings.chain
    async with AsyncExitStack() as stack:
        node = RpcNode(Endpoints(chain.http, clock=clock, timeout_s=chain.request_timeout_s))
        stack.push_async_callback(node.close)
        tasks, settlement = await _reach_chain(found, stack, node, progress)
        topics = Topics()
        heads = Heads(
            node,
            clock=clock,
            poll_every_s=chain.poll_interval_s,
            quiet_s=HEADS_QUIET_S,
            websocket=chain.ws,
        )
        stack.push_async_callback(heads.close)
        listeners: list[Announce] = [topics]
        engine = build_engine(
            settings,
            store=store,
            node=node,
            heads=aiter(heads),
            signers=found.signers,
            workloads=[part.workload for part in (settlement, tasks) if part is not None],
            clock=clock,
            announce=lambda news: _tell_all(listeners, news),
            also=tasks.saw_head if tasks is not None else None,
        )
        intake = Intake(
            store=store,
            noticed=engine.noticed,
            backlog=engine.backlog,
            waiting_max=settings.gateway.operations_waiting_max,
            backlog_max=settings.gateway.backlog_max,
        )
        desk: Desk | None = None
        if tasks is not None:
            desk = tasks.open_desk(stack, store=store, engine=engine, intake=intake, clock=clock, announce=topics)
        payments: SettlementService | None = None
        jobs: JobServices | None = None
        compute: LocalEngine | None = None
        if settlement is not None:
            compute = await open_compute(settings, store, clock) if settings.compute.enabled else None
            payments, jobs = settlement.open(store=store, intake=intake, room=engine, clock=clock, engine=compute)
            listeners.append(payments.hear)
            await payments.take_up()
        await _take_up(engine, clock, progress)
        async with asyncio.TaskGroup() as loops:
            loops.create_task(intake.run(), name="intake")
            loops.create_task(engine.watcher.run(), name="watcher")
            for index, lane in enumerate(engine.lanes):
                loops.create_task(lane.packer.run(), name=f"packer {index}")
            if payments is not None:
                loops.create_task(payments.run(), name="settlement")
            if compute is not None:
                loops.create_task(compute.run(), name="compute")
            office = LaneOffice(engine=engine, reader=store, chain=ChainId(chain.chain_id))
            services = Services(
                desk=desk,
                jobs=jobs,
                intake=intake,
                acceptors={} if tasks is None else {tasks.workload.name: tasks.acceptor},
                cancel=lambda operation: store.cancel(operation, now=clock.now()),
                reader=store,
                evaluations=store,
                topics=topics,
                readiness=lambda: _hindrances(engine, tasks, payments),
                lanes=office.reports,
                clock=clock,
                chain=ChainId(chain.chain_id),
                threshold_percent=settings.tasks.quorum_threshold_percent,
                recorded_kind="create_and_respond" if tasks is None else tasks.recorded_kind,
                unknown_reverts=lambda: found.reverts.unknown,
                limits=_limits(settings),
            )
            spare_what_stays()
            app = gateway_app(services)
            front.open(app)
            by_hand = None if jobs is None else jobs.by_hand
            held = Held(engine=engine, intake=intake, topics=topics, rpc=app.state.rpc, desk=desk, tasks=tasks)
            control.open(control_app(office, services.limits, by_hand, held=held))
            if desk is not None:
                log.info("%d evaluations resumed", await desk.resume())


def _tell_all(listeners: Sequence[Announce], news: News) -> None:
    for listener in listeners:
        listener(news)


def _hindrances(engine: EngineRoom, tasks: TasksPart | None, payments: SettlementService | None) -> Sequence[str]:
    return [
        *engine.hindrances(),
        *(tasks.hindrances() if tasks is not None else ()),
        *(payments.hindrances() if payments is not None else ()),
    ]


def _limits(settings: Settings) -> Limits:
    gateway = settings.gateway
    return Limits(body_bytes_max=gateway.body_bytes_max, calls_max=gateway.requests_in_work_max)


async def _reach_chain(
    found: _Found, stack: AsyncExitStack, node: RpcNode, progress: _Progress
) -> tuple[TasksPart | None, SettlementPart | None]:
    """Waits for a node, then reads the contracts. Raises BadSettings, NeedsOperator with every problem."""
    while True:
        try:
            await _check_chain(found.settings, node)
            settlement = None
            if ESCROW in found.deployment.contracts:
                settlement = await open_settlement(
                    found.settings,
                    found.deployment,
                    node=node,
                    signers=found.signers,
                    read_revert=found.reverts.read,
                )
            tasks = None
            if found.policies is not None:
                tasks = await open_tasks(
                    found.settings,
                    stack,
                    node=node,
                    signers=found.signers,
                    policies=found.policies,
                    reverts=found.reverts,
                    clock=found.clock,
                )
            return tasks, settlement
        except NodeTrouble as trouble:
            progress.waiting_for = f"the chain does not answer: {trouble}"
            log.warning("%s; trying again in %g s", progress.waiting_for, CHAIN_PAUSE_S)
        await found.clock.sleep(CHAIN_PAUSE_S)


async def _check_chain(settings: Settings, node: RpcNode) -> None:
    chain_id = await node.chain_id()
    if chain_id != settings.chain.chain_id:
        raise NeedsOperator(
            f"the node is on chain {chain_id}, the settings say {settings.chain.chain_id}: correct "
            "chains.NAME.chain_id, or chains.NAME.http"
        )
    in_turn = await node.can_run_in_turn()
    log.info("a batch whose revert names nobody is searched %s", "by eth_simulateV1" if in_turn else "by halves")


async def _take_up(engine: EngineRoom, clock: Clock, progress: _Progress) -> None:
    while True:
        try:
            await engine.restart()
            return
        except NodeTrouble as trouble:
            progress.waiting_for = f"lanes cannot be taken up, the chain does not answer: {trouble}"
            log.warning("%s; trying again in %g s", progress.waiting_for, CHAIN_PAUSE_S)
        await clock.sleep(CHAIN_PAUSE_S)

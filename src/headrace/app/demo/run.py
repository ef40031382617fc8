"""Runs the demo: chain, contracts, operators, gateway, load, report.

Owns      the order of the acts, and the end of everything that was started.
Promises  every process is real and its own; all of them end when the demo ends, however it ends.
Leaves    the load and the report to `app.load_run`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from headrace.app.clock import SystemClock
from headrace.app.demo.access import NodeAccess, OpenAccess, through_strict_proxy
from headrace.app.demo.processes import Listening, start_listening, until_ready
from headrace.app.demo.scene import (
    LANE_KEY_ENV,
    OPERATOR_STAKE,
    PASSPHRASE_ENV,
    POISON,
    SMALL_TRANSFERS,
    TRANSFERS,
    DemoOperator,
    DemoPolicy,
    Scene,
    new_scene,
)
from headrace.app.demo.writing import Tuning, write_settings
from headrace.app.deploying import (
    BATCH,
    REGISTRY,
    TASK_MANAGER,
    NewOperator,
    Plan,
    deploy_policy_clients,
    deploy_tasks,
)
from headrace.app.load.profile import Profile
from headrace.app.load.task_source import ETHER_WEI, Kind, PolicyClient
from headrace.app.load_run import Target, Then, run_load
from headrace.app.report import Deployment, Limits
from headrace.app.report_shape import Report
from headrace.chain.artifacts import load
from headrace.chain.deploying import Deployer
from headrace.chain.endpoints import Endpoints
from headrace.chain.hexes import address_text
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.core.operation import Stage as OperationStage
from headrace.core.words import Address, ChainId
from headrace.store import StoreReader, open_reader
from headrace.testing.anvil import Anvil, start_anvil

CHAIN_ID: Final = ChainId(31337)
OPERATORS: Final = 4
REFUSED_PERCENT: Final = 3
CONFIRMATIONS: Final = 3
LOOK_EVERY_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    profile: Profile
    block_time_s: int
    gas_limit: int
    recording: Literal["combined", "separate"]
    submitter: Literal["batched", "sequential"]
    poison_percent: float
    limits: Limits
    serve: bool
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How many blocks after its reference block a task may be created, and after its creation answered."""

    creation_blocks: int
    response_blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that runs in a demo, ready for load."""

    scene: Scene
    chain: Anvil
    access: NodeAccess
    operators: tuple[Listening, ...]
    gateway: Listening
    registry: Address
    task_manager: Address
    batch: Address
    clients: tuple[PolicyClient, ...]

    def target(self, *, batched: bool) -> Target:
        return Target(
            gateway_url=self.gateway.url,
            chain_url=self.chain.http_url,
            chain_ws_url=self.chain.ws_url,
            chain_id=CHAIN_ID,
            contracts=(self.task_manager, self.batch) if batched else (self.task_manager,),
            pids={
                "gateway": [self.gateway.pid],
                "chain": [self.chain.pid],
                "proxy": list(self.access.pids),
                "operators": [o.pid for o in self.operators],
            },
        )


async def offer(stage: Stage, options: DemoOptions, *, then: Then | None = None) -> Report:
    return await run_load(
        "demo",
        stage.target(batched=options.submitter == "batched"),
        options.profile,
        stage.clients,
        deployment=deployment_of(options),
        limits=options.limits,
        seed=options.seed,
        journal_file=stage.scene.folder / "journal.jsonl",
        then=then,
    )


def deployment_of(options: DemoOptions) -> Deployment:
    """As a report tells it."""
    return Deployment(
        block_time_s=options.block_time_s,
        gas_limit=options.gas_limit,
        fork="osaka",
        recording=options.recording,
        submitter=options.submitter,
        replicas=1,
        lanes=1,
        store="sqlite",
    )


@asynccontextmanager
async def open_stage(
    options: DemoOptions,
    *,
    base: Path,
    say: Callable[[str], None],
    open_access: OpenAccess = through_strict_proxy,
    tuning: Tuning | None = None,
    windows: Windows | None = None,
) -> AsyncIterator[Stage]:
    """`tuning` overrides or adds settings; `windows` are the task manager's (default: its own).

    Raises AnvilMissing, DidNotStart, NeedsOperator."""
    scene = new_scene(base)
    async with AsyncExitStack() as stack:
        say(f"a chain (anvil, osaka, a block every {options.block_time_s} s, {options.gas_limit} gas)")
        chain = await stack.enter_async_context(
            # Blocks at once while contracts are deployed, in their own time afterwards.
            start_anvil(block_time_s=0, gas_limit=options.gas_limit, chain_id=CHAIN_ID, accounts=2)
        )
        access = await stack.enter_async_context(open_access(chain))
        operators = await asyncio.to_thread(scene.make_operators, OPERATORS)
        registry, manager, batch, clients = await _deploy(chain, scene, operators, options, windows, say)
        await chain.resume(options.block_time_s)
        say(f"{OPERATORS} operators, each a process with its own key")
        listening = await asyncio.gather(
            *(
                stack.enter_async_context(_operator(i, operator, scene, manager))
                for i, operator in enumerate(operators)
            )
        )
        endpoints = {o.address: running.url for o, running in zip(operators, listening, strict=True)}
        write_settings(
            scene.settings,
            chain_id=CHAIN_ID,
            access=access,
            confirmations=CONFIRMATIONS,
            recording=options.recording,
            batched=options.submitter == "batched",
            operators=endpoints,
            tuning=tuning or {},
        )
        say("the gateway")
        gateway = await stack.enter_async_context(start_gateway(scene, chain))
        await until_ready(gateway)
        yield Stage(
            scene=scene,
            chain=chain,
            access=access,
            operators=tuple(listening),
            gateway=gateway,
            registry=registry,
            task_manager=manager,
            batch=batch,
            clients=clients,
        )


async def until_final(scene: Scene, *, within_s: float) -> None:
    """Waits until the gateway has written every outcome: it follows the chain by the confirmations. Gives up
    quietly after `within_s`."""
    async with open_reader(scene.store) as reader:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while await _under_way(reader):  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(LOOK_EVERY_S)


async def _under_way(reader: StoreReader) -> int:
    counts = await reader.counts()
    return sum(counts[stage.value] for stage in OperationStage if stage is not OperationStage.DONE)


def start_gateway(scene: Scene, chain: Anvil) -> AbstractAsyncContextManager[Listening]:
    return start_listening(
        "gateway",
        ["serve", "--config", str(scene.settings)],
        log=scene.log("gateway"),
        env={LANE_KEY_ENV: chain.keys[1].secret.hex()},
    )


def _operator(
    index: int, operator: DemoOperator, scene: Scene, manager: Address
) -> AbstractAsyncContextManager[Listening]:
    arguments = [
        *("operator", "--address", address_text(operator.address), "--keystore", str(operator.keystore)),
        *("--passphrase-env", PASSPHRASE_ENV, "--chain-id", str(CHAIN_ID)),
        *("--task-manager", address_text(manager), "--policies", str(scene.policies), "--port", "0"),
    ]
    return start_listening(
        f"operator {index}",
        arguments,
        log=scene.log(f"operator-{index}"),
        env={PASSPHRASE_ENV: scene.passphrase},
    )


async def _deploy(
    chain: Anvil,
    scene: Scene,
    operators: list[DemoOperator],
    options: DemoOptions,
    windows: Windows | None,
    say: Callable[[str], None],
) -> tuple[Address, Address, Address, tuple[PolicyClient, ...]]:
    clock = SystemClock()
    endpoints = Endpoints([chain.http_url], clock=clock)
    node = RpcNode(endpoints)
    owner, lane = chain.keys
    try:
        deployer = Deployer(node, LocalSigner(owner.secret), chain=CHAIN_ID, clock=clock, poll_every_s=0.02)
        deployment = await deploy_tasks(
            Plan(
                owner=owner.address,
                lanes=[lane.address],
                operators=[NewOperator(address=o.address, key=o.key, stake=OPERATOR_STAKE) for o in operators],
                direct=options.submitter == "sequential",
            ),
            deployer=deployer,
            node=node,
            chain=CHAIN_ID,
            env="demo",
            file=scene.deployment(CHAIN_ID),
            say=say,
        )
        if windows is not None:
            await _set_windows(windows, deployment.contract(TASK_MANAGER).address, deployer)
        real = (TRANSFERS, SMALL_TRANSFERS)
        clients = await deploy_policy_clients({p.name: p.policy_id for p in real}, deployer=deployer, say=say)
    finally:
        await node.close()
    registry, manager, batch = (deployment.contract(name).address for name in (REGISTRY, TASK_MANAGER, BATCH))
    policies: dict[DemoPolicy, Address] = {p: clients[p.name] for p in real}
    if options.poison_percent:
        policies[POISON] = registry  # a contract, but no policy client: createNewTask refuses it
    scene.write_policies(policies)
    return registry, manager, batch, _load_clients(policies, options.poison_percent)


async def _set_windows(windows: Windows, manager: Address, deployer: Deployer) -> None:
    abi = load(TASK_MANAGER).abi
    for function, blocks in (
        ("setTaskCreationBufferWindow", windows.creation_blocks),
        ("setTaskResponseWindowBlock", windows.response_blocks),
    ):
        data = abi.function(function).encode(blocks)
        await deployer.transact(manager, data, f"TaskManager.{function}({blocks})", abi=abi)


def _load_clients(policies: dict[DemoPolicy, Address], poison_percent: float) -> tuple[PolicyClient, ...]:
    refused = PolicyClient(
        address=policies[SMALL_TRANSFERS],
        kind=Kind.REFUSED,
        weight=REFUSED_PERCENT,
        value_wei=(2 * ETHER_WEI, 5 * ETHER_WEI),
    )
    good = PolicyClient(address=policies[TRANSFERS], weight=100 - REFUSED_PERCENT - poison_percent)
    if not poison_percent:
        return (good, refused)
    poison = PolicyClient(address=policies[POISON], kind=Kind.POISON, weight=poison_percent)
    return (good, refused, poison)

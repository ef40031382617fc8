"""What a load against a running gateway is aimed at, from what a person named and from the settings for the rest.

Leaves    finding and reading the settings to the command.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from headrace.app.clock import SystemClock
from headrace.app.deploying import BATCH, TASK_MANAGER
from headrace.app.load.task_source import PolicyClient
from headrace.app.load_run import Target
from headrace.app.report import Deployment
from headrace.app.settings import Settings
from headrace.chain import deployments
from headrace.chain.endpoints import Endpoints
from headrace.chain.node import RpcNode
from headrace.core.words import Address
from headrace.operators.policies import load_policies


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a person named. What is left out comes from the settings."""

    gateway_url: str
    chain_url: str | None = None
    task_manager: Address | None = None
    clients: Collection[Address] = ()

    @property
    def is_all(self) -> bool:
        return self.chain_url is not None and self.task_manager is not None and bool(self.clients)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """`deployment` has what the settings and the chain's newest block tell; the rest is unknown."""

    target: Target
    clients: tuple[PolicyClient, ...]
    deployment: Deployment


async def take_aim(named: Named, settings: Settings | None) -> Aim:
    """`settings` may be missing where everything is named. Asks the chain for its id and its gas limit.

    Raises NodeTrouble, NeedsOperator."""
    chain_url, manager, clients = named.chain_url, named.task_manager, named.clients
    contracts = [] if manager is None else [manager]
    if settings is None:
        assert named.is_all, "settings are needed for what was not named"
    else:
        chain_url = chain_url or settings.chain.http[0]
        if manager is None:
            deployed = deployments.read(settings.chain.deployment).contracts
            contracts = [deployed[name].address for name in (TASK_MANAGER, BATCH) if name in deployed]
        clients = clients or sorted(load_policies(settings.tasks.policies).clients)
    assert chain_url is not None
    node = RpcNode(Endpoints([chain_url], clock=SystemClock()))
    try:
        chain_id = await node.chain_id()
        gas_limit = (await node.head()).gas_limit
    finally:
        await node.close()
    target = Target(
        gateway_url=named.gateway_url,
        chain_url=chain_url,
        chain_ws_url=None,
        chain_id=chain_id,
        contracts=contracts,
        pids={},
    )
    known = Deployment() if settings is None else _of(settings)
    return Aim(
        target=target,
        clients=tuple(PolicyClient(address=client) for client in clients),
        deployment=replace(known, gas_limit=gas_limit),
    )


def _of(settings: Settings) -> Deployment:
    """As the settings have it: whoever gives them says that they are this gateway's."""
    return Deployment(
        fork=settings.chain.fork,
        recording=settings.tasks.recording,
        submitter="batched" if settings.batch_submitter.enabled else "sequential",
        lanes=len(settings.lanes),
        store="sqlite",
    )

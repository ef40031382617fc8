"""The contracts of a settlement demo: a token with six decimals, the fee's router, and both escrows.

Leaves    which of the escrows a gateway settles on to whoever writes its settings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from headrace.app.clock import SystemClock
from headrace.chain.artifacts import load
from headrace.chain.deploying import Deployer
from headrace.chain.deployments import Deployed
from headrace.chain.endpoints import Endpoints
from headrace.chain.hexes import address_text
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.core.words import Address
from headrace.testing.anvil import Anvil
from headrace.testing.keys import TestKey

DECIMALS: Final = 6
UNIT: Final = 10**DECIMALS
FEE_PER_1E18: Final = 10**15  # 0.1 %, what the deployed escrows take of approved tokens
ESCROW: Final = "Escrow"
LINEAR: Final = "LinearEscrow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """`linear` imitates the escrow that is deployed out there; figures of both are compared."""

    token: Deployed
    router: Deployed
    escrow: Deployed
    linear: Deployed
    collector: Address


async def deploy_contracts(
    chain: Anvil, owner: TestKey, *, collector: Address, say: Callable[[str], None]
) -> Contracts:
    """On a chain that mines at once. Raises as `Deployer.deploy`."""
    clock = SystemClock()
    node = RpcNode(Endpoints([chain.http_url], clock=clock))
    try:
        deployer = Deployer(node, LocalSigner(owner.secret), chain=chain.chain, clock=clock, poll_every_s=0.02)
        token = await deployer.deploy(load("TestToken"), "Demo dollar", "DUSD", DECIMALS)
        router = await deployer.deploy(load("TestFeeRouter"), FEE_PER_1E18, address_text(collector))
        arguments = (address_text(router.address), address_text(collector))
        escrow = await deployer.deploy(load(ESCROW), *arguments)
        linear = await deployer.deploy(load(LINEAR), *arguments)
    finally:
        await node.close()
    say(f"token {address_text(token.address)}, escrow {address_text(escrow.address)}")
    return Contracts(token=token, router=router, escrow=escrow, linear=linear, collector=collector)

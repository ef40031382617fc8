"""The operators of the registry change while the gateway runs."""

from headrace.app.clock import SystemClock
from headrace.app.demo.run import CHAIN_ID, offer
from headrace.app.demo.scene import OPERATOR_STAKE
from headrace.app.deploying import REGISTRY
from headrace.app.load.profile import OpenLoop
from headrace.app.load_run import share_on_time
from headrace.attest import bls
from headrace.attest.possession import prove_possession
from headrace.chain.artifacts import load
from headrace.chain.deploying import Deployer
from headrace.chain.endpoints import Endpoints
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.testing.keys import keys_from_seed


async def register_another(stage) -> None:
    """A fifth operator, with stake, that nobody can ask."""
    clock, key, (account,) = SystemClock(), bls.SecretKey.generate(), keys_from_seed(5, 1)
    node = RpcNode(Endpoints([stage.chain.http_url], clock=clock))
    try:
        deployer = Deployer(node, LocalSigner(stage.chain.keys[0].secret), chain=CHAIN_ID, clock=clock)
        proof = prove_possession(key, chain=CHAIN_ID, registry=stage.registry, operator=account.address)
        abi = load(REGISTRY).abi
        data = abi.function("registerOperator").encode(
            account.address, key.public_key.to_bytes(), OPERATOR_STAKE // 2, proof
        )
        await deployer.transact(stage.registry, data, "register another operator", abi=abi)
    finally:
        await node.close()


async def test_an_operator_that_is_registered_while_we_run_counts_from_its_block_on(play):
    play = play.but(profile=OpenLoop(rate_per_s=10, seconds=3))
    async with play.stage() as stage:
        before = await offer(stage, play.demo)
        await register_another(stage)
        after = await offer(stage, play.but(seed=2).demo)

    assert share_on_time(before) == share_on_time(after) == 1.0
    assert before["outcomes"]["failed"] == after["outcomes"]["failed"] == 0

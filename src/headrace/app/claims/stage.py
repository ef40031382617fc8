"""A chain with one escrow, a payer for each job, and a gateway that settles there. No compute engine.

Promises  the chain is behind the clock by `lag_s` until it is told to catch up, as in the settlement demo.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headrace.app.demo.access import NodeAccess, OpenAccess, through_strict_proxy
from headrace.app.demo.processes import Listening, until_ready
from headrace.app.demo.run import CHAIN_ID, start_gateway
from headrace.app.demo.scene import Scene, new_scene
from headrace.app.demo.settlement.contracts import ESCROW, LINEAR, UNIT, Contracts, deploy_contracts
from headrace.app.demo.settlement.one_by_one import Experiment, Measured, measure
from headrace.app.demo.settlement.payers import Account, endow, make_payers
from headrace.app.demo.settlement.sending import Senders
from headrace.app.demo.settlement.writing import Times, write_settlement_settings
from headrace.app.demo.writing import Tuning
from headrace.chain import deployments
from headrace.chain.deployments import Deployed, Deployment
from headrace.core.words import Address
from headrace.testing.anvil import Anvil, start_anvil
from headrace.testing.keys import TestKey

DEPOSIT: Final = 100 * UNIT
SINGLES: Final = 20
PER_BATCH: Final = 250
_COLLECTOR: Final = Address(bytes.fromhex("c0" * 20))


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOptions:
    """`linear`: on the escrow that imitates the deployed ones. `lag_s`: how far the chain is behind at first.
    `singles`: so many claims of another provider, to compare; 0: nothing is compared. `tuning` as in
    `demo.writing`."""

    payers: int
    linear: bool = False
    block_time_s: int = 1
    gas_limit: int = 60_000_000
    confirmations: int = 3
    lag_s: int = 0
    times: Times = field(default_factory=Times)
    singles: int = SINGLES
    tuning: Tuning = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimStage:
    """`measured`: another provider's claims on the same escrow, one by one and in batches."""

    scene: Scene
    chain: Anvil
    access: NodeAccess
    gateway: Listening
    contracts: Contracts
    escrow: Deployed
    payers: tuple[TestKey, ...]
    measured: Measured | None
    lag_s: int
    confirmations: int
    operators: tuple[Listening, ...] = ()

    @property
    def payee(self) -> Address:
        return self.chain.keys[1].address

    async def catch_up(self) -> None:
        if self.lag_s:
            await self.chain.skip(self.lag_s)


@asynccontextmanager
async def open_claim_stage(
    options: StageOptions,
    *,
    base: Path,
    say: Callable[[str], None],
    now: float,
    open_access: OpenAccess = through_strict_proxy,
) -> AsyncIterator[ClaimStage]:
    """`now` in unix seconds. Raises AnvilMissing, AnvilFailed, DidNotStart, NeedsOperator, DidNotSucceed."""
    scene = new_scene(base)
    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(
            start_anvil(
                block_time_s=0,
                gas_limit=options.gas_limit,
                chain_id=CHAIN_ID,
                accounts=3,
                begins_at=int(now) - options.lag_s,
            )
        )
        access = await stack.enter_async_context(open_access(chain))
        contracts = await deploy_contracts(chain, chain.keys[0], collector=_COLLECTOR, say=lambda text: None)
        escrow = contracts.linear if options.linear else contracts.escrow
        payers = make_payers(options.payers, seed=secrets.randbits(64))
        await chain.pause()
        say(f"{options.payers} payers deposit and authorise in {LINEAR if options.linear else ESCROW}")
        measured = await _prepare(chain, contracts, escrow, payers, options)
        await chain.resume(options.block_time_s)
        deployments.write(
            scene.deployment(CHAIN_ID), Deployment(chain=CHAIN_ID, env="demo", contracts={ESCROW: escrow})
        )
        write_settlement_settings(
            scene.settings,
            chain_id=CHAIN_ID,
            access=access,
            confirmations=options.confirmations,
            token=contracts.token.address,
            times=options.times,
            jobs_at_once=None,
            tuning=options.tuning,
        )
        gateway = await stack.enter_async_context(start_gateway(scene, chain))
        await until_ready(gateway)
        yield ClaimStage(
            scene=scene,
            chain=chain,
            access=access,
            gateway=gateway,
            contracts=contracts,
            escrow=escrow,
            payers=payers,
            measured=measured,
            lag_s=options.lag_s,
            confirmations=options.confirmations,
        )


async def _prepare(
    chain: Anvil, contracts: Contracts, escrow: Deployed, payers: tuple[TestKey, ...], options: StageOptions
) -> Measured | None:
    payee, other = chain.keys[1].address, chain.keys[2]
    payees = (payee, other.address) if options.singles else (payee,)
    senders = Senders(chain)
    accounts = [Account(payer=p, escrow=escrow.address, payees=payees, amount=DEPOSIT) for p in payers]
    await endow(chain, senders, contracts, chain.keys[0], accounts)
    if not options.singles:
        return None
    experiment = Experiment(
        provider=other,
        escrow=escrow.address,
        token=contracts.token.address,
        amount=UNIT,
        singles=options.singles,
        per_batch=PER_BATCH,
    )
    return await measure(senders, experiment, accounts, len(payers))

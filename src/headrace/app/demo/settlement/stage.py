"""Everything that runs in a settlement demo: chain, contracts, payers with their deposits, the gateway.

Owns      the processes, and the end of all of them.
Promises  the chain is behind the clock by `lag_s` while locks of late jobs are made; `catch_up` ends that. So a
          lock can be old without waiting for it, and chain and gateway agree on the time whenever it matters.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.app.demo.access import NodeAccess, OpenAccess, through_strict_proxy
from headrace.app.demo.processes import Listening, until_ready
from headrace.app.demo.run import CHAIN_ID, start_gateway
from headrace.app.demo.scene import Scene, new_scene
from headrace.app.demo.settlement.cast import LATE_DURATION_S
from headrace.app.demo.settlement.contracts import ESCROW, UNIT, Contracts, deploy_contracts
from headrace.app.demo.settlement.one_by_one import Experiment, Measured, measure
from headrace.app.demo.settlement.payers import Account, endow, make_payers
from headrace.app.demo.settlement.sending import Senders
from headrace.app.demo.settlement.writing import Times, write_settlement_settings
from headrace.chain import deployments
from headrace.chain.deployments import Deployment
from headrace.core.words import Address
from headrace.testing.anvil import Anvil, start_anvil
from headrace.testing.keys import TestKey

CONFIRMATIONS: Final = 3
PAYER_DEPOSIT: Final = 1_000 * UNIT
TRICKSTER_DEPOSIT: Final = 100 * UNIT
SINGLES: Final = 20
PER_BATCH: Final = 100
# How long a late job's lock lives, by the clock, once it is made: enough to report that it runs.
LATE_LOCK_S: Final = 15
_COLLECTOR: Final = Address(bytes.fromhex("c0" * 20))


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """`paid` and `free` jobs, of so many payers."""

    paid: int = 200
    free: int = 20
    payers: int = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementOptions:
    size: Size
    block_time_s: int
    gas_limit: int
    serve: bool
    seed: int
    jobs_at_once: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementStage:
    """`measured`: what another provider paid for the same on this chain, by contract."""

    scene: Scene
    chain: Anvil
    access: NodeAccess
    gateway: Listening
    contracts: Contracts
    payers: tuple[TestKey, ...]
    trickster: TestKey
    measured: dict[str, Measured]
    senders: Senders
    times: Times
    lag_s: int
    operators: tuple[Listening, ...] = ()

    @property
    def payee(self) -> TestKey:
        """The gateway's lane."""
        return self.chain.keys[1]

    @property
    def stranger(self) -> TestKey:
        return self.chain.keys[3]

    async def catch_up(self) -> None:
        await self.chain.skip(self.lag_s)

    async def now_on_chain(self) -> int:
        """The newest block's time."""
        block = await self.chain.rpc.ask("eth_getBlockByNumber", "latest", False)
        return int(block["timestamp"], 16)


@asynccontextmanager
async def open_settlement_stage(
    options: SettlementOptions,
    *,
    base: Path,
    say: Callable[[str], None],
    now: float,
    open_access: OpenAccess = through_strict_proxy,
) -> AsyncIterator[SettlementStage]:
    """`now` in unix seconds. Raises AnvilMissing, AnvilFailed, DidNotStart, NeedsOperator, DidNotSucceed."""
    scene, times, size = new_scene(base), Times(), options.size
    lag_s = times.claim_duration_timeout_s + LATE_DURATION_S - LATE_LOCK_S
    async with AsyncExitStack() as stack:
        say(f"a chain (anvil, osaka, a block every {options.block_time_s} s, {options.gas_limit} gas)")
        chain = await stack.enter_async_context(
            start_anvil(
                block_time_s=0,
                gas_limit=options.gas_limit,
                chain_id=CHAIN_ID,
                accounts=4,
                begins_at=int(now) - lag_s,
            )
        )
        access = await stack.enter_async_context(open_access(chain))
        contracts = await deploy_contracts(chain, chain.keys[0], collector=_COLLECTOR, say=lambda text: None)
        # Keys of this run only.
        *payers, trickster = make_payers(size.payers + 1, seed=secrets.randbits(64))
        senders = Senders(chain)
        await chain.pause()
        say(f"{size.payers + 1} payers deposit and authorise; claims one by one, to compare")
        measured = await _prepare(chain, contracts, payers, trickster, senders, size)
        await chain.resume(options.block_time_s)
        deployments.write(
            scene.deployment(CHAIN_ID),
            Deployment(chain=CHAIN_ID, env="demo", contracts={ESCROW: contracts.escrow}),
        )
        write_settlement_settings(
            scene.settings,
            chain_id=CHAIN_ID,
            access=access,
            confirmations=CONFIRMATIONS,
            token=contracts.token.address,
            times=times,
            jobs_at_once=options.jobs_at_once,
        )
        say("the gateway, with a compute engine")
        gateway = await stack.enter_async_context(start_gateway(scene, chain))
        await until_ready(gateway)
        yield SettlementStage(
            scene=scene,
            chain=chain,
            access=access,
            gateway=gateway,
            contracts=contracts,
            payers=tuple(payers),
            trickster=trickster,
            measured=measured,
            senders=senders,
            times=times,
            lag_s=lag_s,
        )


async def _prepare(
    chain: Anvil,
    contracts: Contracts,
    payers: list[TestKey],
    trickster: TestKey,
    senders: Senders,
    size: Size,
) -> dict[str, Measured]:
    payee, other = chain.keys[1].address, chain.keys[2]
    both = (payee, other.address)
    escrow, linear = contracts.escrow.address, contracts.linear.address
    accounts = [Account(payer=p, escrow=escrow, payees=both, amount=PAYER_DEPOSIT) for p in payers]
    beside = [Account(payer=p, escrow=linear, payees=both, amount=PAYER_DEPOSIT) for p in payers]
    alone = Account(payer=trickster, escrow=escrow, payees=(payee,), amount=TRICKSTER_DEPOSIT)
    await endow(chain, senders, contracts, chain.keys[0], [*accounts, *beside, alone])
    locks = max(size.paid, 4)  # two ways to claim one alone, and a batch: not in fewer
    return {
        name: await measure(
            senders,
            Experiment(
                provider=other,
                escrow=at,
                token=contracts.token.address,
                amount=UNIT,
                singles=min(SINGLES, locks // 4),
                per_batch=PER_BATCH,
            ),
            of,
            locks,
        )
        for name, at, of in ((ESCROW, escrow, accounts), ("LinearEscrow", linear, beside))
    }

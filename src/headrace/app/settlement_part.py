"""What payments of compute jobs add to a gateway: the escrow, the settlement service, the doors' view of jobs.

Owns      the wiring of everything that only settlement needs.
Promises  nothing starts on an escrow that is not one, or that is not the one of the deployment file.
Leaves    landing the operations to the engine, the doors to `app.gateway`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headrace.api.rest.services import JobServices
from headrace.app.deploying import ESCROW
from headrace.app.engine_room import EngineRoom
from headrace.app.job_office import JobOffice
from headrace.app.measuring import Measuring
from headrace.app.settings import Settings
from headrace.chain import deployments
from headrace.chain.abi_codec import Undecodable
from headrace.chain.deployments import Deployment
from headrace.chain.hexes import address_text
from headrace.chain.node import RpcNode
from headrace.chain.signing import LocalSigner
from headrace.core.errors import NeedsOperator
from headrace.core.ports import Clock, Returned
from headrace.core.ports.compute import ComputeEngine
from headrace.core.terms import JobId
from headrace.core.words import Address, ChainId, Revert
from headrace.engine.intake import Intake
from headrace.jobs.admitting import Admitting
from headrace.jobs.claim_run import ClaimRunner
from headrace.jobs.claim_timer import ClaimTimer
from headrace.jobs.decimals import TokenDecimals
from headrace.jobs.escrow_reader import EscrowReader
from headrace.jobs.following import Following
from headrace.jobs.life import JobLife
from headrace.jobs.lock_checks import OnTheirWay
from headrace.jobs.lock_ends import LockEnds
from headrace.jobs.lock_keeping import LockKeeping
from headrace.jobs.offers import Offers
from headrace.jobs.proving import Proving
from headrace.jobs.schedule import ClaimPolicy
from headrace.jobs.service import SettlementService
from headrace.jobs.withdrawing import Withdrawing
from headrace.store import SqliteStore
from headrace.workloads.escrow import calldata
from headrace.workloads.escrow.lock_state import live_locks
from headrace.workloads.escrow.workload import Escrow, EscrowContract


@dataclass(frozen=True, slots=True)
class SettlementPart:
    """Ready for an engine; `open` follows once there is one."""

    workload: Escrow
    escrow: Address
    _settings: Settings
    _node: RpcNode
    _lanes: tuple[Address, ...]

    def open(
        self,
        *,
        store: SqliteStore,
        intake: Intake,
        room: EngineRoom,
        clock: Clock,
        engine: ComputeEngine | None = None,
    ) -> tuple[SettlementService, JobServices]:
        """The service is to be run, and to hear the news; the second is for the doors. `engine`: of ours, if there
        is one."""
        settings, chain = self._settings.settlement, ChainId(self._settings.chain.chain_id)
        engines = [engine] if engine is not None else []
        policy = claim_policy(self._settings)
        life = JobLife(store, claim_duration_timeout_s=settings.claim_duration_timeout_s)
        reader = EscrowReader(
            self._node, escrow=self.escrow, chain=chain, confirmations=self._settings.chain.confirmations
        )
        offers = Offers(
            [environment.environment() for environment in settings.environments], chain=chain, payee=self._lanes[0]
        )
        on_their_way = OnTheirWay()
        admitting = Admitting(
            life=life,
            store=store,
            offers=offers,
            reader=reader,
            decimals=TokenDecimals(self._node, chain=chain),
            on_their_way=on_their_way,
            admit=intake.admit,
            engines=engines,
            clock=clock,
            lock_patience_s=settings.lock_patience_s,
            claim_duration_timeout_s=settings.claim_duration_timeout_s,
        )
        proving = Proving(
            store=store,
            reader=reader,
            ends=LockEnds(reader),
            withdrawing=Withdrawing(
                intake.admit,
                escrow=self.escrow,
                chain=chain,
                lanes=self._lanes if settings.withdraw_claims else (),
            ),
            clock=clock,
        )
        locks = LockKeeping(
            store=store,
            reader=reader,
            on_their_way=on_their_way,
            clock=clock,
            confirmations=settings.lock_confirmations,
            tell=lambda job: _tell(engines, job),
        )
        following = Following(
            store=store,
            accounts=store,
            locks=locks,
            proving=proving,
            ask_for_lock=admitting.ask_for_lock,
            clock=clock,
        )
        runner = ClaimRunner(
            store=store,
            reader=reader,
            proving=proving,
            policy=policy,
            lanes=self._lanes,
            noticed=room.noticed,
            clock=clock,
            sweep=settings.sweep_unknown_locks,
            measure=Measuring(self._node, self.workload, room.gas_book),
        )
        timer = ClaimTimer(store=store, jobs=store, runner=runner, policy=policy, clock=clock)
        service = SettlementService(
            life=life,
            admitting=admitting,
            offers=offers,
            following=following,
            timer=timer,
            runs=store,
            accounts=store,
            reader=reader,
        )
        doors = JobServices(
            book=life,
            settlement=service,
            by_hand=JobOffice(life, clock),
            engine=engine,
            policy=policy,
            next_run=lambda: timer.next_run,
        )
        return service, doors


def claim_policy(settings: Settings) -> ClaimPolicy:
    settlement = settings.settlement
    return ClaimPolicy(
        interval_s=settlement.payment_claim_interval_s,
        initial_delay_s=settlement.payment_claim_initial_delay_s,
        margin_s=settlement.claim_margin_s,
    )


async def open_settlement(
    settings: Settings,
    deployment: Deployment,
    *,
    node: RpcNode,
    signers: Sequence[LocalSigner],
    read_revert: Callable[[bytes], Revert],
) -> SettlementPart:
    """Raises NodeTrouble where the chain does not answer, NeedsOperator where the escrow is not what it should
    be."""
    contract = deployment.contract(ESCROW)
    await deployments.check(
        Deployment(chain=deployment.chain, env=deployment.env, contracts={ESCROW: contract}), node
    )
    lanes = tuple(signer.address for signer in signers)
    answer = await node.call(to=contract.address, data=calldata.get_locks_of(lanes[0]))
    try:
        if not isinstance(answer, Returned):
            raise Undecodable("getLocks reverted")
        live_locks(answer.data, payee=lanes[0])
    except Undecodable as error:
        raise NeedsOperator(
            f"{settings.chain.deployment}: {ESCROW} {address_text(contract.address)} does not answer as an escrow "
            f"does: {error}"
        ) from None
    return SettlementPart(
        workload=Escrow(EscrowContract(address=contract.address), read_revert=read_revert),
        escrow=contract.address,
        _settings=settings,
        _node=node,
        _lanes=lanes,
    )


def _tell(engines: Sequence[ComputeEngine], job: JobId) -> None:
    for engine in engines:
        engine.tell(job)

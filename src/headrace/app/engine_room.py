"""Puts the engine together: for each lane its runner, its packer and what they share.

Owns      the wiring of the engine, which can be read here from top to bottom.
Leaves    starting and stopping to `app.gateway`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.app.settings import Settings
from headrace.chain.limits import FORKS
from headrace.core import transaction as transactions
from headrace.core.flush import BlockTimes, FlushPolicy
from headrace.core.gas import GasBook
from headrace.core.ports import (
    Announce,
    Clock,
    LaneStore,
    Node,
    OperationStore,
    Signer,
    TransactionStore,
    Workload,
)
from headrace.core.retries import RetryPolicy
from headrace.core.words import Block, ChainId
from headrace.engine.by_hand import ByHand
from headrace.engine.judging import Judge
from headrace.engine.lane_runner import LaneRunner
from headrace.engine.outcomes import Outcomes
from headrace.engine.packer import Packer
from headrace.engine.restart import restart_lane, take_over
from headrace.engine.room import ChainLimits, Room
from headrace.engine.simulator import Simulator
from headrace.engine.watcher import Watcher

GWEI = 10**9
# A transaction as it travels is larger than its calldata: signature, fees, addresses, RLP.
SIGNED_ENVELOPE_BYTES = 512


class EngineStore(OperationStore, TransactionStore, LaneStore, Protocol):
    """What the engine needs of the store."""


@dataclass(frozen=True, slots=True)
class Lane:
    runner: LaneRunner
    packer: Packer
    room: Room
    by_hand: ByHand


@dataclass(frozen=True, slots=True)
class EngineRoom:
    """All parts of the engine of one chain."""

    lanes: tuple[Lane, ...]
    watcher: Watcher
    blocks: BlockTimes
    node: Node
    store: EngineStore
    clock: Clock
    workloads: tuple[Workload, ...]
    judge: Judge
    gas_book: GasBook

    def head(self) -> Block | None:
        return self.lanes[0].runner.head

    def noticed(self, count: int) -> None:
        """So many operations more are ready for any lane."""
        for lane in self.lanes:
            lane.packer.noticed(count)

    def backlog(self) -> int:
        return max(lane.packer.backlog() for lane in self.lanes)

    def held(self) -> Mapping[str, int]:
        """What all lanes have in memory for transactions that are not final."""
        of_lanes = [lane.runner.held() for lane in self.lanes]
        return {name: sum(held[name] for held in of_lanes) for name in of_lanes[0]}

    def hindrances(self) -> list[str]:
        """Why operations do not reach the chain now, for people. Empty while all is well."""
        reasons = [self.watcher.trouble, self.judge.operator_needed]
        all_drained = all(lane.packer.drained for lane in self.lanes)
        for lane in self.lanes:
            # While another lane takes the queue, a drained one hinders nothing.
            stands = lane.packer.drained and not all_drained
            reasons += [None if stands else lane.packer.hindrance, lane.runner.help_wanted]
        return [reason for reason in reasons if reason is not None]

    async def restart(self) -> None:
        """Raises NodeTrouble; NeedsOperator."""
        workloads = {w.name: w for w in self.workloads}
        await take_over(
            chain=self.lanes[0].runner.chain,
            lanes=[lane.runner.address for lane in self.lanes],
            store=self.store,
        )
        for lane in self.lanes:
            await restart_lane(
                lane.runner, store=self.store, node=self.node, clock=self.clock, workloads=workloads
            )
            await lane.by_hand.take_up()


def build_engine(
    settings: Settings,
    *,
    store: EngineStore,
    node: Node,
    heads: AsyncIterator[Block],
    signers: Sequence[Signer],
    workloads: Sequence[Workload],
    clock: Clock,
    announce: Announce,
    also: Callable[[Block], Awaitable[None]] | None = None,
) -> EngineRoom:
    chain, submitter = settings.chain, settings.batch_submitter
    limits = FORKS[chain.fork]
    gas_per_transaction = limits.regular_gas_max or 30_000_000
    blocks, gas_book = BlockTimes(), GasBook()
    judge = Judge(
        node=node,
        clock=clock,
        policy=RetryPolicy(max_retries=submitter.max_retries),
        confirmations=chain.confirmations,
    )
    policy = transactions.Policy(
        reprice_after_s=submitter.receipt_timeout_s,
        bump_percent=chain.bump_percent,
        ceiling_wei=chain.fee_ceiling_gwei * GWEI,
        confirmations=chain.confirmations,
    )

    def build_lane(signer: Signer, in_flight_max: int) -> Lane:
        runner = LaneRunner(
            chain=ChainId(chain.chain_id),
            store=store,
            node=node,
            signer=signer,
            clock=clock,
            policy=policy,
            outcomes=Outcomes(
                node=node, judge=judge, gas_book=gas_book, signer=signer, most_gas=lambda: room.most_gas()
            ),
            announce=announce,
            tip_wei=chain.tip_wei,
            # The one-at-a-time worker is this engine with one transaction in flight.
            in_flight_max=in_flight_max if submitter.enabled else 1,
            changed=lambda: packer.noticed(0),
            met_block=lambda *, taken, sent_before_s: packer.batch_met_block(
                taken=taken, sent_before_s=sent_before_s
            ),
            blocks=blocks,
        )
        room: Room = Room(
            node=node,
            lane=runner,
            workloads=workloads,
            gas_book=gas_book,
            limits=ChainLimits(
                gas_per_transaction=gas_per_transaction,
                bytes_per_transaction=limits.transaction_bytes_max - SIGNED_ENVELOPE_BYTES,
                block_share=chain.block_share / len(signers),
            ),
            most={
                "create": submitter.max_create_batch_size,
                "respond": submitter.max_respond_batch_size,
                "create_and_respond": submitter.max_respond_batch_size,
            },
        )
        packer: Packer = Packer(
            store=store,
            lane=runner,
            simulator=Simulator(
                node=node,
                judge=judge,
                sender=signer.address,
                gas_per_transaction=gas_per_transaction,
                blocks=blocks,
            ),
            workloads=workloads,
            room=room,
            clock=clock,
            announce=announce,
            policy=FlushPolicy(mode=submitter.flush, interval_s=submitter.batch_interval_ms / 1000),
            blocks=blocks,
        )
        by_hand = ByHand(
            store=store, node=node, lane=runner, packer=packer, clock=clock, changed=lambda: share_block()
        )
        return Lane(runner, packer, room, by_hand)

    def share_block() -> None:
        """Lanes that seal nothing leave their part to the others."""
        working = [lane for lane in lanes if not lane.packer.drained]
        for lane in working:
            lane.room.take_share(chain.block_share / len(working))

    lanes = tuple(
        build_lane(signer, lane.transactions_in_flight_max)
        for signer, lane in zip(signers, settings.lanes, strict=True)
    )
    watcher = Watcher(
        node=node,
        heads=heads,
        lanes=[(lane.runner, lane.packer) for lane in lanes],
        blocks=blocks,
        clock=clock,
        also=also,
    )
    return EngineRoom(lanes, watcher, blocks, node, store, clock, tuple(workloads), judge, gas_book)

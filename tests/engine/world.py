"""A whole engine over a real store, with real signatures, on a fake chain that behaves; driven by hand.

Owns      the wiring of one lane, as the composition root does it, and the steps a story is told in.
Promises  no sleep and no chance: time moves when a step says so, and blocks come when they are asked for.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from engine.tapped import SAVES, SENDS, Tap, Tapped, nothing
from headrace.chain.signing import LocalSigner
from headrace.core import transaction as transactions
from headrace.core.flush import BlockTimes, FlushPolicy
from headrace.core.gas import GasBook
from headrace.core.operation import Account, Operation
from headrace.core.ports import Added, BatchNews, News, OperationNews
from headrace.core.retries import RetryPolicy
from headrace.core.words import Address, Block, OperationId, Outcome
from headrace.engine.by_hand import ByHand
from headrace.engine.intake import Intake
from headrace.engine.judging import Judge
from headrace.engine.lane_runner import LaneRunner
from headrace.engine.outcomes import Outcomes
from headrace.engine.packer import Packer
from headrace.engine.restart import restart_lane
from headrace.engine.room import ChainLimits, Room
from headrace.engine.simulator import Simulator
from headrace.engine.watcher import Watcher
from headrace.store.sqlite import SqliteStore, open_store
from headrace.testing.builders import BATCH_TASK_MANAGER, CHAIN, TASK_MANAGER, Builder, TaskChain, fake_task_chain
from headrace.testing.clock import HandClock
from headrace.testing.fake_node import FakeNode
from headrace.testing.keys import keys_from_seed
from headrace.workloads.tasks.errors import TaskReverts, task_errors
from headrace.workloads.tasks.workload import TaskContracts, Tasks

GWEI = 10**9
BLOCK_S = 12
LANE_KEY, STRANGER_KEY = keys_from_seed(7, 2)
LANE = LANE_KEY.address
BATCHED = TaskContracts(task_manager=TASK_MANAGER, batch=BATCH_TASK_MANAGER, item_gas=450_000)
SINGLY = TaskContracts(task_manager=TASK_MANAGER, batch=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    contracts: TaskContracts = BATCHED
    confirmations: int = 3
    in_flight_max: int = 4
    ceiling_wei: int = 500 * GWEI
    reprice_after_s: float = 30
    block_share: float = 0.9
    most: int = 120
    max_retries: int = 2
    backlog_max: int = 10_000
    waiting_max: int = 1_000
    flush: FlushPolicy = FlushPolicy(mode="block", interval_s=2)  # noqa: RUF009 - frozen


@dataclass(slots=True)
class Gateway:
    """One process' worth of engine."""

    intake: Intake
    packer: Packer
    room: Room
    lane: LaneRunner
    watcher: Watcher
    judge: Judge
    gas_book: GasBook
    workload: Tasks
    by_hand: ByHand
    store: Any  # tapped
    node: Any  # tapped
    clock: HandClock

    async def restart(self) -> None:
        await restart_lane(
            self.lane, store=self.store, node=self.node, clock=self.clock, workloads={"tasks": self.workload}
        )
        await self.by_hand.take_up()


@dataclass(slots=True)
class World:
    settings: Settings
    clock: HandClock
    contracts: TaskChain
    node: FakeNode
    store: SqliteStore
    gateway: Gateway
    made: Builder
    news: list[News] = field(default_factory=list)

    @property
    def chain(self) -> Any:
        return self.contracts.chain

    @property
    def stranger(self) -> LocalSigner:
        """Somebody else who may record tasks, with coin."""
        self.chain.set_balance(STRANGER_KEY.address, 10**21)
        self.contracts.batch.callers = frozenset([LANE, STRANGER_KEY.address])
        return LocalSigner(STRANGER_KEY.secret)

    # ---- Steps

    async def add(self, *operations: Operation) -> None:
        added = await self.store.add_operations(operations)
        assert all(a is Added.FRESH for a in added), added
        await self.gateway.packer.recount()

    async def saw(self) -> None:
        """The watcher hears of the present head."""
        await self.gateway.watcher.saw(self.chain.head)

    async def flush(self) -> None:
        await self.gateway.packer._flush()

    async def mine(self, blocks: int = 1) -> Block:
        """Time passes, blocks come, and each is seen."""
        for _ in range(blocks):
            self.clock.advance(BLOCK_S)
            self.node.mine()
            await self.saw()
        return cast(Block, self.chain.head)

    async def finish(self, *, blocks: int = 40) -> None:
        """Flushes and mines until nothing is left to do."""
        for _ in range(blocks):
            if await self.open_operations() == 0 and self.gateway.lane.unsettled() == 0:
                return
            await self.flush()
            await self.mine()
        raise AssertionError(f"not at an end after {blocks} blocks: {await self.store.counts()}")

    # ---- Questions

    async def open_operations(self) -> int:
        counts = await self.store.counts()
        return sum(counts[stage] for stage in ("waiting", "queued", "claimed", "sealed"))

    async def account(self, operation: Operation | str) -> Account:
        id = operation if isinstance(operation, str) else operation.id
        account = await self.store.account(OperationId(id))
        assert account is not None
        return account

    async def outcome(self, operation: Operation | str) -> Outcome | None:
        return (await self.account(operation)).outcome

    async def outcomes(self, operations: Sequence[Operation]) -> set[Outcome | None]:
        return {await self.outcome(o) for o in operations}

    async def stage(self, operation: Operation | str) -> str:
        return (await self.account(operation)).stage.value

    def told(self, what: str) -> list[News]:
        return [n for n in self.news if isinstance(n, OperationNews | BatchNews) and n.what == what]

    def sent_nonces(self) -> list[int]:
        """Of our transactions on the canonical chain, in its order."""
        return [t.nonce for block in self.chain.blocks for t in block.transactions if t.sender == LANE]

    def recorded(self, operation: Operation) -> tuple[bytes | None, bytes | None]:
        """The task and the response hash that the chain has."""
        world = self.chain.world
        return (
            world.load(TASK_MANAGER, b"task" + operation.subject),
            world.load(TASK_MANAGER, b"response" + operation.subject),
        )


def build(
    settings: Settings, *, clock: HandClock, node: FakeNode, store: SqliteStore, news: list[News], tap: Tap
) -> Gateway:
    tapped_store: Any = Tapped(store, SAVES, tap)
    tapped_node: Any = Tapped(node, SENDS, tap)
    workload = Tasks(settings.contracts, read_revert=TaskReverts(task_errors()).read)
    gas_book, blocks = GasBook(), BlockTimes()
    signer = LocalSigner(LANE_KEY.secret)
    judge = Judge(
        node=tapped_node,
        clock=clock,
        policy=RetryPolicy(max_retries=settings.max_retries),
        confirmations=settings.confirmations,
    )
    packer: Packer
    room: Room
    lane = LaneRunner(
        chain=CHAIN,
        store=tapped_store,
        node=tapped_node,
        signer=signer,
        clock=clock,
        policy=transactions.Policy(
            reprice_after_s=settings.reprice_after_s,
            bump_percent=12,
            ceiling_wei=settings.ceiling_wei,
            confirmations=settings.confirmations,
        ),
        outcomes=Outcomes(
            node=tapped_node, judge=judge, gas_book=gas_book, signer=signer, most_gas=lambda: room.most_gas()
        ),
        announce=news.append,
        tip_wei=GWEI,
        in_flight_max=settings.in_flight_max,
        changed=lambda: packer.noticed(0),
        met_block=lambda *, taken, sent_before_s: packer.batch_met_block(taken=taken, sent_before_s=sent_before_s),
        blocks=blocks,
    )
    room = Room(
        node=tapped_node,
        lane=lane,
        workloads=[workload],
        gas_book=gas_book,
        limits=ChainLimits(
            gas_per_transaction=2**24, bytes_per_transaction=131_072, block_share=settings.block_share
        ),
        most=dict.fromkeys(("create", "respond", "create_and_respond"), settings.most),
    )
    packer = Packer(
        store=tapped_store,
        lane=lane,
        simulator=Simulator(
            node=tapped_node, judge=judge, sender=signer.address, gas_per_transaction=2**24, blocks=blocks
        ),
        workloads=[workload],
        room=room,
        clock=clock,
        announce=news.append,
        policy=settings.flush,
        blocks=blocks,
    )
    return Gateway(
        intake=Intake(
            store=tapped_store,
            noticed=packer.noticed,
            backlog=packer.backlog,
            waiting_max=settings.waiting_max,
            backlog_max=settings.backlog_max,
        ),
        packer=packer,
        room=room,
        lane=lane,
        watcher=Watcher(node=tapped_node, heads=node.heads(), lanes=[(lane, packer)], blocks=blocks, clock=clock),
        judge=judge,
        gas_book=gas_book,
        workload=workload,
        by_hand=ByHand(store=tapped_store, node=tapped_node, lane=lane, packer=packer, clock=clock),
        store=tapped_store,
        node=tapped_node,
        clock=clock,
    )


def new_chain(clock: HandClock, **chain: Any) -> TaskChain:
    """Three blocks old, so that a task of block 1 can be created."""
    contracts = fake_task_chain([LANE], now=clock.now, block_time_s=BLOCK_S, **chain)
    for _ in range(3):
        clock.advance(BLOCK_S)
        contracts.chain.mine()
    return contracts


@asynccontextmanager
async def open_world(
    folder: Path,
    *,
    settings: Settings = Settings(),
    contracts: TaskChain | None = None,
    clock: HandClock | None = None,
    node: FakeNode | None = None,
    tap: Tap = nothing,
    **chain: Any,
) -> AsyncIterator[World]:
    """Opens the store in `folder`, makes a gateway over it and starts its lane. With the chain, node and clock of
    another world it is that world after a crash."""
    clock = clock or HandClock()
    contracts = contracts or new_chain(clock, **chain)
    node = node or FakeNode(contracts.chain)
    news: list[News] = []
    async with open_store(folder / "store.db", clock=clock) as store:
        gateway = build(settings, clock=clock, node=node, store=store, news=news, tap=tap)
        world = World(settings, clock, contracts, node, store, gateway, Builder(1), news)
        await gateway.restart()
        await world.saw()
        yield world


def address_text(address: Address) -> str:
    return f"0x{address.hex()}"

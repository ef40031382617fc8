"""All at once, by seed: lying nodes, reorgs, lost pools, strangers, deadlines, crashes. The chain agrees."""

import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from engine.tapped import Crashed, Fuse
from engine.world import BATCHED, GWEI, LANE, SINGLY, Settings, World, new_chain, open_world
from headrace.core.operation import Operation
from headrace.core.ports import NodeTrouble
from headrace.core.words import Fees, Nonce, OperationId, Outcome
from headrace.testing.builders import CHAIN, Builder
from headrace.testing.clock import HandClock
from headrace.testing.fake_node import FakeNode
from headrace.testing.node_faults import NoNodeFaults, ReadFault, SeededFaults, SendFault
from headrace.testing.pool_rules import NodeRules
from headrace.workloads.tasks.operations import Windows, recording
from headrace.workloads.tasks.payload import CREATE, RESPOND, Payload

STEPS, NEVER = 40, 10**6
SENDS = {fault: 0.06 for fault in SendFault if fault is not SendFault.HONEST}
READS = {ReadFault.TROUBLE: 0.05, ReadFault.STALE: 0.04, ReadFault.EMPTY: 0.04}


class Fire:
    def __init__(self, seed: int, folder: Path) -> None:
        self.chance, self.made, self.folder = random.Random(seed), Builder(seed), folder
        pick = self.chance.choice
        self.settings = Settings(
            most=pick([1, 2, 5, 120]),
            confirmations=pick([3, 4, 6]),
            in_flight_max=pick([1, 2, 4]),
            ceiling_wei=pick([500, 30]) * GWEI,
            contracts=pick([BATCHED, BATCHED, replace(BATCHED, strict_only=True), SINGLY]),
        )
        self.clock = HandClock()
        self.contracts = new_chain(self.clock, rules=pick([None, None, NodeRules(raw_bytes_max=6_000)]))
        self.contracts.task_manager.creation_window = self.contracts.task_manager.response_window = NEVER
        self.chain = self.contracts.chain
        self.node = FakeNode(self.chain, remembers_uncled=pick([True, False]))
        self.good: dict[Operation, bool] = {}
        self.steps, self.blocks_since_reorg = 0, 0

    async def burn(self) -> None:
        while self.steps < STEPS:
            fuse = Fuse(self.chance.choice([5, 20, 60, NEVER]))
            with suppress(Crashed, NodeTrouble):  # dead, or could not even start
                async with self.open(fuse) as world:
                    while self.steps < STEPS:
                        self.steps += 1
                        with suppress(NodeTrouble):  # as the loops do
                            await self.step(world)

    def open(self, fuse: Fuse):  # type: ignore[no-untyped-def]
        return open_world(
            self.folder,
            settings=self.settings,
            clock=self.clock,
            contracts=self.contracts,
            node=self.node,
            tap=fuse,
        )

    async def step(self, world: World) -> None:
        lies = SeededFaults(self.chance.randrange(NEVER), send=SENDS, read=READS)
        self.node.faults = lies if self.chance.random() < 0.6 else NoNodeFaults()
        (step,) = self.chance.choices(
            [self.offer, self.flush, self.mine, self.reorg, self.forget, self.mine_another, self.wait],
            [30, 25, 30, 7, 3, 2, 3],
        )
        await step(world)

    async def offer(self, world: World) -> None:
        for _ in range(self.chance.randint(1, 4)):
            good = self.chance.random() < 0.85
            task = self.made.task()
            operations = recording(
                self.chance.choice(["combined", "separate"]),
                id=OperationId(f"operation {len(self.good)}"),
                chain=CHAIN,
                task=task,
                response=self.made.response(task, expire_block=NEVER),
                signature_data=self.made.signature_data(good=good),
                windows=Windows(creation=NEVER, response=NEVER),
                respond_wait_s=NEVER,
                received_at=0,
                now=self.clock.now(),
            )
            if len(operations) == 1 and self.chance.random() < 0.2:
                deadline = self.clock.now() + self.chance.choice([10, 40, 100])
                operations = (replace(operations[0], deadline=deadline),)
            await world.add(*operations)
            self.good |= {o: good or o.kind == CREATE for o in operations}

    async def flush(self, world: World) -> None:
        if world.gateway.lane.head is not None and world.gateway.lane.free_transactions() > 0:
            await world.flush()

    async def mine(self, world: World) -> None:
        if self.chance.random() < 0.1:
            self.chain.set_next_base_fee(self.chance.choice([2, 50, 200]) * GWEI)
        self.clock.advance(12)
        self.node.mine()
        self.blocks_since_reorg += 1
        if self.chance.random() < 0.9:
            await world.saw()

    async def reorg(self, world: World) -> None:
        depth = self.chance.randint(1, self.settings.confirmations - 1)
        if self.blocks_since_reorg < depth:
            return
        self.blocks_since_reorg = 0
        self.clock.advance(12)
        self.chain.reorg(
            depth,
            blocks=self.chance.randint(1, depth + 1),
            forget=self.chance.random() < 0.5,
            from_pool=self.chance.random() < 0.5,
        )
        await world.saw()

    async def forget(self, world: World) -> None:
        self.chain.pool.clear()

    async def mine_another(self, world: World) -> None:
        """Not the newest attempt, or none of ours at all."""
        nonce = Nonce(self.chain.world.nonce(LANE))
        trip = world.gateway.lane._trips.get(nonce)
        fees = Fees(max_fee_wei=10**12, tip_wei=1)
        raw = world.gateway.lane._signer.sign_no_op(chain=CHAIN, nonce=nonce, fees=fees).raw
        if trip is not None and self.chance.random() < 0.5:
            raw = self.chance.choice(trip.in_flight.attempts).raw
        self.clock.advance(12)
        with suppress(ValueError):  # priced out of this block
            self.chain.mine(include=[raw])
            self.blocks_since_reorg += 1
        await world.saw()

    async def wait(self, world: World) -> None:
        self.clock.advance(self.chance.choice([1, 31]))


@pytest.mark.parametrize("seed", range(16))
async def test_whatever_happens_each_operation_ends_once_and_as_the_chain_says(tmp_path: Path, seed: int) -> None:
    fire = Fire(seed, tmp_path)
    await fire.burn()
    fire.node.faults = NoNodeFaults()
    fire.chain.set_next_base_fee(GWEI)
    async with fire.open(Fuse(NEVER)) as world:
        await world.finish(blocks=4 * len(fire.good) + 60)
        for operation, good in fire.good.items():
            account, there = await world.account(operation), shown(world, operation)
            assert (account.outcome in (Outcome.LANDED, Outcome.ALREADY_DONE)) == there, account
            in_time = account.outcome is not Outcome.EXPIRED or operation.deadline is None
            assert there == (good and in_time), account
        nonces = world.sent_nonces()
        assert nonces == list(range(len(nonces)))


def shown(world: World, operation: Operation) -> bool:
    payload = Payload.unpack(operation.payload)
    task, response = world.recorded(operation)
    created = operation.kind == RESPOND or task == payload.task_hash()
    return created and (operation.kind == CREATE or response == payload.response_hash())

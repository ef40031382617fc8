"""The chain, its nodes and the settings change under our hands."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.world import GWEI, LANE, SINGLY, Settings, World, open_world
from headrace.core.errors import NeedsOperator, TryLater
from headrace.core.words import Address, Nonce, Outcome
from headrace.engine.restart import take_over
from headrace.testing.builders import BATCH_TASK_MANAGER
from headrace.testing.node_faults import NoNodeFaults, ReadFault
from headrace.workloads.tasks.payload import CREATE_AND_RESPOND


def recorded_by_another(world: World, operation) -> bytes:
    """Another gateway's transaction that records the very same task."""
    call = world.gateway.workload.call(CREATE_AND_RESPOND, [operation], strict=False)
    fees = world.gateway.lane.fees(world.chain.head)
    return world.stranger.sign(
        chain=world.chain.id, nonce=Nonce(0), to=call.to, data=call.data, gas_limit=900_000, fees=fees
    ).raw


async def test_a_batch_is_explained_by_its_own_bytes_though_the_settings_have_changed(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(3)]
        await world.add(*operations)
        await world.flush()
        world.contracts.batch.callers = frozenset()
        await world.mine()
        clock, contracts, node = world.clock, world.contracts, world.node
    # As our own message says: "or set batch_submitter.enabled = false".
    settings = Settings(contracts=SINGLY)
    async with open_world(tmp_path, settings=settings, clock=clock, contracts=contracts, node=node) as world:
        await world.mine(4)
        assert {await world.stage(o) for o in operations} == {"queued"}


async def test_what_another_did_counts_only_once_it_is_final(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        world.clock.advance(12)
        world.chain.mine(include=[recorded_by_another(world, operation)])
        await world.saw()
        await world.add(operation)
        await world.flush()
        assert await world.outcome(operation) is None
        assert "not final yet" in (await world.account(operation)).reason

        world.chain.reorg(1, blocks=2, forget=True)
        await world.saw()
        await world.finish()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_once_it_is_final_it_is_already_done(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        world.clock.advance(12)
        world.chain.mine(include=[recorded_by_another(world, operation)])
        await world.saw()
        await world.add(operation)
        await world.finish()
        account = await world.account(operation)
        assert (account.outcome, account.operation.retries) == (Outcome.ALREADY_DONE, 0)
        assert world.sent_nonces() == []


async def test_a_node_that_is_behind_makes_us_fill_no_nonce_of_the_past(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(confirmations=1)) as world:
        await world.add(world.made.operation())
        await world.finish()
        late = world.made.operation()
        world.chain.set_next_base_fee(10_000 * GWEI)
        await world.add(late)
        await world.flush()

        async def behind(account: bytes) -> tuple[Nonce, Nonce]:
            return Nonce(0), Nonce(0)

        honest, world.node.nonces = world.node.nonces, behind  # type: ignore[method-assign]
        for _ in range(4):
            world.chain.set_next_base_fee(10_000 * GWEI)
            await world.mine()
        world.node.nonces = honest  # type: ignore[method-assign]
        entry = await world.store.ledger_entry(nonce=Nonce(0), lane=LANE)
        assert entry is not None
        assert len(entry.operations) == 1


async def test_a_contract_that_does_nothing_any_more_costs_no_more_than_the_retries(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        del world.chain.contracts[BATCH_TASK_MANAGER]  # a call to nothing succeeds, and shows no event
        await world.add(operation)
        await world.finish(blocks=60)
        account = await world.account(operation)
        assert account.outcome is Outcome.REJECTED
        assert "gave up after 2 retries" in account.reason
        assert world.sent_nonces() == [0, 1, 2]


async def test_a_batch_that_can_no_longer_land_is_replaced_by_a_no_op_even_at_the_ceiling(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation(deadline=world.clock.now() + 30)
        await world.add(operation)
        await world.flush()
        for _ in range(10):
            world.chain.set_next_base_fee(10_000 * GWEI)
            await world.mine()
        await world.finish(blocks=90)
        assert await world.outcome(operation) is Outcome.EXPIRED
        assert world.recorded(operation) == (None, None)


async def test_a_lane_that_is_not_configured_any_more_holds_nothing_back_silently(tmp_path: Path) -> None:
    stranger = Address(b"\x55" * 20)
    async with open_world(tmp_path) as world:
        claimed, sealed = world.made.operation(), world.made.operation()
        await world.add(sealed)
        await world.flush()
        await world.add(claimed)
        await world.store.claim_ready(
            chain=world.chain.id, lane=LANE, workload="tasks", most=1, now=world.clock.now()
        )
        with pytest.raises(NeedsOperator, match=f"0x{LANE.hex()}.*configure them again"):
            await take_over(chain=world.chain.id, lanes=[stranger], store=world.store)
        assert await world.stage(claimed) == "queued"


async def test_the_backlog_is_bounded_also_while_no_node_answers(tmp_path: Path) -> None:
    class Down(NoNodeFaults):
        on = False

        def on_read(self, method: str) -> ReadFault:
            return ReadFault.TROUBLE if self.on else ReadFault.HONEST

    async with open_world(tmp_path, settings=Settings(backlog_max=10)) as world:
        faults = Down()
        world.node.faults = faults
        await world.mine(4)
        faults.on = True
        running = asyncio.create_task(world.gateway.intake.run())
        with pytest.raises(TryLater, match="10 operations wait"):
            for _ in range(6):
                for _ in range(5):
                    await world.gateway.intake.admit(world.made.operation())
                await world.flush()
        running.cancel()
        assert world.gateway.packer.backlog() == 10


async def test_after_a_reorg_deeper_than_final_the_same_bytes_go_out_again_and_the_lane_goes_on(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, settings=Settings(confirmations=2)) as world:
        early = [world.made.operation() for _ in range(2)]
        for operation in early:
            await world.add(operation)
            await world.finish()
        world.chain.reorg(6, blocks=7, forget=True)
        await world.saw()
        assert world.recorded(early[0]) == (None, None)

        late = world.made.operation()
        await world.add(late)
        await world.finish(blocks=30)
        assert await world.outcome(late) is Outcome.LANDED
        assert all(world.recorded(operation) != (None, None) for operation in early), "landed again, same bytes"
        assert world.gateway.lane.help_wanted is None


async def test_while_every_batch_is_refused_it_says_so_at_every_head_and_names_the_fix(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        callers, world.contracts.batch.callers = world.contracts.batch.callers, frozenset()
        operation = world.made.operation()
        await world.add(operation)
        for _ in range(3):
            await world.flush()
            await world.mine()
            assert "Unauthorized" in (world.gateway.packer.hindrance or "")
            assert "addAuthorized" in (world.gateway.packer.hindrance or "")
        world.contracts.batch.callers = callers
        await world.finish()
        assert world.gateway.packer.hindrance is None
        assert await world.outcome(operation) is Outcome.LANDED


async def test_a_chain_that_stands_still_is_told(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.mine(4)
        assert world.gateway.watcher.trouble is None or "no head" in world.gateway.watcher.trouble
        world.gateway.watcher._trouble = None  # `run` clears it, which nothing does here
        world.clock.advance(100)
        assert "no new block for 100 s" in (world.gateway.watcher.trouble or "")
        await world.mine()
        assert world.gateway.watcher.trouble is None


async def test_after_a_reorg_deeper_than_final_what_was_given_up_stays_given_up(tmp_path: Path) -> None:
    sent: list[bytes] = []

    def tap(when: str, what: str, args: tuple[Any, ...]) -> None:
        if (when, what) == ("before", "send"):
            sent.append(args[0])

    async with open_world(tmp_path, settings=Settings(confirmations=2), tap=tap) as world:
        late = world.made.operation(deadline=world.clock.now() + 20)
        await world.add(late)
        await world.flush()
        world.chain.mine(from_pool=False)
        for _ in range(2):
            world.clock.advance(12)
            world.chain.mine(from_pool=False)
            await world.saw()
        await world.finish()
        assert await world.outcome(late) is Outcome.EXPIRED
        batch, no_op = sent[0], sent[-1]
        sent.clear()
        world.chain.reorg(4, blocks=5, forget=True)
        await world.saw()

        good = world.made.operation()
        await world.add(good)
        await world.finish(blocks=30)
        assert await world.outcome(good) is Outcome.LANDED
        assert (batch in sent, no_op in sent) == (False, True)
        assert world.recorded(late) == (None, None)
        assert world.sent_nonces() == [0, 1]

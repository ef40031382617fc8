from pathlib import Path

import pytest

from engine.world import Settings, open_world
from headrace.core.flush import BlockTimes
from headrace.core.ports import NodeTrouble
from headrace.core.words import Block, BlockNumber, Outcome
from headrace.engine.watcher import BLOCKS_KEPT, Watcher
from headrace.testing.node_faults import ReadFault, ScriptedFaults


async def test_every_block_between_two_heads_is_read(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        world.chain.mine(2)  # in the first of them
        await world.saw()
        account = await world.account(operation)
        assert account.ride is not None
        assert account.ride.block == 4
        assert world.node.calls["receipt"] == 0, "by whole blocks, not one receipt per poll"


async def test_blocks_are_not_read_while_nothing_of_ours_is_out(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.mine(5)
        assert world.node.calls["receipts"] == 0


async def test_what_trouble_kept_from_us_the_next_head_tells(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        world.chain.mine()
        world.node.faults = ScriptedFaults(read={"receipts": [ReadFault.TROUBLE]})
        with pytest.raises(NodeTrouble):
            await world.saw()
        assert (await world.account(operation)).state.value == "sent"
        await world.mine()
        assert (await world.account(operation)).state.value == "mined"


async def test_a_block_that_the_node_does_not_know_yet_is_asked_for_again(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.add(world.made.operation())
        await world.flush()
        world.chain.mine()
        world.node.faults = ScriptedFaults(read={"receipts": [ReadFault.EMPTY]})
        with pytest.raises(NodeTrouble, match="not known by its hash"):
            await world.saw()
        await world.saw()


async def test_an_old_head_from_a_slower_endpoint_is_no_reorg(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine(2)
        await world.gateway.watcher.saw(world.chain.blocks[-2].header)
        assert (await world.account(operation)).state.value == "mined"
        assert not world.told("retracted")


async def test_after_a_long_absence_only_so_many_blocks_are_read_and_nothing_is_missed(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        world.chain.mine(3 * BLOCKS_KEPT)
        await world.saw()
        assert world.node.calls["block"] <= BLOCKS_KEPT
        await world.mine()
        assert await world.outcome(operation) is Outcome.LANDED


async def test_what_is_remembered_of_the_chain_is_bounded(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.chain.mine(BLOCKS_KEPT + 40)
        await world.saw()
        await world.mine(20)
        assert len(world.gateway.watcher._canonical) <= BLOCKS_KEPT + 1


async def test_the_loop_goes_on_after_trouble_and_says_what_it_was(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        watcher = world.gateway.watcher
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        world.node.faults = ScriptedFaults(read={"receipts": [ReadFault.TROUBLE]})
        troubles: list[str | None] = []

        async def heads():  # type: ignore[no-untyped-def]
            for _ in range(3):
                yield world.chain.mine()
                troubles.append(watcher.trouble)

        watcher._heads = heads()
        await watcher.run()
        assert troubles[0] is not None
        assert "receipts: no endpoint answered" in troubles[0]
        assert troubles[1:] == [None, None]
        assert await world.outcome(operation) is Outcome.LANDED


async def test_a_block_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.mine()
        stale: Block = world.chain.mine(2)
        world.chain.reorg(2)
        with pytest.raises(NodeTrouble, match="changed while it was read"):
            await world.gateway.watcher.saw(stale)
        await world.saw()
        assert world.gateway.watcher._canonical[BlockNumber(world.chain.head.number)] == world.chain.head.hash


async def test_a_block_that_we_know_by_a_receipt_only_is_missed_when_it_goes(tmp_path: Path) -> None:
    """A lane learned by asking that it is mined in a block whose own receipts could not be read. When that block
    is replaced, nobody had seen it: the lane must hear of it all the same, or its nonce waits for the last
    look."""
    async with open_world(tmp_path, settings=Settings(confirmations=6)) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine(2)
        await world.add(world.made.operation())
        await world.flush()  # something is out that a block's receipts are read for
        world.chain.reorg(2, blocks=1, from_pool=True)  # the first is in another block now
        world.node.faults = ScriptedFaults(read={"receipts": [ReadFault.TROUBLE]})
        with pytest.raises(NodeTrouble):
            await world.saw()  # our bytes go out again, and "nonce too low" leads to the receipt
        account = await world.account(operation)
        assert account.ride is not None
        assert account.ride.block_hash == world.chain.head.hash
        world.chain.reorg(1, blocks=2, forget=True)
        await world.saw()
        assert (await world.account(operation)).state.value == "sent"
        assert len(world.told("retracted")) >= 2
        assert len(world.chain.pool) >= 1, "the same bytes are out again"


async def test_where_all_that_we_knew_was_replaced_and_could_not_be_read_we_do_not_walk_back_to_the_beginning(
    tmp_path: Path,
) -> None:
    """Just after a start we know one block. A reorg takes it, and the node fails us before we read another."""
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        world.chain.reorg(1)
        world.node.faults = ScriptedFaults(read={"receipts": [ReadFault.TROUBLE]})
        with pytest.raises(NodeTrouble):
            await world.saw()
        before = world.node.calls["block"]
        await world.mine(2)
        assert world.node.calls["block"] - before <= 2
        assert (await world.account(operation)).state.value == "mined"


async def test_a_branch_that_begins_below_where_we_began_is_followed_down_to_its_beginning(tmp_path: Path) -> None:
    """The chain became shorter than at our start, and what was mined there then goes."""
    async with open_world(tmp_path) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        world.chain.reorg(2, blocks=1, from_pool=True)
        await world.saw()
        assert (await world.account(operation)).state.value == "mined"
        world.chain.reorg(1, blocks=3, forget=True)
        await world.saw()
        assert (await world.account(operation)).state.value == "sent"


async def test_what_a_start_found_mined_below_its_first_head_is_missed_when_a_reorg_takes_it(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, settings=Settings(confirmations=6)) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine(3)
        clock, contracts, node, settings = world.clock, world.contracts, world.node, world.settings
    async with open_world(tmp_path, settings=settings, clock=clock, contracts=contracts, node=node) as world:
        assert (await world.account(operation)).state.value == "mined"
        world.chain.reorg(3, blocks=4, forget=True)
        await world.saw()
        assert (await world.account(operation)).state.value == "sent"
        assert len(world.told("retracted")) == 1


async def test_a_reorg_between_the_look_at_a_start_and_the_first_head_that_could_be_read_is_noticed(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, settings=Settings(confirmations=6)) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        await world.mine(3)
        await world.gateway.restart()
        world.gateway.watcher = Watcher(
            node=world.node,
            heads=world.node.heads(),
            lanes=[(world.gateway.lane, world.gateway.packer)],
            blocks=BlockTimes(),
            clock=world.clock,
        )  # one that has seen nothing yet
        world.chain.reorg(3, blocks=4, forget=True)
        await world.saw()
        assert (await world.account(operation)).state.value == "sent"


async def test_who_also_listens_does_not_wait_for_the_lanes_and_its_trouble_keeps_nothing_from_them(
    tmp_path: Path,
) -> None:
    """What a task may refer to: after a start with much under way it took a minute, in which no task was taken."""
    async with open_world(tmp_path, settings=Settings(confirmations=1)) as world:
        operation = world.made.operation()
        await world.add(operation)
        await world.flush()
        states: list[str] = []

        async def also(head: Block) -> None:
            states.append((await world.account(operation)).state.value)
            raise NodeTrouble("the registry could not be read")

        world.gateway.watcher = Watcher(
            node=world.node,
            heads=world.node.heads(),
            lanes=[(world.gateway.lane, world.gateway.packer)],
            blocks=BlockTimes(),
            clock=world.clock,
            also=also,
        )
        world.chain.mine()
        with pytest.raises(NodeTrouble, match="registry"):
            await world.saw()
        assert states == ["mined"], "told before the lane looked at what this head settles"
        assert (await world.account(operation)).state.value == "done"

"""Invariants about the gateway as a whole: nothing stands still, nothing stays behind, listeners are told."""

from collections.abc import Iterator
from typing import Any, Final

from sim.holding import invariant

# Blocks in which the chain would have taken a transaction at a sensible price, and none of a lane that has some
# came. Time enough to notice (a block), to wait for the receipt (30 s), to replace twice.
STUCK_BLOCKS_MAX: Final = 12


@invariant("step", "no-loop-dies")
def loops_live(world: Any, _: None) -> Iterator[str]:
    if world.process is not None and (broken := world.process.broken()) is not None:
        yield broken


@invariant("step", "no-nonce-gap-for-long")
def lanes_move(world: Any, _: None) -> Iterator[str]:
    for lane, blocks in world.stuck_blocks.items():
        if blocks > STUCK_BLOCKS_MAX:
            nonce = world.chain.world.nonce(lane)
            yield f"lane 0x{lane.hex()[:6]} has stood at nonce {nonce} for {blocks} fair blocks"
            world.stuck_blocks[lane] = 0


@invariant("step", "a-retraction-is-told")
def listeners_know(world: Any, _: None) -> Iterator[str]:
    process = world.process
    if process is None or not process.up:
        return
    head = process.engine.head()
    if head is None or head.hash != world.chain.head.hash:
        return  # it cannot know yet
    for batch, (transaction, block) in world.witness.mined_told.items():
        if block <= head.number and world.chain.receipt(transaction) is None:
            yield f"{batch} was told to be mined in block {block}; that block is gone, and nobody was told"


@invariant("end", "nothing-left-in-memory")
def is_empty(world: Any, _: None) -> Iterator[str]:
    process = world.process
    assert process is not None
    for index, lane in enumerate(process.engine.lanes):
        left = {
            "transactions": lane.runner.unsettled(),
            "gas in flight": lane.runner.gas_in_flight(),
            "wei in flight": lane.runner.wei_in_flight(),
        }
        if not world.waiting_for_what_is_undone():
            left |= {"backlog": lane.packer.backlog(), "due": lane.packer.due()}
        for what, count in left.items():
            if count:
                yield f"lane {index}: {what} {count}"
    # A loop each for intake, watcher and packers; what a packer waits for (a word, a moment); this run itself.
    expected = 2 + 3 * world.profile.lanes + 1
    if (tasks := world.count_tasks()) > expected:
        yield f"{tasks} tasks, where {expected} are enough"
    if world.clock.sleeping > world.profile.lanes + 1:
        yield f"{world.clock.sleeping} wait for the clock"

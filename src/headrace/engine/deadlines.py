"""Which deadline makes a sealed batch unwanted, so that its nonce is to be filled without it.

Owns      the rule: a client's own deadline always, since no contract knows of it; a block deadline where it dooms
          the neighbours too, or where nothing of the batch could land any more.
Promises  a late item that fails alone delays nobody: its neighbours land in the batch they are in.
Leaves    filling the nonce to `core.transaction`; what is not sealed to the store and the packer.
"""

from collections.abc import Callable

from headrace.core.operation import Operation
from headrace.core.words import BlockNumber
from headrace.engine.trips import Trip


def why_unwanted(
    trip: Trip, *, head: BlockNumber, next_block_at: float, fails_as_one: Callable[[], bool]
) -> str | None:
    """None while it may land. `next_block_at` is when the coming block is due, in unix seconds; `fails_as_one`
    says whether one item that reverts takes the whole batch with it."""
    for operation in trip.operations:
        if misses_next_block(operation, next_block_at=next_block_at):
            return f"operation {operation.id} must not land after its deadline, which the next block would miss"
    closed = [o for o in trip.operations if o.deadline_block is not None and o.deadline_block <= head]
    if not closed:
        return None
    if len(closed) == len(trip.operations):
        return f"nothing in it can land after block {head} any more"
    if fails_as_one():
        return (
            f"operation {closed[0].id} had to land in block {closed[0].deadline_block}, and fails the whole batch"
        )
    return None


def misses_next_block(operation: Operation, *, next_block_at: float) -> bool:
    """Whether its client's deadline comes before the next block."""
    return operation.deadline is not None and operation.deadline < next_block_at

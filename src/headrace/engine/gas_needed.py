"""How much gas a batch needs that is sent as it was tried.

Owns      the trial of an all-or-nothing batch with the limit that it would have, and the search for one that does.
Promises  what it takes for enough was tried, with some in hand: such a batch runs dry in a question, not on chain.
Leaves    what fails with any gas to the simulator, whether there is room for it to the packer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from headrace.core.operation import Operation
from headrace.core.ports import Call, Reverted
from headrace.core.words import Block
from headrace.engine.trials import Trials

# The state may move until the batch is mined, and what it needs with it: so much of its limit is to be left over.
IN_HAND_PERCENT: Final = 3
MORE_PERCENT: Final = 50


@dataclass(frozen=True, slots=True)
class GasPlan:
    """`limit` gives what these would be sent with as one batch, `most` what one transaction of the lane can have
    once nothing else is in flight. In gas."""

    limit: Callable[[tuple[Operation, ...]], int]
    most: int


async def enough(trials: Trials, call: Call, *, more_than: int, most: int, head: Block) -> int:
    """A limit with which it goes well, as it does with all that a transaction may have: by half too much at most.
    All of that where `most` is too little. A node's own estimate of a batch would run it some 26 times."""
    gas = more_than
    while gas < most:
        gas = min(gas * (100 + MORE_PERCENT) // 100, most)
        if await goes_well(trials, call, gas=gas, head=head):
            return gas
    return trials.gas_max


async def goes_well(trials: Trials, call: Call, *, gas: int, head: Block) -> bool:
    answer = await trials.run(call, head=head, gas=gas * (100 - IN_HAND_PERCENT) // 100)
    return not isinstance(answer, Reverted)

"""A transaction under way, with what rides in it; and what a lane has of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from headrace.core.operation import Operation
from headrace.core.ports import Seen, Workload
from headrace.core.transaction import InFlight, Mined, Transaction, mined_of, signed
from headrace.core.words import Address, BlockNumber, Nonce, Receipt


@dataclass(slots=True)
class Trip:
    """`heads` counts the heads seen since the newest send. `timed`: its first block told how early to send.
    `called` is the contract that its sealed bytes call, whatever the settings say today."""

    transaction: Transaction
    workload: Workload
    form: str
    operations: tuple[Operation, ...]
    called: Address
    receipt: Receipt | None = None
    heads: int = 0
    timed: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _shown: tuple[Receipt, Sequence[Seen]] | None = None

    def shown(self) -> Sequence[Seen]:
        """What its receipt shows of each operation. Read once: it is asked for at every step."""
        assert self.receipt is not None
        if self._shown is None or self._shown[0] is not self.receipt:
            seen = self.workload.effects(self.operations, self.receipt, called=self.called)
            self._shown = (self.receipt, seen)
        return self._shown[1]

    def can_still_land(self, *, head: BlockNumber, now: float) -> bool:
        """Whether any of its operations may be mined after this block."""
        return not self.operations or any(
            (o.deadline_block is None or o.deadline_block > head) and (o.deadline is None or o.deadline > now)
            for o in self.operations
        )

    @property
    def in_flight(self) -> InFlight:
        """What was signed, whatever became of it."""
        return signed(self.transaction)

    @property
    def mined(self) -> Mined | None:
        return mined_of(self.transaction)

    @property
    def nonce(self) -> Nonce:
        return self.in_flight.nonce

    @property
    def undecided(self) -> bool:
        return isinstance(self.transaction, InFlight)

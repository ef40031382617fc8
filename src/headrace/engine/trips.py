"""A transaction under way, with what rides in it; and what a lane has of them."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from headrace.core.operation import Operation
from headrace.core.ports import Seen, Workload
from headrace.core.transaction import Included, InFlight, Mined, Taken, Transaction, mined_of, signed
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
    refused: str | None = None  # what a node said that takes no transaction as large as this
    explanations_missed: int = 0  # how often no node could tell why it reverted
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


class Trips(dict[Nonce, Trip]):
    """The transactions of one lane that are not settled."""

    def in_order(self) -> Iterator[Trip]:
        """Lowest nonce first. They may come and go meanwhile."""
        return iter(sorted(self.values(), key=lambda trip: trip.nonce))

    def undecided(self) -> list[Trip]:
        """Lowest nonce first."""
        return [trip for trip in self.in_order() if trip.undecided]

    def gas_in_flight(self) -> int:
        """What those that are not mined yet ask of a block."""
        return sum(trip.in_flight.gas_asked for trip in self.undecided())

    def wei_in_flight(self) -> int:
        """The most that what is not mined yet can cost."""
        undecided = [trip.in_flight for trip in self.undecided()]
        return sum(t.gas_asked * t.attempts[-1].fees.max_fee_wei for t in undecided)

    def carried(self) -> int:
        """Operations in all of them."""
        return sum(len(trip.operations) for trip in self.values())

    def attempts(self) -> int:
        return sum(len(trip.in_flight.attempts) for trip in self.values())

    def mined_from(self) -> BlockNumber | None:
        """The lowest block that has one of them."""
        return min((trip.mined.block for trip in self.values() if trip.mined is not None), default=None)

    def watched(self) -> bool:
        """Whether a block could hold something of ours that we have not seen in one."""
        return any(trip.undecided or isinstance(trip.transaction, Taken) for trip in self.values())


def included(receipt: Receipt) -> Included:
    return Included(
        hash=receipt.transaction,
        block=receipt.block,
        block_hash=receipt.block_hash,
        ok=receipt.ok,
        gas_used=receipt.gas_used,
        gas_price_wei=receipt.gas_price_wei,
    )

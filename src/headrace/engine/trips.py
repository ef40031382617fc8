"""A transaction under way, with what rides in it; and what a lane has of them."""

import asyncio
from dataclasses import dataclass, field

from headrace.core.operation import Operation
from headrace.core.ports import Workload
from headrace.core.transaction import InFlight, Mined, Settled, Taken, Transaction, Void
from headrace.core.words import Nonce, Receipt


@dataclass(slots=True)
class Trip:
    """`heads` counts the heads seen since the newest send. `timed`: its first block told how early to send."""

    transaction: Transaction
    workload: Workload
    form: str
    operations: tuple[Operation, ...]
    receipt: Receipt | None = None
    heads: int = 0
    timed: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def in_flight(self) -> InFlight:
        """What was signed, whatever became of it."""
        match self.transaction:
            case InFlight():
                return self.transaction
            case Mined(in_flight=in_flight) | Taken(in_flight=in_flight) | Void(in_flight=in_flight):
                return in_flight
            case Settled(mined=mined):
                return mined.in_flight

    @property
    def mined(self) -> Mined | None:
        match self.transaction:
            case Mined():
                return self.transaction
            case Settled(mined=mined):
                return mined
            case _:
                return None

    @property
    def nonce(self) -> Nonce:
        return self.in_flight.nonce

    @property
    def undecided(self) -> bool:
        return isinstance(self.transaction, InFlight)

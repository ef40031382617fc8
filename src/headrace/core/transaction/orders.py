"""What to do next about a transaction. Imperative."""

from dataclasses import dataclass

from headrace.core.transaction.states import Mined, Transaction
from headrace.core.words import Attempt, Fees, Purpose, TxHash


@dataclass(frozen=True, slots=True)
class Sign:
    fees: Fees
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Send:
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class LookForReceipts:
    """Ask the chain for the receipt of every attempt, then for the account's nonce."""


@dataclass(frozen=True, slots=True)
class RereadReceipt:
    hash: TxHash


@dataclass(frozen=True, slots=True)
class Settle:
    """Write the outcomes of what rode here."""

    mined: Mined


@dataclass(frozen=True, slots=True)
class GiveBack:
    """What rode here goes back to the queue: this nonce is final without it."""


@dataclass(frozen=True, slots=True)
class AskForHelp:
    reason: str


Order = Sign | Send | LookForReceipts | RereadReceipt | Settle | GiveBack | AskForHelp


@dataclass(frozen=True, slots=True)
class Decision:
    transaction: Transaction
    orders: tuple[Order, ...] = ()

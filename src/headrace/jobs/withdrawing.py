"""Takes out of the escrow what was claimed: one withdrawal for each transaction that earned, and token.

Owns      the amounts, read from the final receipt: what was claimed, less the fee that left by it.
Promises  never more than was earned: what the payee deposited there itself stays there. The same transaction gives
          the same withdrawal, however often it is looked at.
Leaves    sending to the engine. A withdrawal that finds less than its amount ends in conflict: somebody took it.
"""

from collections.abc import Collection
from typing import Protocol

from headrace.core.operation import Operation
from headrace.core.ports import Added
from headrace.core.words import Address, ChainId, OperationId, Receipt
from headrace.workloads.escrow.events import earned_in
from headrace.workloads.escrow.operations import operation_of, withdrawal
from headrace.workloads.escrow.payload import WITHDRAW


class Admit(Protocol):
    async def __call__(self, operation: Operation) -> Added:
        """FRESH or SAME once it is durable. Raises OtherContent, TryLater, FixTheRequest."""
        ...


class Withdrawing:
    """`lanes`: the accounts that can withdraw; empty where claims stay in the escrow."""

    def __init__(self, admit: Admit, *, escrow: Address, chain: ChainId, lanes: Collection[Address]) -> None:
        self._admit, self._escrow, self._chain, self._lanes = admit, escrow, chain, frozenset(lanes)

    async def of(self, receipt: Receipt, payee: Address, *, now: float) -> None:
        """Durable when it returns. Raises TryLater."""
        if payee not in self._lanes:
            return
        for order in withdrawals(receipt, payee, escrow=self._escrow, chain=self._chain, now=now):
            await self._admit(order)


def withdrawals(
    receipt: Receipt, payee: Address, *, escrow: Address, chain: ChainId, now: float
) -> list[Operation]:
    return [
        operation_of(
            id=OperationId(f"withdraw/{receipt.transaction.hex()}/{token.hex()}"),
            chain=chain,
            kind=WITHDRAW,
            payload=withdrawal(payee, token, amount, earned_in=receipt.transaction),
            received_at=now,
        )
        for token, amount in sorted(earned_in(receipt.logs, escrow=escrow, payee=payee).items())
    ]

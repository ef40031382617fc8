"""Asks the escrow: which locks a payee has, what a payer has there and allows.

Owns      as of which block it is asked, and the difference between "there is none" and "nobody knows".
Promises  locks are those of a final block: one that is not among them is gone for good, and its end is in the logs
          up to that block. What could not be read is Unread or NodeTrouble, never an empty list.
Leaves    what an answer means to `workloads.escrow.lock_state`, what to do with it to `jobs.planning`.
"""

from dataclasses import dataclass

from headrace.chain.abi_codec import Undecodable
from headrace.core.ports import NodeTrouble, Returned
from headrace.core.ports.logs import LogNode
from headrace.core.words import Address, BlockNumber, ChainId
from headrace.jobs.planning import Read, Unread
from headrace.workloads.escrow import calldata
from headrace.workloads.escrow.lock_state import Authorization, authorization, available_funds, live_locks


@dataclass(frozen=True, slots=True, kw_only=True)
class PayerState:
    """As of the newest block. `available` in the token's smallest unit."""

    available: int
    authorization: Authorization | None


class EscrowReader:
    """`confirmations`: how deep a block is final, itself counted."""

    def __init__(self, node: LogNode, *, escrow: Address, chain: ChainId, confirmations: int) -> None:
        self.node, self.escrow, self.chain = node, escrow, chain
        self._confirmations = confirmations

    async def final_block(self) -> BlockNumber:
        """Raises NodeTrouble."""
        head = await self.node.head()
        return BlockNumber(max(head.number - self._confirmations + 1, 0))

    async def locks(self, payee: Address, *, as_of: BlockNumber) -> Read | Unread:
        try:
            answer = await self._ask(calldata.get_locks_of(payee), "getLocks", as_of=as_of)
            return Read(live_locks(answer, payee=payee), as_of)
        except (NodeTrouble, Undecodable) as trouble:
            return Unread(str(trouble))

    async def payer(self, payer: Address, *, token: Address, payee: Address) -> PayerState:
        """Raises NodeTrouble."""
        funds = await self._ask(calldata.get_user_funds(payer, token), "getUserFunds")
        allowed = await self._ask(
            calldata.get_authorizations(token, payer=payer, payee=payee), "getAuthorizations"
        )
        try:
            return PayerState(available=available_funds(funds), authorization=authorization(allowed, payee=payee))
        except Undecodable as error:
            raise NodeTrouble(f"the escrow 0x{self.escrow.hex()}: {error}") from error

    async def _ask(self, data: bytes, what: str, *, as_of: BlockNumber | None = None) -> bytes:
        answer = await self.node.call(to=self.escrow, data=data, as_of=as_of)
        if not isinstance(answer, Returned):
            raise NodeTrouble(f"{what} of the escrow 0x{self.escrow.hex()} reverted: is it an escrow?")
        return answer.data

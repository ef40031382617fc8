"""Fills a nonce of a lane that nobody's transaction holds.

Owns      what to do about a nonce below ours that the chain has free.
Promises  a filler is saved before a node sees it; a nonce that the ledger has had for good gets no other bytes.
Leaves    sending to `engine.lane_runner`.

By a no-op, never by the oldest work: what is sealed keeps the nonce that it has, since an attempt of it may be
mined there, and what is not sealed would let everything behind the gap wait for its simulation.
"""

import logging
from collections.abc import Container, Sequence
from typing import Final

from headrace.core import transaction as transactions
from headrace.core.ports import Clock, Node, NonceUsed, Note, Signer, TransactionStore
from headrace.core.words import Attempt, BlockNumber, ChainId, Fees, Nonce
from headrace.engine.trips import Trip

log = logging.getLogger(__name__)

NO_FORM: Final = ""  # of a transaction that carries nothing


class Gaps:
    def __init__(
        self,
        *,
        chain: ChainId,
        store: TransactionStore,
        node: Node,
        signer: Signer,
        clock: Clock,
        policy: transactions.Policy,
    ) -> None:
        self._chain, self._store, self._node, self._signer = chain, store, node, signer
        self._clock, self._policy = clock, policy
        self._seen: Nonce | None = None  # a gap that the last look found
        self.undone: str | None = None  # a nonce that was final here is free again on the chain

    async def mind(
        self,
        latest: Nonce,
        pending: Nonce,
        *,
        first: Trip,
        trips: Container[Nonce],
        fees: Fees,
        head: BlockNumber,
    ) -> Trip | None:
        """A sealed no-op to be sent, where one is needed. `first` is the lowest of ours that waits.

        A nonce below it that nobody's transaction holds keeps all of ours waiting: a stranger's, or one of ours
        from a store that was lost, was expected there and never came. Seen twice in a row, it is filled."""
        if pending >= first.nonce or pending != latest or pending in trips:
            self._seen = self.undone = None
            return None
        if self._seen != pending:
            self._seen = pending
            return None
        self._seen = None
        return await self._fill(pending, first, fees, head)

    async def _fill(self, nonce: Nonce, beside: Trip, fees: Fees, head: BlockNumber) -> Trip | None:
        lane = self._signer.address
        log.warning("lane 0x%s: nothing has nonce %d, which keeps ours waiting", lane.hex(), nonce)
        transaction = transactions.first_flight(
            nonce=nonce,
            batch=None,
            gas_limit=transactions.NO_OP_GAS,
            attempt=self._signer.sign_no_op(chain=self._chain, nonce=nonce, fees=fees),
            now=self._clock.now(),
            policy=self._policy,
        )
        told = "nothing had this nonce: filled by a no-op, so that what is behind it can go on"
        try:
            await self._store.seal(
                transaction,
                chain=self._chain,
                lane=lane,
                workload=beside.workload.name,
                form=NO_FORM,
                operations=(),
                notes=[Note(subject=f"0x{lane.hex()}/{nonce}", text=told)],
            )
        except NonceUsed:
            await self._repeat(nonce, head)
            return None
        return Trip(transaction, beside.workload, NO_FORM, (), lane)

    async def _repeat(self, nonce: Nonce, head: BlockNumber) -> None:
        """The ledger has had this nonce for good, and the chain has it free: a node that is behind, or a reorg
        deeper than our confirmations. Then the same bytes go out again: they are still the only ones for it."""
        lane = self._signer.address
        transaction = await self._store.transaction_at(chain=self._chain, lane=lane, nonce=nonce)
        if transaction is None or (await self._node.head()).number < head:
            return
        self.undone = (
            f"nonce {nonce} was final here and is free on the chain: a reorg deeper than the confirmations (raise "
            "chains.NAME.confirmations), or another chain; the same bytes are sent again"
        )
        log.error("lane 0x%s: %s", lane.hex(), self.undone)
        for attempt in _true_still(transaction):
            await self._node.send(attempt.raw)


def _true_still(transaction: transactions.Transaction) -> Sequence[Attempt]:
    """Attempts that make true again what was told of this nonce: where the batch had won, not the no-op that was
    to replace it; where it was given up, not the batch."""
    attempts = transactions.signed(transaction).attempts
    won = transactions.mined_of(transaction)
    purpose = attempts[-1].purpose if won is None else next(a for a in attempts if a.hash == won.winner).purpose
    return [attempt for attempt in attempts if attempt.purpose is purpose]

"""The fake node's pool, by geth's rules.

Owns      which signed transactions wait, and the order in which a miner would take them.
Promises  refusals in geth's words; nothing leaves without being asked to, mined, outpaid or unable to pay.
Leaves    state (nonces, balances) to the chain, which hands it in.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from headrace.core.words import Address, ChainId, Nonce, TxHash
from headrace.testing.fake_world import World
from headrace.testing.pool_rules import (
    ALREADY_KNOWN,
    NodeRules,
    Refusal,
    refuse_block_gas,
    refuse_chain,
    refuse_cost,
    refuse_count,
    refuse_form,
    refuse_nonce,
    refuse_replacement,
)
from headrace.testing.raw_transaction import RawTransaction


@dataclass(frozen=True, slots=True)
class _Waiting:
    transaction: RawTransaction
    arrival: int


class FakePool:
    def __init__(self, rules: NodeRules, chain: ChainId) -> None:
        self._rules = rules
        self._chain = chain
        self._waiting: dict[Address, dict[Nonce, _Waiting]] = {}
        self._arrivals = 0

    def __iter__(self) -> Iterator[RawTransaction]:
        """By account, lowest nonce first."""
        for of_account in self._waiting.values():
            for nonce in sorted(of_account):
                yield of_account[nonce].transaction

    def __len__(self) -> int:
        return sum(len(of_account) for of_account in self._waiting.values())

    def __contains__(self, hash: object) -> bool:
        return any(transaction.hash == hash for transaction in self)

    def add(self, transaction: RawTransaction, world: World, *, block_gas_limit: int) -> Refusal | None:
        """Takes it, or says why not."""
        mine = self._waiting.get(transaction.sender, {})
        old = mine.get(transaction.nonce)
        if old is not None and old.transaction.hash == transaction.hash:
            return ALREADY_KNOWN
        sender = transaction.sender
        refusal = (
            refuse_form(transaction, self._rules)
            or refuse_chain(transaction, self._chain)
            or refuse_block_gas(transaction, block_gas_limit)
            or refuse_nonce(transaction, world.nonce(sender))
            or refuse_cost(
                transaction,
                balance_wei=world.balance(sender),
                pooled_wei=sum(waiting.transaction.cost_wei for waiting in mine.values()),
                replaced_wei=old.transaction.cost_wei if old is not None else None,
            )
        )
        if refusal is not None:
            return refusal
        if old is not None:
            refusal = refuse_replacement(
                transaction,
                old_max_fee_wei=old.transaction.max_fee_wei,
                old_tip_wei=old.transaction.tip_wei,
                rules=self._rules,
            )
        else:
            refusal = refuse_count(len(mine), self._rules)
        if refusal is None:
            self._put(transaction)
        return refusal

    def put_back(self, transaction: RawTransaction) -> None:
        """From an uncled block. One that waits with the same nonce stays."""
        if transaction.nonce not in self._waiting.get(transaction.sender, {}):
            self._put(transaction)

    def drop(self, hash: TxHash) -> bool:
        """Says whether it was there."""
        for transaction in self:
            if transaction.hash == hash:
                self._remove(transaction)
                return True
        return False

    def clear(self) -> None:
        self._waiting.clear()

    def tidy(self, world: World) -> None:
        """After a change of state: what is spent or can no longer be paid goes."""
        for transaction in list(self):
            spent = transaction.nonce < world.nonce(transaction.sender)
            if spent or transaction.cost_wei > world.balance(transaction.sender):
                self._remove(transaction)

    def next_nonce(self, account: Address, world: World) -> Nonce:
        """What eth_getTransactionCount answers for `pending`."""
        nonce = world.nonce(account)
        while nonce in self._waiting.get(account, {}):
            nonce = Nonce(nonce + 1)
        return nonce

    def best(
        self, world: World, *, base_fee_wei: int, gas_left: int, passed_over: set[Address]
    ) -> RawTransaction | None:
        """What a miner takes next: the highest tip among each account's next nonce; of equals, who came first.

        Accounts whose next one is too dear or too big for this block are added to `passed_over`: what is behind it
        cannot go first."""
        candidates = []
        for account, of_account in self._waiting.items():
            waiting = of_account.get(world.nonce(account))
            if waiting is None or account in passed_over:
                continue
            transaction = waiting.transaction
            poor = transaction.cost_wei > world.balance(account)
            if poor or transaction.max_fee_wei < base_fee_wei or transaction.gas > gas_left:
                passed_over.add(account)
                continue
            tip = min(transaction.tip_wei, transaction.max_fee_wei - base_fee_wei)
            candidates.append((-tip, waiting.arrival, transaction))
        return min(candidates, key=lambda c: c[:2])[2] if candidates else None

    def _put(self, transaction: RawTransaction) -> None:
        self._arrivals += 1
        waiting = _Waiting(transaction, self._arrivals)
        self._waiting.setdefault(transaction.sender, {})[transaction.nonce] = waiting

    def _remove(self, transaction: RawTransaction) -> None:
        of_account = self._waiting[transaction.sender]
        del of_account[transaction.nonce]
        if not of_account:
            del self._waiting[transaction.sender]

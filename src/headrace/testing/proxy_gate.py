"""The strict proxy's gatekeeper: which signed transactions may go on to the node behind it.

Owns      what it let into the pool, per account, and the rules that need it (duplicates, replacements, count).
Promises  never trusts its memory alone: before it refuses because of a pooled transaction it asks the node
          whether that one is still there. What was mined or dropped is forgotten.
Leaves    the rules themselves to `pool_rules`, carrying bytes to `strict_proxy`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from headrace.core.words import Address, Nonce, TxHash
from headrace.testing.pool_rules import (
    ALREADY_KNOWN,
    SERVER_ERROR,
    NodeRules,
    Refusal,
    refuse_cost,
    refuse_count,
    refuse_form,
    refuse_nonce,
    refuse_replacement,
)
from headrace.testing.raw_transaction import RawTransaction

Ask = Callable[..., Awaitable[Any]]  # (method, *params) -> result

_ACCOUNTS_MAX: Final = 10_000

# What anvil says, where geth says the same in other words.
_IN_GETHS_WORDS: Final = {
    "transaction already imported": ALREADY_KNOWN.message,
    "intrinsic gas too high -- tx.gas_limit > env.block.gas_limit": "exceeds block gas limit",
    "invalid chain id for signer": "invalid sender: invalid chain id for signer",
}


@dataclass(frozen=True, slots=True)
class _Pooled:
    hash: TxHash
    max_fee_wei: int
    tip_wei: int


@dataclass(slots=True)
class _Account:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    pooled: dict[Nonce, _Pooled] = field(default_factory=dict)


class ProxyGate:
    """`ask` asks the node behind the proxy, and raises RpcRefused for its errors."""

    def __init__(self, ask: Ask, rules: NodeRules) -> None:
        self._ask = ask
        self._rules = rules
        self._accounts: OrderedDict[Address, _Account] = OrderedDict()

    def turn_of(self, sender: Address) -> asyncio.Lock:
        """To be held from `refusal` to `took`: one account's transactions go through one by one."""
        return self._account(sender).lock

    async def refusal(self, transaction: RawTransaction) -> Refusal | None:
        """Why a real node would not take it, where the node behind us might."""
        account = self._account(transaction.sender)
        standing = account.pooled.get(transaction.nonce)
        if standing is not None and not await self._still_pooled(standing):
            del account.pooled[transaction.nonce]
            standing = None
        if standing is not None and standing.hash == transaction.hash:
            return ALREADY_KNOWN
        refused = refuse_form(transaction, self._rules)
        if refused is not None:
            return refused
        if standing is not None:
            return refuse_replacement(
                transaction,
                old_max_fee_wei=standing.max_fee_wei,
                old_tip_wei=standing.tip_wei,
                rules=self._rules,
            )
        if len(account.pooled) < self._rules.pooled_per_account_max:
            return None
        nonces = await self._pooled_nonces(transaction.sender)
        account.pooled = {nonce: pooled for nonce, pooled in account.pooled.items() if nonce in nonces}
        return refuse_count(len(nonces), self._rules)

    def took(self, transaction: RawTransaction) -> None:
        """The node has it in its pool."""
        account = self._account(transaction.sender)
        account.pooled[transaction.nonce] = _Pooled(transaction.hash, transaction.max_fee_wei, transaction.tip_wei)

    async def reword(self, transaction: RawTransaction, code: int, message: str) -> Refusal:
        """The node's refusal as geth would have put it."""
        if message == "nonce too low":
            nonce = int(await self._ask("eth_getTransactionCount", _hex(transaction.sender), "latest"), 16)
            return refuse_nonce(transaction, Nonce(nonce)) or Refusal(message)
        if message.lower() == "insufficient funds for gas * price + value":
            balance = int(await self._ask("eth_getBalance", _hex(transaction.sender), "latest"), 16)
            poor = refuse_cost(transaction, balance_wei=balance, pooled_wei=0, replaced_wei=None)
            return poor or Refusal(message.lower())
        # Codes of JSON-RPC itself (-32602: these bytes are no transaction) stay; all others are one to geth.
        return Refusal(_IN_GETHS_WORDS.get(message, message), code if code < -32099 else SERVER_ERROR)

    async def _still_pooled(self, pooled: _Pooled) -> bool:
        found = await self._ask("eth_getTransactionByHash", _hex(pooled.hash))
        return found is not None and found["blockNumber"] is None

    async def _pooled_nonces(self, sender: Address) -> set[int]:
        pool = await self._ask("txpool_inspect")
        return {int(nonce) for part in ("pending", "queued") for nonce in pool[part].get(_hex(sender), {})}

    def _account(self, sender: Address) -> _Account:
        account = self._accounts.setdefault(sender, _Account())
        self._accounts.move_to_end(sender)
        if len(self._accounts) > _ACCOUNTS_MAX:
            oldest, state = next(iter(self._accounts.items()))
            if not state.lock.locked():  # forgetting costs strictness for this account, nothing else
                del self._accounts[oldest]
        return account


def _hex(data: bytes) -> str:
    return "0x" + data.hex()

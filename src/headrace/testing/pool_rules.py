"""What a real node refuses to take into its pool, in go-ethereum's words and codes.

Owns      the limits, and the sentence for each.
Promises  plain functions; the same rules serve the strict proxy and the fake node.
Leaves    what is in the pool now to those who keep one.
"""

from dataclasses import dataclass
from typing import Final

from headrace.core.words import ChainId, Nonce
from headrace.testing.raw_transaction import RawTransaction

SERVER_ERROR: Final = -32000  # geth answers every refusal of a transaction with it


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer to eth_sendRawTransaction."""

    message: str
    code: int = SERVER_ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRules:
    """Defaults: mainnet under Osaka (EIP-7825) and geth's own settings.

    `pooled_per_account_max` counts all of an account's transactions in the pool. Geth lets more wait while there
    is room, and drops what is over 64 behind a nonce gap without a word; we say no, so that a test can see it."""

    gas_per_transaction_max: int | None = 1 << 24  # None: no such limit (before Osaka, from Amsterdam on)
    raw_bytes_max: int = 128 * 1024
    replacement_percent: int = 10
    pooled_per_account_max: int = 64
    tip_min_wei: int = 1


def refuse_form(transaction: RawTransaction, rules: NodeRules) -> Refusal | None:
    """What can be said without looking at the chain."""
    size = len(transaction.raw)
    if size > rules.raw_bytes_max:
        return Refusal(f"oversized data: transaction size {size}, limit {rules.raw_bytes_max}")
    cap = rules.gas_per_transaction_max
    if cap is not None and transaction.gas > cap:
        return Refusal(f"transaction gas limit too high (cap: {cap}, tx: {transaction.gas})")
    if transaction.tip_wei > transaction.max_fee_wei:
        return Refusal("max priority fee per gas higher than max fee per gas")
    if transaction.gas < transaction.intrinsic_gas:
        needed = transaction.intrinsic_gas
        return Refusal(f"intrinsic gas too low: gas {transaction.gas}, minimum needed {needed}")
    if transaction.gas < transaction.floor_gas:
        needed = transaction.floor_gas
        return Refusal(f"insufficient gas for floor data gas cost: gas {transaction.gas}, minimum needed {needed}")
    if transaction.tip_wei < rules.tip_min_wei:
        tip, least = transaction.tip_wei, rules.tip_min_wei
        return Refusal(f"transaction gas price below minimum: gas tip cap {tip}, minimum needed {least}")
    return None


def refuse_chain(transaction: RawTransaction, chain: ChainId) -> Refusal | None:
    if transaction.chain in (None, chain):
        return None
    return Refusal(f"invalid sender: invalid chain id for signer: have {transaction.chain} want {chain}")


def refuse_block_gas(transaction: RawTransaction, block_gas_limit: int) -> Refusal | None:
    return Refusal("exceeds block gas limit") if transaction.gas > block_gas_limit else None


def refuse_nonce(transaction: RawTransaction, next_nonce: Nonce) -> Refusal | None:
    if transaction.nonce >= next_nonce:
        return None
    return Refusal(f"nonce too low: next nonce {next_nonce}, tx nonce {transaction.nonce}")


def refuse_cost(
    transaction: RawTransaction, *, balance_wei: int, pooled_wei: int, replaced_wei: int | None
) -> Refusal | None:
    """`pooled_wei`: what all of the sender's pooled transactions may cost; `replaced_wei`: the one it replaces."""
    cost, text = transaction.cost_wei, f"insufficient funds for gas * price + value: balance {balance_wei}, "
    if cost > balance_wei:
        return Refusal(f"{text}tx cost {cost}, overshot {cost - balance_wei}")
    if replaced_wei is not None:
        over = pooled_wei + cost - replaced_wei - balance_wei
        text += f"queued cost {pooled_wei}, tx bumped {cost - replaced_wei}, overshot {over}"
    else:
        over = pooled_wei + cost - balance_wei
        text += f"queued cost {pooled_wei}, tx cost {cost}, overshot {over}"
    return Refusal(text) if over > 0 else None


def refuse_replacement(
    transaction: RawTransaction, *, old_max_fee_wei: int, old_tip_wei: int, rules: NodeRules
) -> Refusal | None:
    """Both fees must be higher, and by the percentage (rounded down, as geth does)."""
    percent = 100 + rules.replacement_percent
    enough = all(
        new > old and new >= old * percent // 100
        for new, old in ((transaction.max_fee_wei, old_max_fee_wei), (transaction.tip_wei, old_tip_wei))
    )
    return None if enough else Refusal("replacement transaction underpriced")


def refuse_count(pooled: int, rules: NodeRules) -> Refusal | None:
    """`pooled`: how many the account has in the pool, before this one."""
    if pooled < rules.pooled_per_account_max:
        return None
    return Refusal(f"account limit exceeded: pooled {pooled} txs")


ALREADY_KNOWN: Final = Refusal("already known")

"""Reads what nodes say in words. The only place that matches node text.

Owns      the phrases of geth, reth, erigon, nethermind, besu and anvil, and what each makes us do.
Promises  an answer we have never seen to an offered transaction is UNSURE: guessing "not sent" is how money is
          spent twice.
Leaves    asking to `chain.node` and `chain.endpoints`.
"""

from typing import Final

from headrace.core.words import Reply

# EIP-7966: 4 is "in the pool, not mined in time", 5 is "kept, but not ready". Both may have been taken.
_MAYBE_TAKEN_CODES: Final = frozenset({4, 5})

# Read from top to bottom, the first that fits counts: a narrow phrase stands above the wider one it contains.
PHRASES: Final[tuple[tuple[str, Reply], ...]] = (
    # The node has these very bytes.
    ("already known", Reply.IN_POOL),  # geth, reth, nethermind; erigon says "ALREADY_EXISTS: already known"
    ("already imported", Reply.IN_POOL),  # anvil
    ("already_exists", Reply.IN_POOL),  # erigon
    ("alreadyknown", Reply.IN_POOL),  # nethermind before 2026
    ("known transaction", Reply.IN_POOL),  # besu
    ("with same hash", Reply.IN_POOL),  # erigon: existing tx(n) with same hash
    # The pool has no room for this transaction now. Before the fees: "txpool is full" is no question of price.
    ("future transaction tries to replace pending", Reply.SEND_LATER),  # geth, full pool and a gap
    ("replaced by transaction with higher tip", Reply.UNSURE),  # erigon: maybe by an attempt of ours
    # Somebody else, or an older attempt of ours, offers more; or the block's price is higher.
    ("underpriced", Reply.RAISE_FEES),  # both "transaction underpriced" and "replacement transaction ..."
    ("could not replace existing", Reply.RAISE_FEES),  # erigon
    ("replacementnotallowed", Reply.RAISE_FEES),  # nethermind before 2026
    ("insufficient gas price to replace", Reply.RAISE_FEES),  # anvil
    ("less than block base fee", Reply.RAISE_FEES),  # geth, reth, anvil
    ("below current base fee", Reply.RAISE_FEES),  # besu
    ("below configured minimum gas price", Reply.RAISE_FEES),  # besu
    ("gas price below minimum", Reply.RAISE_FEES),  # geth
    ("priority fee below minimum", Reply.RAISE_FEES),  # reth
    ("fee too low", Reply.RAISE_FEES),  # erigon
    ("feetoolow", Reply.RAISE_FEES),  # nethermind before 2026
    # The nonce is spent.
    ("nonce too low", Reply.LOOK_FOR_RECEIPT),
    ("oldnonce", Reply.LOOK_FOR_RECEIPT),  # nethermind before 2026
    ("nonce already used", Reply.LOOK_FOR_RECEIPT),
    ("ownnoncealreadyused", Reply.LOOK_FOR_RECEIPT),  # nethermind before 2026
    ("internal_error: mined", Reply.LOOK_FOR_RECEIPT),  # erigon
    # Too early, or too many.
    ("nonce too high", Reply.SEND_LATER),
    ("nonce too far in future", Reply.SEND_LATER),  # nethermind
    ("noncetoofarinfuture", Reply.SEND_LATER),  # nethermind before 2026
    ("noncegap", Reply.SEND_LATER),  # nethermind before 2026
    ("nonce is too distant", Reply.SEND_LATER),  # besu
    ("delegation nonce gap", Reply.SEND_LATER),  # nethermind, EIP-7702 account
    ("transaction with a lower nonce exists", Reply.SEND_LATER),  # besu: one before it must be repaired first
    ("gapped-nonce", Reply.SEND_LATER),  # geth, EIP-7702 account
    ("in-flight transaction limit reached", Reply.SEND_LATER),  # geth, EIP-7702 account
    ("authority has pending transaction", Reply.SEND_LATER),  # nethermind, EIP-7702 account
    ("already reserved", Reply.SEND_LATER),  # geth, reth: a blob transaction of this account is pooled
    ("pending transaction type conflict", Reply.SEND_LATER),  # nethermind: the same
    ("account limit exceeded", Reply.SEND_LATER),  # geth
    ("txpool is full", Reply.SEND_LATER),  # geth, reth
    ("sub-pool is full", Reply.SEND_LATER),  # erigon: pending, baseFee, queued
    ("spammer", Reply.SEND_LATER),  # erigon: too many of this sender
    ("transaction pool not enabled", Reply.SEND_LATER),  # besu while it syncs
    ("sync is still in progress", Reply.SEND_LATER),  # besu
    ("node is syncing", Reply.SEND_LATER),  # nethermind
    # The account cannot pay for it.
    ("insufficient funds", Reply.FUND_LANE),
    ("insufficientfunds", Reply.FUND_LANE),  # nethermind before 2026
    ("upfront cost exceeds account balance", Reply.FUND_LANE),  # besu
    # Too much for one transaction, by the protocol's limits or this node's. No waiting and no fee will help; less
    # in one transaction will.
    ("gas limit too high", Reply.TOO_LARGE),  # geth and reth: above 2^24 (EIP-7825)
    ("gas limit is too high", Reply.TOO_LARGE),  # erigon
    ("exceeds max transaction gas limit", Reply.TOO_LARGE),  # reth
    ("block gas limit", Reply.TOO_LARGE),  # geth, reth, besu: exceeds ...; anvil: is greater than the ...
    ("gas limit reached", Reply.TOO_LARGE),  # nethermind
    ("gaslimitexceeded", Reply.TOO_LARGE),  # nethermind before 2026
    ("intrinsic gas", Reply.TOO_LARGE),  # too low (geth, reth), too high (anvil), exceeds gas limit (besu)
    ("intrinsicgas", Reply.TOO_LARGE),  # erigon
    ("floor data gas", Reply.TOO_LARGE),  # geth: EIP-7623
    ("oversized data", Reply.TOO_LARGE),  # geth, reth, erigon: above 128 KiB
    ("transaction too large", Reply.TOO_LARGE),  # nethermind
    ("maxtxsizeexceeded", Reply.TOO_LARGE),  # nethermind before 2026
    ("rlptoolong", Reply.TOO_LARGE),  # erigon
    ("exceeds the configured cap", Reply.TOO_LARGE),  # geth, reth: the node's own cap on the whole fee
    ("fee cap exceeded", Reply.TOO_LARGE),  # besu: the same
    # Wrong in itself, or not wanted here. Only a person can tell why.
    ("gas uint64 overflow", Reply.REFUSED),
    ("gasuintoverflow", Reply.REFUSED),  # erigon
    ("cost overflow", Reply.REFUSED),  # nethermind
    ("initcode", Reply.REFUSED),  # max initcode size exceeded; initcode too large
    ("type not supported", Reply.REFUSED),  # geth, reth
    ("unsupported transaction type", Reply.REFUSED),  # nethermind
    ("invalid transaction type", Reply.REFUSED),  # besu
    ("transaction type is not activated", Reply.REFUSED),  # erigon
    ("invalid chain id", Reply.REFUSED),  # geth, reth, anvil
    ("wrong chainid", Reply.REFUSED),  # besu
    ("chainid not supported", Reply.REFUSED),  # besu
    ("higher than max fee per gas", Reply.REFUSED),  # geth, reth, anvil: tip above the fee
    ("max priority fee per gas exceeds", Reply.REFUSED),  # besu
    ("nonce has max value", Reply.REFUSED),
    ("sender not an eoa", Reply.REFUSED),  # geth, nethermind
    ("sender is not an eoa", Reply.REFUSED),  # reth
    ("not authorized to send", Reply.REFUSED),  # besu with permissions
    ("invalid sender", Reply.REFUSED),
    ("invalid signature", Reply.REFUSED),  # besu
    ("invalid transaction signature", Reply.REFUSED),  # reth
    ("failed to recover sender", Reply.REFUSED),  # nethermind
    ("failed to decode", Reply.REFUSED),  # reth, anvil
    ("transaction invalid", Reply.REFUSED),  # nethermind
    ("negative value", Reply.REFUSED),
)

_REVERTED: Final = ("revert", "vm execution error", "vm exception")
_RAN_AND_DIED: Final = (
    "out of gas",  # geth, reth
    "outofgas",  # anvil: EVM error OutOfGas
    "evm error",  # reth, anvil: any halt
    "invalid opcode",
    "invalid jump",
    "stack underflow",
    "stack limit reached",
    "write protection",
    "return data out of bounds",
    "max code size exceeded",
    "gas uint64 overflow",
    "intrinsic gas",  # not even enough to begin with
    "floor data gas",
    "could not be completed due to an exception",  # besu: any halt
)
_NO_SUCH_METHOD: Final = (
    "method not found",
    "does not exist/is not available",  # geth
    "method not enabled",  # besu
    "unsupported method",
    "not supported",
    "not implemented",
)
_WRONG_ARGUMENTS: Final = ("too many arguments", "too many parameters", "invalid param", "number of params")
_UNKNOWN_BLOCK: Final = (
    "block not found",
    "unknown block",
    "header not found",
    "could not find block",
    "resource not found",
    "cannot find header",
    "block is not found",
)
# More blocks, or more logs in them, than the node answers at once: fewer blocks will do.
_TOO_MANY_LOGS: Final = (
    "query returned more than",  # infura, anvil of old, many providers
    "query exceeds max",  # reth: block range, results
    "block range",  # exceeds, is too large, limit: alchemy, ankr, bsc, quicknode and others
    "range limit",  # besu: requested range exceeds maximum RPC range limit
    "range is too large",
    "range too large",
    "is limited to a",  # quicknode: eth_getLogs is limited to a 10,000 range
    "response size",  # alchemy: log response size exceeded; others: response size is larger than
    "response is too big",
    "too many logs",
    "too many results",
    "logs matched by query exceeds",  # polygon zkevm
    "query timeout",  # it was too much for the node; half of it may not be
    "maximum block distance",  # chainstack, blast
)
_TOO_MANY: Final = (
    "rate limit",
    "rate exceeded",  # project ID request rate exceeded
    "request limit",  # 50/second request limit reached
    "too many requests",
    "request count exceeded",  # daily request count exceeded
    "exceeded its compute units",
    "exceeded its throughput limit",
)


def read_reply(message: str, code: int | None = None) -> Reply:
    """What an error answered to eth_sendRawTransaction makes us do. `code` is that of the JSON-RPC error."""
    if code in _MAYBE_TAKEN_CODES:
        return Reply.UNSURE
    text = message.lower()
    return next((reply for phrase, reply in PHRASES if phrase in text), Reply.UNSURE)


def says_reverted(message: str, code: int | None = None) -> bool:
    """The call ran and the EVM said no: a revert, or a halt such as running out of gas."""
    text = message.lower()
    return code == 3 or any(phrase in text for phrase in (*_REVERTED, *_RAN_AND_DIED))


def says_no_such_method(message: str, code: int | None = None) -> bool:
    text = message.lower()
    return code in (-32601, -32604) or any(phrase in text for phrase in _NO_SUCH_METHOD)


def says_wrong_arguments(message: str, code: int | None = None) -> bool:
    return code == -32602 or any(phrase in message.lower() for phrase in _WRONG_ARGUMENTS)


def says_unknown_block(message: str, code: int | None = None) -> bool:
    """-32001 is "resource not found" of EIP-1474, -39001 besu's own."""
    text = message.lower()
    return code in (-32001, -39001) or any(phrase in text for phrase in _UNKNOWN_BLOCK)


def says_too_many_logs(message: str, code: int | None = None) -> bool:
    """To eth_getLogs. A range that ends beyond the newest block is something else."""
    text = message.lower()
    return any(phrase in text for phrase in _TOO_MANY_LOGS) and "beyond current head" not in text


def says_too_many_requests(message: str, code: int | None = None) -> bool:
    # Not by -32005 alone: besu uses that code for a gas limit above the block's, which is an answer.
    text = message.lower()
    return code == 429 or any(phrase in text for phrase in _TOO_MANY)

"""Real answers of real nodes, and what each makes us do.

From the nodes' sources: go-ethereum core/txpool, core/txpool/legacypool, core/error.go and its RPC layer; reth
rpc-eth-types; erigon txpoolcfg (its RPC puts the import result in front); nethermind AcceptTxResult and
TxPoolErrorMessages, and the form it had before them; besu RpcErrorType; anvil 1.7.1, measured.
"""

from typing import Final

import pytest

from headrace.chain.replies import (
    PHRASES,
    read_reply,
    says_no_such_method,
    says_reverted,
    says_too_many_logs,
    says_too_many_requests,
    says_unknown_block,
)
from headrace.core.words import Reply

IN_POOL, RAISE, RECEIPT = Reply.IN_POOL, Reply.RAISE_FEES, Reply.LOOK_FOR_RECEIPT
LATER, FUND, REFUSED, UNSURE = Reply.SEND_LATER, Reply.FUND_LANE, Reply.REFUSED, Reply.UNSURE
LARGE = Reply.TOO_LARGE

SAID: Final = [
    ("geth", -32000, "already known", IN_POOL),
    ("geth", -32000, "replacement transaction underpriced", RAISE),
    ("geth", -32000, "transaction underpriced", RAISE),
    ("geth", -32000, "transaction underpriced: gas tip cap 1, minimum needed 1000000", RAISE),
    ("geth", -32000, "transaction gas price below minimum: gas tip cap 0, minimum needed 1", RAISE),
    ("geth", -32000, "max fee per gas less than block base fee: address 0xab, maxFeePerGas: 1, baseFee: 7", RAISE),
    ("geth", -32000, "nonce too low: next nonce 9, tx nonce 7", RECEIPT),
    ("geth", -32000, "nonce too high: tx nonce 12, gapped nonce 9", LATER),
    ("geth", -32000, "txpool is full", LATER),
    ("geth", -32000, "account limit exceeded: pooled 16 txs", LATER),
    ("geth", -32000, "future transaction tries to replace pending", LATER),
    ("geth", -32000, "in-flight transaction limit reached for delegated accounts", LATER),
    ("geth", -32000, "gapped-nonce tx from delegated accounts", LATER),
    ("geth", -32000, "address already reserved", LATER),
    ("geth", -32000, "insufficient funds for gas * price + value: balance 0, tx cost 21, overshot 21", FUND),
    ("geth", -32000, "transaction gas limit too high (cap: 16777216, tx: 20000000)", LARGE),
    ("geth", -32000, "exceeds block gas limit", LARGE),
    ("geth", -32000, "intrinsic gas too low: gas 21000, minimum needed 21400", LARGE),
    ("geth", -32000, "insufficient gas for floor data gas cost: gas 21800, minimum needed 23000", LARGE),
    ("geth", -32000, "oversized data: transaction size 131500, limit 131072", LARGE),
    ("geth", -32000, "max initcode size exceeded: code size 60000, limit 49152", REFUSED),
    ("geth", -32000, "transaction type not supported: tx type 4 not supported by this pool", REFUSED),
    ("geth", -32000, "invalid sender: invalid chain id for signer: have 1 want 31337", REFUSED),
    ("geth", -32000, "max priority fee per gas higher than max fee per gas", REFUSED),
    ("geth", -32000, "tx fee (1.23 ether) exceeds the configured cap (1.00 ether)", LARGE),
    ("geth", -32000, "sender not an eoa: address 0xab, len(code): 30", REFUSED),
    ("arbitrum", -32000, "nonce too high: address 0xab, tx: 12 state: 9", LATER),
    ("reth", -32000, "already known", IN_POOL),
    ("reth", -32000, "replacement transaction underpriced", RAISE),
    ("reth", -32003, "transaction priority fee below minimum required priority fee 1000000", RAISE),
    ("reth", -32000, "max fee per gas less than block base fee", RAISE),
    ("reth", -32000, "nonce too low: next nonce 9, tx nonce 7", RECEIPT),
    ("reth", -32003, "txpool is full", LATER),
    ("reth", -32000, "address already reserved", LATER),
    ("reth", -32003, "insufficient funds for gas * price + value: have 0 want 21", FUND),
    ("reth", -32000, "exceeds max transaction gas limit", LARGE),
    ("reth", -32003, "gas limit too high", LARGE),
    ("reth", -32000, "intrinsic gas too high", LARGE),
    ("reth", -32000, "oversized data: transaction size 131500, limit 131072", LARGE),
    ("reth", -32000, "tx fee (2 wei) exceeds the configured cap (1 wei)", LARGE),
    ("reth", -32000, "invalid chain ID", REFUSED),
    ("reth", -32602, "failed to decode signed transaction", REFUSED),
    ("reth", -32602, "invalid transaction signature", REFUSED),
    ("erigon", -32000, "ALREADY_EXISTS: already known", IN_POOL),
    ("erigon", -32000, "INTERNAL_ERROR: existing tx with same hash", IN_POOL),
    ("erigon", -32000, "INTERNAL_ERROR: existing txn with same hash", IN_POOL),
    ("erigon", -32000, "FEE_TOO_LOW: underpriced", RAISE),
    ("erigon", -32000, "FEE_TOO_LOW: fee too low", RAISE),
    ("erigon", -32000, "INTERNAL_ERROR: could not replace existing tx", RAISE),
    ("erigon", -32000, "INTERNAL_ERROR: replacement transaction underpriced", RAISE),
    ("erigon", -32000, "INTERNAL_ERROR: nonce too low", RECEIPT),
    ("erigon", -32000, "INTERNAL_ERROR: mined", RECEIPT),
    ("erigon", -32000, "INTERNAL_ERROR: pending sub-pool is full", LATER),
    ("erigon", -32000, "INTERNAL_ERROR: queued sub-pool is full", LATER),
    ("erigon", -32000, "INTERNAL_ERROR: spammer", LATER),
    ("erigon", -32000, "INTERNAL_ERROR: insufficient funds", FUND),
    ("erigon", -32000, "INTERNAL_ERROR: IntrinsicGas", LARGE),
    ("erigon", -32000, "INTERNAL_ERROR: RLPTooLong", LARGE),
    ("erigon", -32000, "INTERNAL_ERROR: initcode too large", REFUSED),
    ("erigon", -32000, "INTERNAL_ERROR: gas limit is too high", LARGE),
    ("erigon", -32000, "INTERNAL_ERROR: replaced by transaction with higher tip", UNSURE),
    ("nethermind", -32010, "already known", IN_POOL),
    ("nethermind", -32010, "AlreadyKnown", IN_POOL),
    ("nethermind", -32010, "transaction underpriced, MaxFeePerGas: 1, CurrentBaseFee: 7", RAISE),
    ("nethermind", -32010, "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 7", RAISE),
    ("nethermind", -32010, "FeeTooLowToCompete", RAISE),
    ("nethermind", -32010, "ReplacementNotAllowed", RAISE),
    ("nethermind", -32010, "nonce too low, current nonce: 9, nonce of rejected tx: 7", RECEIPT),
    ("nethermind", -32010, "OldNonce, Current nonce: 9, nonce of rejected tx: 7", RECEIPT),
    ("nethermind", -32010, "OwnNonceAlreadyUsed", RECEIPT),
    ("nethermind", -32010, "nonce too high, Future nonce. Expected nonce: 9", LATER),
    ("nethermind", -32010, "NonceGap, Future nonce. Expected nonce: 9", LATER),
    ("nethermind", -32010, "nonce too far in future", LATER),
    ("nethermind", -32010, "delegation nonce gap", LATER),
    ("nethermind", -32010, "pending transaction type conflict", LATER),
    ("nethermind", -32010, "node is syncing", LATER),
    ("nethermind", -32010, "insufficient funds for gas * price + value, Account balance: 0", FUND),
    ("nethermind", -32010, "InsufficientFunds, Account balance: 0, cumulative cost: 21", FUND),
    ("nethermind", -32010, "gas limit reached, Gas limit: 60000000, gas limit of rejected tx: 70000000", LARGE),
    ("nethermind", -32010, "GasLimitExceeded, Gas limit: 60000000", LARGE),
    ("nethermind", -32010, "transaction too large", LARGE),
    ("nethermind", -32010, "MaxTxSizeExceeded", LARGE),
    ("nethermind", -32010, "failed to recover sender", REFUSED),
    ("nethermind", -32010, "unsupported transaction type", REFUSED),
    ("nethermind", -32010, "transaction invalid, intrinsic gas too low", LARGE),
    ("besu", -32000, "Known transaction", IN_POOL),
    ("besu", -32000, "Replacement transaction underpriced", RAISE),
    ("besu", -32009, "Gas price below configured minimum gas price", RAISE),
    ("besu", -32009, "Gas price below current base fee", RAISE),
    ("besu", -32001, "Nonce too low", RECEIPT),
    ("besu", -32006, "Nonce too high", LATER),
    ("besu", -32000, "Transaction nonce is too distant from current sender nonce", LATER),
    ("besu", -32000, "An invalid transaction with a lower nonce exists", LATER),
    ("besu", -32008, "Initial sync is still in progress", LATER),
    (
        "besu",
        -32002,
        "Transaction pool not enabled. (Either txpool explicitly disabled, or node not yet in sync).",
        LATER,
    ),
    ("besu", -32004, "Upfront cost exceeds account balance", FUND),
    ("besu", -32003, "Intrinsic gas exceeds gas limit", LARGE),
    ("besu", -32005, "Transaction gas limit exceeds block gas limit", LARGE),
    ("besu", -32000, "Wrong chainId", REFUSED),
    ("besu", -32000, "Transaction fee cap exceeded", LARGE),
    ("besu", -32000, "Max priority fee per gas exceeds max fee per gas", REFUSED),
    ("besu", -32007, "Sender account not authorized to send transactions", REFUSED),
    ("besu", -32002, "Invalid signature", REFUSED),
    ("anvil", -32003, "transaction already imported", IN_POOL),
    ("anvil", -32003, "replacement transaction underpriced", RAISE),
    ("anvil", -32003, "max fee per gas less than block base fee", RAISE),
    ("anvil", -32003, "nonce too low", RECEIPT),
    ("anvil", -32003, "Insufficient funds for gas * price + value", FUND),
    ("anvil", -32000, "intrinsic gas too high -- CallerGasLimitMoreThanBlock", LARGE),
    ("anvil", -32003, "invalid chain id for signer", REFUSED),
    ("anvil", -32602, "Failed to decode transaction", REFUSED),
    ("EIP-7966", 4, "The transaction was added to the mempool but wasn't processed in 2s", UNSURE),
    ("EIP-7966", 5, "The transaction was not ready: insufficient funds", UNSURE),
    ("a proxy", -32603, "Internal error", UNSURE),
    ("nobody yet", -32000, "something no node ever said", UNSURE),
    ("nobody yet", None, "", UNSURE),
]


@pytest.mark.parametrize(("node", "code", "said", "meant"), SAID, ids=[f"{n}: {s[:50]}" for n, _, s, _ in SAID])
def test_node_text(node: str, code: int | None, said: str, meant: Reply) -> None:
    assert read_reply(said, code) is meant


def test_every_reply_can_be_reached() -> None:
    assert {reply for _, reply in PHRASES} == set(Reply)
    assert {meant for *_, meant in SAID} == set(Reply)


def test_phrases_are_lower_case_and_none_is_hidden_by_one_above_it() -> None:
    for index, (phrase, reply) in enumerate(PHRASES):
        assert phrase == phrase.lower()
        hiding = [above for above, other in PHRASES[:index] if above in phrase and other is not reply]
        assert hiding == [], phrase


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (3, "execution reverted: custom error 0x2e98c533"),
        (-32000, "execution reverted"),
        (-32000, "Execution reverted"),
        (-32015, "VM execution error."),
        (-32000, "out of gas"),
        (-32000, "invalid opcode: INVALID"),
        (-32000, "invalid jump destination"),
        (-32000, "stack underflow (0 <=> 1)"),
        (-32003, "out of gas: gas required exceeds: 50000"),
        (-32603, "EVM error OutOfGas"),
        (-32603, "EVM error InvalidFEOpcode"),
        (-32000, "Transaction processing could not be completed due to an exception"),
        (-32000, "intrinsic gas too high -- CallGasCostMoreThanGasLimit"),
    ],
)
def test_what_the_evm_says_no_to_is_told_from_trouble(code: int, said: str) -> None:
    assert says_reverted(said, code)


@pytest.mark.parametrize("said", ["header not found", "missing trie node", "execution aborted (timeout = 5s)"])
def test_trouble_is_no_revert(said: str) -> None:
    assert not says_reverted(said, -32000)


def test_a_missing_method_an_unknown_block_and_a_rate_limit_are_told_apart() -> None:
    assert says_no_such_method("the method eth_getBlockReceipts does not exist/is not available", -32601)
    assert says_no_such_method("Method not enabled", -32604)
    assert not says_no_such_method("execution reverted", 3)
    assert says_unknown_block("block not found: 0x186a0", -32001)
    assert says_unknown_block("Unknown block", -39001)
    assert says_unknown_block("header not found", -32000)
    assert not says_unknown_block("execution reverted", 3)
    assert says_too_many_requests("daily request count exceeded, request rate limited", -32005)
    assert says_too_many_requests("50/second request limit reached - reduce calls per second", -32007)
    assert not says_too_many_requests("Transaction gas limit exceeds block gas limit", -32005)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("query returned more than 10000 results", -32005),
        ("query exceeds max results 20000, retry with the range 1-9", -32602),
        ("query exceeds max block range 100000", -32602),
        ("exceed maximum block range: 5000", -32000),
        ("Requested range exceeds maximum RPC range limit", -32005),
        ("eth_getLogs is limited to a 10,000 range", -32614),
        ("Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range", -32602),
    ],
)
def test_a_node_that_wants_fewer_blocks_is_understood(message: str, code: int) -> None:
    assert says_too_many_logs(message, code)
    assert not says_too_many_requests(message, code)


def test_a_range_beyond_the_newest_block_is_no_matter_of_its_length() -> None:
    assert not says_too_many_logs("block range extends beyond current head block", -32602)
    assert not says_too_many_logs("header not found", -32000)

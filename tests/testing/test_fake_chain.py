import pytest
from eth_utils.crypto import keccak

from headrace.core.words import Block, BlockHash, BlockNumber
from headrace.testing.fake_chain import FakeChain, next_base_fee
from headrace.testing.keys import keys_from_seed
from headrace.testing.raw_transaction import read_transaction
from testing.signing import GWEI, signed

A, B, C = keys_from_seed(7, 3)
ETHER = 10**18


def new_chain(**other: object) -> FakeChain:
    return FakeChain(balances={key.address: 100 * ETHER for key in (A, B, C)}, **other)  # type: ignore[arg-type]


def mined(chain: FakeChain, block: int = -1) -> list[bytes]:
    return [transaction.raw for transaction in chain.blocks[block].transactions]


# ---- The pool


def test_it_refuses_in_geths_words() -> None:
    chain = new_chain()

    def words(raw: bytes) -> str | None:
        refusal = chain.offer(raw)
        return refusal.message if refusal else None

    assert words(signed(A, 0)) is None
    assert words(signed(A, 0)) == "already known"
    assert words(signed(A, 0, value=1)) == "replacement transaction underpriced"
    dearer = {"maxFeePerGas": 11 * GWEI, "maxPriorityFeePerGas": GWEI * 11 // 10}
    assert words(signed(A, 0, **dearer)) is None
    assert words(signed(A, 0)) == "replacement transaction underpriced"  # the older attempt again
    assert words(signed(A, 1, gas=2**24 + 1)) == "transaction gas limit too high (cap: 16777216, tx: 16777217)"
    assert words(signed(A, 1, chainId=1)) == "invalid sender: invalid chain id for signer: have 1 want 31337"
    assert len(chain.pool) == 1
    chain.mine()
    assert words(signed(A, 0)) == "nonce too low: next nonce 1, tx nonce 0"


def test_all_that_waits_must_be_paid_for_together() -> None:
    chain = FakeChain(balances={A.address: 5 * 21_000 * 10 * GWEI})
    cost = 21_000 * 10 * GWEI
    for nonce in range(5):
        assert chain.offer(signed(A, nonce)) is None
    refusal = chain.offer(signed(A, 5))
    assert refusal is not None
    assert refusal.message == (
        f"insufficient funds for gas * price + value: balance {5 * cost}, "
        f"queued cost {5 * cost}, tx cost {cost}, overshot {cost}"
    )
    dearer = chain.offer(signed(A, 0, maxFeePerGas=20 * GWEI, maxPriorityFeePerGas=2 * GWEI))
    assert dearer is not None
    assert f"tx bumped {cost}, overshot {cost}" in dearer.message


def test_an_account_may_have_64_in_the_pool() -> None:
    chain = new_chain()
    for nonce in range(64):
        assert chain.offer(signed(A, nonce)) is None
    refusal = chain.offer(signed(A, 64))
    assert refusal is not None
    assert refusal.message == "account limit exceeded: pooled 64 txs"
    assert chain.offer(signed(A, 3, maxFeePerGas=20 * GWEI, maxPriorityFeePerGas=2 * GWEI)) is None


def test_one_under_the_base_fee_waits_for_a_cheaper_block() -> None:
    chain = new_chain(base_fee_wei=20 * GWEI)
    assert chain.offer(signed(A, 0)) is None
    chain.mine()
    assert mined(chain) == []
    while chain.head.base_fee_wei > 10 * GWEI:
        chain.mine()
    assert mined(chain) == [signed(A, 0)]


def test_what_can_no_longer_be_paid_leaves_the_pool() -> None:
    chain = new_chain()
    chain.offer(signed(A, 0))
    chain.offer(signed(A, 1, value=99 * ETHER))
    chain.set_balance(A.address, ETHER)
    assert [t.nonce for t in chain.pool] == [0]


def test_a_dropped_one_is_gone_and_what_is_behind_it_waits() -> None:
    chain = new_chain()
    first = read_transaction(signed(A, 0))
    chain.offer(first.raw)
    chain.offer(signed(A, 1))
    assert chain.pool.drop(first.hash)
    assert not chain.pool.drop(first.hash)
    chain.mine()
    assert mined(chain) == []
    assert chain.pool.next_nonce(A.address, chain.world) == 0
    chain.offer(first.raw)
    assert chain.pool.next_nonce(A.address, chain.world) == 2
    chain.mine()
    assert len(mined(chain)) == 2


# ---- Mining


def test_the_highest_tip_goes_first_but_never_past_a_lower_nonce_of_its_account() -> None:
    chain = new_chain()
    poor_first = signed(A, 0, maxPriorityFeePerGas=1)
    rich_second = signed(A, 1, maxPriorityFeePerGas=9 * GWEI)
    middle = signed(B, 0, maxPriorityFeePerGas=2 * GWEI)
    low = signed(C, 0, maxPriorityFeePerGas=GWEI)
    for raw in (rich_second, poor_first, low, middle):
        assert chain.offer(raw) is None
    chain.mine()
    assert mined(chain) == [middle, low, poor_first, rich_second]


def test_a_block_holds_no_more_than_its_gas_and_smaller_ones_of_others_fill_it() -> None:
    chain = new_chain(gas_limit=10_000_000)
    data = b"\xff" * 100_000  # 21,000 + 10 * 4 * 100,000 by the floor: 4,021,000
    for nonce in range(3):
        raw = signed(A, nonce, data=data, gas=4_021_000, maxPriorityFeePerGas=2 * GWEI)
        assert chain.offer(raw) is None
    assert chain.offer(signed(A, 3, maxPriorityFeePerGas=3 * GWEI)) is None
    assert chain.offer(signed(B, 0)) is None
    chain.mine()
    assert [read_transaction(raw).nonce for raw in mined(chain)] == [0, 1, 0]
    assert chain.head.gas_used == 2 * 4_021_000 + 21_000
    chain.mine()
    assert [read_transaction(raw).nonce for raw in mined(chain)] == [2, 3]


def test_a_mined_one_is_paid_for_at_base_fee_plus_tip() -> None:
    chain = new_chain(base_fee_wei=8 * GWEI)
    chain.offer(signed(A, 0, value=5, maxFeePerGas=10 * GWEI, maxPriorityFeePerGas=9 * GWEI))
    chain.mine()
    (receipt,) = chain.blocks[-1].receipts
    assert (receipt.ok, receipt.gas_used, receipt.gas_price_wei) == (True, 21_000, 10 * GWEI)
    assert receipt.block_hash == chain.head.hash
    assert chain.world.balance(A.address) == 100 * ETHER - 21_000 * 10 * GWEI - 5
    assert chain.world.nonce(A.address) == 1
    assert chain.world.balance(b"\x11" * 20) == 5  # type: ignore[arg-type]
    assert chain.receipt(receipt.transaction) == receipt


def test_the_base_fee_follows_eip_1559_and_can_be_set() -> None:
    def after(gas_used: int) -> int:
        parent = Block(
            number=BlockNumber(1),
            hash=BlockHash(b""),
            parent_hash=BlockHash(b""),
            timestamp=0,
            base_fee_wei=1000,
            gas_limit=200,
            gas_used=gas_used,
        )
        return next_base_fee(parent)

    assert [after(g) for g in (0, 50, 100, 101, 150, 200)] == [875, 938, 1000, 1001, 1062, 1125]
    chain = new_chain()
    chain.set_next_base_fee(77 * GWEI)
    assert chain.mine().base_fee_wei == 77 * GWEI
    assert chain.mine().base_fee_wei == 77 * GWEI * 7 // 8


def test_miners_may_include_what_no_pool_has_seen() -> None:
    chain = new_chain()
    chain.offer(signed(A, 0))
    stranger = signed(A, 0, value=1)
    chain.mine(include=[stranger])
    assert mined(chain) == [stranger]
    assert len(chain.pool) == 0
    with pytest.raises(ValueError, match="nonce 0, the account's next is 1"):
        chain.mine(include=[stranger])


def test_the_same_commands_make_the_same_hashes() -> None:
    def play() -> list[bytes]:
        chain = new_chain()
        chain.offer(signed(A, 0))
        chain.mine(2)
        chain.reorg(1, from_pool=True)
        return [block.header.hash for block in chain.blocks]

    assert play() == play()


def test_timestamps_follow_the_clock_that_is_handed_in() -> None:
    times = iter([1000.0, 1030.9, 1030.9])
    chain = FakeChain(now=lambda: next(times))
    assert [chain.head.timestamp, chain.mine().timestamp, chain.mine().timestamp] == [1000, 1030, 1031]


# ---- Reorgs


def test_a_reorg_restores_the_state_and_returns_transactions_to_the_pool() -> None:
    chain = new_chain()
    chain.mine()
    for nonce in range(3):
        chain.offer(signed(A, nonce, value=ETHER))
        chain.mine()
    old = [block.header.hash for block in chain.blocks]
    chain.reorg(3)
    new = [block.header.hash for block in chain.blocks]
    assert old[:2] == new[:2]
    assert not set(old[2:]) & set(new[2:])
    assert chain.world.balance(A.address) == 100 * ETHER
    assert chain.world.nonce(A.address) == 0
    assert [t.nonce for t in chain.pool] == [0, 1, 2]
    assert [block.header.hash for block in chain.uncled] == old[:1:-1]
    chain.mine()
    assert chain.world.nonce(A.address) == 3


def test_a_reorg_can_forget_grow_shrink_and_bring_an_old_attempt_to_life() -> None:
    chain = new_chain()
    chain.mine()
    old_attempt = signed(A, 0)
    new_attempt = signed(A, 0, maxFeePerGas=20 * GWEI, maxPriorityFeePerGas=2 * GWEI)
    chain.offer(old_attempt)
    chain.offer(new_attempt)
    chain.mine()
    assert mined(chain) == [new_attempt]
    chain.reorg(1, blocks=3, forget=True)
    assert (chain.head.number, len(chain.pool)) == (4, 0)
    chain.reorg(3, blocks=1, include=[old_attempt])
    assert (chain.head.number, mined(chain)) == (2, [old_attempt])
    chain.reorg(1, from_pool=True)
    assert mined(chain) == [old_attempt]


def test_a_transaction_that_waits_stays_when_another_of_its_nonce_is_uncled() -> None:
    chain = new_chain()
    chain.mine()
    lost, waits = signed(A, 0), signed(A, 0, value=1)
    chain.mine(include=[lost])
    chain.go_back(1)
    assert [t.raw for t in chain.pool] == [lost]
    chain.mine(include=[waits])
    assert len(chain.pool) == 0


def test_below_genesis_there_is_nothing_to_go_back_to() -> None:
    with pytest.raises(AssertionError, match="depth 1, but the head is block 0"):
        new_chain().go_back(1)


def test_listeners_hear_of_every_new_head() -> None:
    chain = new_chain()
    heard: list[int] = []
    chain.listen(lambda block: heard.append(block.number))
    chain.mine(3)
    chain.reorg(2)
    assert heard == [1, 2, 3, 2, 3]


def test_a_hash_depends_on_the_content() -> None:
    one, other = new_chain(), new_chain()
    other.offer(signed(A, 0))
    assert one.mine().hash != other.mine().hash
    assert one.blocks[0].header.hash == other.blocks[0].header.hash == keccak(text="genesis of 31337")

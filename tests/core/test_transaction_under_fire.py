"""Any order of facts, true, stale or false; and what never breaks."""

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace.core import transaction as transactions
from headrace.core.fees import ceil_percent
from headrace.core.transaction import Fact, InFlight, Mined, Order, Settled, Taken, Void
from headrace.core.words import Attempt, BatchId, BlockHash, BlockNumber, Fees, Nonce, Purpose, Reply, TxHash

POLICY = transactions.Policy(
    reprice_after_s=30, blocks_fitted_min=2, bump_percent=12, ceiling_wei=1_000, confirmations=3
)
NONCE = Nonce(7)
DEAR = Fees(max_fee_wei=600, tip_wei=5)

blocks = st.integers(95, 115)
hashes = st.sampled_from([BlockHash(bytes([b]) * 32) for b in b"ABC"])
which = st.integers(0, 30)


class TransactionUnderFire(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        first = Attempt(hash=TxHash(bytes(32)), fees=Fees(max_fee_wei=40, tip_wei=0), raw=b"0")
        self.now, self.orders_left = 0.0, 0
        self.signed: list[Attempt] = [first]
        self.sent: list[Attempt] = []
        self.orders: list[Order] = []
        self.settled = self.given_back = 0
        self.transaction: transactions.Transaction = transactions.first_flight(
            nonce=NONCE, batch=BatchId("b"), gas_limit=100, attempt=first, now=0, policy=POLICY
        )
        self.carry_out((transactions.Send(first),))

    # ---- The shell around it, as the lane runner is: what was decided is saved, then orders are carried out

    def learn(self, fact: Fact) -> None:
        before = self.transaction
        decision = transactions.decide(before, fact, now=self.now, policy=POLICY)
        self.transaction = decision.transaction
        match before, decision.transaction:
            case Settled() | Void(), _:
                assert decision == transactions.Decision(before), "final stays final"
            case Taken(), Void():
                assert isinstance(fact, transactions.NonceTaken), (
                    "void only because a stranger still has the nonce"
                )
                assert fact.spent_in is not None, "void only by proof"
                assert fact.head - fact.spent_in + 1 >= POLICY.confirmations, "void only when that is final"
            case Mined(), Settled():
                assert isinstance(fact, transactions.ReceiptReread)
                assert fact.block_hash == before.block_hash, "settled only in the block it was reread in"
            case _:
                pass
        self.carry_out(decision.orders)

    def carry_out(self, orders: tuple[Order, ...]) -> None:
        for order in orders:
            match order:
                case transactions.Sign(fees=fees, purpose=purpose):
                    newest = self.attempts[-1]
                    assert newest.purpose is Purpose.BATCH or purpose is Purpose.NO_OP, "nothing stays nothing"
                    attempt = Attempt(
                        hash=TxHash(len(self.signed).to_bytes(32, "big")), fees=fees, raw=b"", purpose=purpose
                    )
                    self.signed.append(attempt)
                    self.learn(transactions.AttemptSigned(attempt))
                case transactions.Send(attempt):
                    assert attempt in self.attempts, "saved, then sent"
                    given_up = self.attempts[-1].purpose is Purpose.NO_OP
                    assert attempt.purpose is Purpose.NO_OP or not given_up, "what is given up is not offered"
                    self.sent.append(attempt)
                case transactions.Settle(mined):
                    assert self.transaction == Settled(mined=mined)
                    self.settled += 1
                case transactions.GiveBack():
                    assert isinstance(self.transaction, Void)
                    self.given_back += 1
                case _:
                    pass  # questions: the rules answer, or nobody does

    @property
    def in_flight(self) -> InFlight:
        match self.transaction:
            case InFlight():
                return self.transaction
            case Mined(in_flight=in_flight) | Taken(in_flight=in_flight) | Void(in_flight=in_flight):
                return in_flight
            case Settled(mined=mined):
                return mined.in_flight

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        return self.in_flight.attempts

    def some(self, index: int) -> Attempt:
        return self.signed[index % len(self.signed)]

    # ---- What can happen

    @rule(
        seconds=st.sampled_from([0, 1, 29, 31, 500]),
        block=blocks,
        base_fee=st.sampled_from([1, 50, 900, 5_000]),
        free_gas=st.sampled_from([0, 99, 100, 10**6]),
        first=st.booleans(),
    )
    def head_moves(self, seconds: int, block: int, base_fee: int, free_gas: int, first: bool) -> None:
        self.now += seconds
        self.learn(
            transactions.HeadMoved(
                head=BlockNumber(block),
                base_fee_wei=base_fee,
                free_gas=free_gas,
                market=Fees(max_fee_wei=2 * base_fee, tip_wei=1),
                first_in_lane=first,
            )
        )

    @rule(index=which, reply=st.sampled_from(Reply))
    def a_node_answers(self, index: int, reply: Reply) -> None:
        self.learn(transactions.Answered(self.some(index).hash, reply, "so it said"))

    @rule(index=which, block=blocks, block_hash=hashes, ok=st.booleans())
    def an_attempt_is_mined(self, index: int, block: int, block_hash: BlockHash, ok: bool) -> None:
        self.learn(
            transactions.Included(
                hash=self.some(index).hash,
                block=BlockNumber(block),
                block_hash=block_hash,
                ok=ok,
                gas_used=90,
                gas_price_wei=5,
            )
        )

    @rule(index=which)
    def a_block_is_uncled(self, index: int) -> None:
        self.learn(transactions.Uncled(self.some(index).hash))

    @rule(index=which, block_hash=hashes)
    def a_receipt_is_reread(self, index: int, block_hash: BlockHash) -> None:
        self.learn(transactions.ReceiptReread(self.some(index).hash, block_hash))

    @rule(block=blocks, spent_in=st.none() | blocks)
    def a_stranger_has_the_nonce(self, block: int, spent_in: int | None) -> None:
        proof = None if spent_in is None else BlockNumber(min(spent_in, block))
        self.learn(transactions.NonceTaken(BlockNumber(block), spent_in=proof))

    @rule(what=st.sampled_from(transactions.Cancel), tip_wei=st.integers(0, 30))
    def a_person_cancels_it(self, what: transactions.Cancel, tip_wei: int) -> None:
        self.learn(transactions.CancelAsked(what, Fees(max_fee_wei=2 * tip_wei, tip_wei=tip_wei)))

    @rule(
        fact=st.sampled_from(
            [transactions.NonceFree(), transactions.Dropped(), transactions.DeadlinePassed("late", DEAR)]
        )
    )
    def something_else_happens(self, fact: Fact) -> None:
        self.learn(fact)

    @rule()
    def it_is_restarted(self) -> None:
        orders = transactions.orders_on_restart(self.transaction)
        assert not any(isinstance(o, transactions.Settle | transactions.GiveBack) for o in orders)
        self.carry_out(orders)

    # ---- What never breaks

    @invariant()
    def it_ends_at_most_once(self) -> None:
        assert self.settled + self.given_back <= 1
        assert (self.settled, self.given_back) == (
            isinstance(self.transaction, Settled),
            isinstance(self.transaction, Void),
        )

    @invariant()
    def it_has_one_nonce_and_one_batch(self) -> None:
        assert (self.in_flight.nonce, self.in_flight.batch, self.in_flight.gas_limit) == (NONCE, "b", 100)

    @invariant()
    def it_never_forgets_an_attempt(self) -> None:
        assert list(self.attempts) == self.signed
        assert {a.hash for a in self.sent} <= {a.hash for a in self.attempts}

    @invariant()
    def it_never_pays_above_the_ceiling(self) -> None:
        assert all(a.fees.max_fee_wei <= POLICY.ceiling_wei for a in self.signed)

    @invariant()
    def each_attempt_is_a_valid_replacement_of_the_one_before(self) -> None:
        for old, new in itertools.pairwise(self.signed):
            for was, is_now in (
                (old.fees.max_fee_wei, new.fees.max_fee_wei),
                (old.fees.tip_wei, new.fees.tip_wei),
            ):
                assert is_now > was
                assert is_now >= ceil_percent(was, 112)

    @invariant()
    def once_nothing_always_nothing(self) -> None:
        purposes = [a.purpose for a in self.signed]
        assert purposes == sorted(purposes, key=lambda p: p is Purpose.NO_OP)


TestTransactionUnderFire = TransactionUnderFire.TestCase
TestTransactionUnderFire.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

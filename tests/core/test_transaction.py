import dataclasses
import itertools
from typing import Any

import pytest

from headrace.core import transaction as transactions
from headrace.core.transaction import Cancel, Decision, InFlight, Mined, Settled, Taken, Void
from headrace.core.words import (
    Attempt,
    BatchId,
    BlockHash,
    BlockNumber,
    Fees,
    Nonce,
    Purpose,
    Reply,
    TxHash,
)

POLICY = transactions.Policy(
    reprice_after_s=30, blocks_fitted_min=2, bump_percent=12, ceiling_wei=10_000, confirmations=3
)
CHEAP = Fees(max_fee_wei=100, tip_wei=2)
FIRST = Attempt(hash=TxHash(b"1" * 32), fees=CHEAP, raw=b"1")
SECOND = Attempt(hash=TxHash(b"2" * 32), fees=Fees(max_fee_wei=112, tip_wei=3), raw=b"2")
NO_OP = Attempt(hash=TxHash(b"0" * 32), fees=CHEAP, raw=b"0", purpose=Purpose.NO_OP)
HERE, ELSEWHERE = BlockHash(b"B" * 32), BlockHash(b"C" * 32)

IN_FLIGHT = InFlight(
    nonce=Nonce(7), batch=BatchId("b"), gas_limit=100_000, attempts=(FIRST,), sealed_at=0, sent_at=0, reprice_at=30
)
TWICE = dataclasses.replace(IN_FLIGHT, attempts=(FIRST, SECOND))
MINED = Mined(
    in_flight=IN_FLIGHT,
    winner=FIRST.hash,
    block=BlockNumber(100),
    block_hash=HERE,
    ok=True,
    gas_used=80_000,
    gas_price_wei=60,
    mined_at=12,
)
TAKEN = Taken(in_flight=IN_FLIGHT, since=BlockNumber(100))
EVERY_TRANSACTION: list[transactions.Transaction] = [
    IN_FLIGHT,
    MINED,
    TAKEN,
    Settled(mined=MINED),
    Void(in_flight=IN_FLIGHT),
]


def head(
    number: int,
    *,
    base_fee: int = 50,
    free_gas: int = 10**7,
    first: bool = True,
    market: Fees = CHEAP,
) -> transactions.HeadMoved:
    return transactions.HeadMoved(
        head=BlockNumber(number), base_fee_wei=base_fee, free_gas=free_gas, market=market, first_in_lane=first
    )


def included(attempt: Attempt = FIRST, *, block: int = 100, block_hash: BlockHash = HERE) -> transactions.Included:
    return transactions.Included(
        hash=attempt.hash,
        block=BlockNumber(block),
        block_hash=block_hash,
        ok=True,
        gas_used=80_000,
        gas_price_wei=60,
    )


EVERY_FACT: list[transactions.Fact] = [
    transactions.AttemptSigned(SECOND),
    *(transactions.Answered(FIRST.hash, reply, "what it said") for reply in Reply),
    included(),
    included(block=101, block_hash=ELSEWHERE),
    transactions.Uncled(FIRST.hash),
    transactions.Uncled(SECOND.hash),
    head(100),
    head(200),
    transactions.Dropped(),
    transactions.NonceTaken(BlockNumber(100)),
    transactions.NonceTaken(BlockNumber(102)),
    transactions.NonceTaken(BlockNumber(102), spent_in=BlockNumber(100)),
    transactions.NonceFree(),
    transactions.ReceiptReread(FIRST.hash, HERE),
    transactions.ReceiptReread(FIRST.hash, ELSEWHERE),
    transactions.DeadlinePassed("too late", CHEAP),
    transactions.CancelAsked(transactions.Cancel.RETURN, CHEAP),
    transactions.CancelAsked(transactions.Cancel.END, CHEAP),
]


def decide(transaction: transactions.Transaction, fact: transactions.Fact, *, now: float = 10) -> Decision:
    return transactions.decide(transaction, fact, now=now, policy=POLICY)


def after(transaction: transactions.Transaction, *facts: transactions.Fact, now: float = 10) -> Decision:
    """The last fact's decision."""
    decision = Decision(transaction)
    for fact in facts:
        decision = decide(decision.transaction, fact, now=now)
    return decision


def test_every_state_answers_every_fact() -> None:
    for transaction, fact in itertools.product(EVERY_TRANSACTION, EVERY_FACT):
        decide(transaction, fact)  # that the move is in the NEXT table is asserted inside


def test_the_facts_that_are_tried_are_all_there_are() -> None:
    assert {type(f) for f in EVERY_FACT} == set(transactions.Fact.__args__)


def test_the_table_names_every_state_and_no_more_moves_than_are_made() -> None:
    assert set(transactions.NEXT) == {type(t) for t in EVERY_TRANSACTION}
    made = {(type(t), type(decide(t, f).transaction)) for t in EVERY_TRANSACTION for f in EVERY_FACT}
    assert made == {(one, other) for one, others in transactions.NEXT.items() for other in others}


def test_what_is_final_moves_no_more_and_orders_nothing() -> None:
    for transaction, fact in itertools.product([Settled(mined=MINED), Void(in_flight=IN_FLIGHT)], EVERY_FACT):
        assert decide(transaction, fact) == Decision(transaction)


# ---- Sending


def test_a_signed_attempt_is_remembered_before_it_is_sent() -> None:
    decision = decide(IN_FLIGHT, transactions.AttemptSigned(SECOND), now=40)

    assert decision.orders == (transactions.Send(SECOND),)
    assert decision.transaction == dataclasses.replace(TWICE, reprice_at=70)


def test_the_first_answer_is_when_it_was_sent() -> None:
    unsent = dataclasses.replace(IN_FLIGHT, sent_at=None)
    for reply in Reply:
        answered = decide(unsent, transactions.Answered(FIRST.hash, reply, ""), now=5).transaction
        again = decide(answered, transactions.Answered(FIRST.hash, reply, ""), now=6).transaction
        assert isinstance(answered, InFlight)
        assert isinstance(again, InFlight)
        assert (answered.sent_at, again.sent_at) == (5, 5)


@pytest.mark.parametrize("reply", [Reply.UNSURE, Reply.SEND_LATER])
def test_an_ambiguous_answer_is_kept_and_nothing_is_sent_on_a_guess(reply: Reply) -> None:
    assert decide(IN_FLIGHT, transactions.Answered(FIRST.hash, reply, "timeout")) == Decision(IN_FLIGHT)


def test_a_nonce_that_is_spent_is_looked_into_and_not_given_up() -> None:
    spent = transactions.Answered(FIRST.hash, Reply.LOOK_FOR_RECEIPT, "nonce too low")
    assert decide(IN_FLIGHT, spent) == Decision(IN_FLIGHT, (transactions.LookForReceipts(),))


@pytest.mark.parametrize("reply", [Reply.FUND_LANE, Reply.REFUSED])
def test_what_only_a_person_can_mend_is_told_with_the_nodes_words(reply: Reply) -> None:
    decision = decide(IN_FLIGHT, transactions.Answered(FIRST.hash, reply, "insufficient funds"))

    (order,) = decision.orders
    assert isinstance(order, transactions.AskForHelp)
    assert "insufficient funds" in order.reason
    assert decision.transaction == dataclasses.replace(IN_FLIGHT, help_wanted=order.reason)
    answered = transactions.Answered(FIRST.hash, Reply.IN_POOL, "")
    assert decide(decision.transaction, answered) == Decision(IN_FLIGHT)  # the person has helped


def test_a_dropped_transaction_is_sent_again_with_the_same_bytes() -> None:
    assert decide(TWICE, transactions.Dropped()) == Decision(TWICE, (transactions.Send(SECOND),))


def test_an_underpriced_attempt_is_raised_at_the_very_next_head() -> None:
    underpriced = transactions.Answered(SECOND.hash, Reply.RAISE_FEES, "transaction underpriced")
    decision = after(TWICE, underpriced, head(101))

    assert decision.orders == (
        transactions.LookForReceipts(),
        transactions.Sign(Fees(max_fee_wei=126, tip_wei=4), Purpose.BATCH),
    )


@pytest.mark.parametrize("text", ["oversized data", "transaction gas limit too high (cap: 1, tx: 2)"])
def test_what_is_too_large_for_any_node_is_replaced_by_nothing_and_a_person_is_told(text: str) -> None:
    refused = transactions.Answered(FIRST.hash, Reply.TOO_LARGE, text)
    told, look, sign = decide(IN_FLIGHT, refused).orders

    assert isinstance(told, transactions.AskForHelp)
    assert text in told.reason
    assert look == transactions.LookForReceipts(), "another node may have taken it"
    assert sign == transactions.Sign(Fees(max_fee_wei=112, tip_wei=3), Purpose.NO_OP)


def test_an_attempt_that_was_too_large_is_offered_again_after_a_restart_and_changes_nothing() -> None:
    filled = dataclasses.replace(TWICE, attempts=(FIRST, dataclasses.replace(NO_OP, fees=SECOND.fees)))
    assert decide(filled, transactions.Answered(FIRST.hash, Reply.TOO_LARGE, "")) == Decision(filled)


def test_where_not_even_nothing_is_taken_a_person_is_asked() -> None:
    filled = dataclasses.replace(TWICE, attempts=(FIRST, dataclasses.replace(NO_OP, fees=SECOND.fees)))
    decision = decide(filled, transactions.Answered(NO_OP.hash, Reply.TOO_LARGE, "odd node"))
    assert [type(order) for order in decision.orders] == [transactions.AskForHelp]


def test_that_an_old_attempt_is_underpriced_against_the_new_one_raises_nothing() -> None:
    """After a restart all attempts are sent again, and the pool may have the newest."""
    underpriced = transactions.Answered(FIRST.hash, Reply.RAISE_FEES, "replacement transaction underpriced")
    assert after(TWICE, underpriced, head(101), head(102), head(103)).orders == ()


# ---- Repricing


def fitted(transaction: InFlight, blocks: int) -> InFlight:
    return dataclasses.replace(transaction, blocks_fitted=blocks)


def test_a_late_transaction_is_looked_for_and_then_replaced_at_higher_fees() -> None:
    decision = decide(fitted(IN_FLIGHT, 1), head(101), now=30)

    assert decision.orders == (
        transactions.LookForReceipts(),
        transactions.Sign(Fees(max_fee_wei=112, tip_wei=3), Purpose.BATCH),
    )


def test_no_repricing_before_its_time() -> None:
    assert decide(fitted(IN_FLIGHT, 9), head(101), now=29.9).orders == ()


def test_no_repricing_in_blocks_that_it_would_not_have_fitted() -> None:
    full = [head(101 + i, free_gas=IN_FLIGHT.gas_limit - 1) for i in range(20)]
    assert after(IN_FLIGHT, *full, now=99) == Decision(IN_FLIGHT)


def test_behind_a_stuck_neighbour_we_do_not_bid_up() -> None:
    assert decide(fitted(IN_FLIGHT, 9), head(101, first=False), now=99).orders == ()


def test_blocks_that_passed_behind_a_stuck_neighbour_do_not_count() -> None:
    behind = [head(101 + i, first=False) for i in range(20)]
    assert after(IN_FLIGHT, *behind, now=99) == Decision(IN_FLIGHT)
    assert after(IN_FLIGHT, *behind, head(130), now=99).orders == ()
    assert after(IN_FLIGHT, *behind, head(130), head(131), now=99).orders != ()


def test_when_the_base_fee_outgrows_an_attempt_it_need_not_fit_blocks_to_be_raised() -> None:
    decision = decide(IN_FLIGHT, head(101, base_fee=101, market=Fees(max_fee_wei=204, tip_wei=2)), now=30)

    assert decision.orders[-1] == transactions.Sign(Fees(max_fee_wei=204, tip_wei=3), Purpose.BATCH)


def test_a_replacement_starts_a_new_count() -> None:
    late = decide(fitted(IN_FLIGHT, 9), transactions.AttemptSigned(SECOND), now=40).transaction
    assert isinstance(late, InFlight)
    assert (late.blocks_fitted, late.reprice_at) == (0, 70)


def test_at_the_ceiling_we_ask_for_help_once_instead_of_overpaying() -> None:
    dear = dataclasses.replace(FIRST, fees=Fees(max_fee_wei=9_999, tip_wei=2))
    stuck = fitted(dataclasses.replace(IN_FLIGHT, attempts=(dear,)), 9)

    asked = decide(stuck, head(101), now=31)
    (order,) = asked.orders
    assert isinstance(order, transactions.AskForHelp)
    assert "10000 wei" in order.reason

    assert decide(asked.transaction, head(102), now=99).orders == ()


# ---- Mined, uncled, final


def test_a_reorg_sends_the_same_bytes_of_every_attempt_again() -> None:
    decision = decide(dataclasses.replace(MINED, in_flight=TWICE), transactions.Uncled(FIRST.hash), now=50)

    assert decision.orders == (transactions.Send(FIRST), transactions.Send(SECOND))
    assert decision.transaction == dataclasses.replace(TWICE, reprice_at=80)


def test_the_uncling_of_another_attempt_says_nothing_of_the_winner() -> None:
    assert decide(MINED, transactions.Uncled(SECOND.hash)) == Decision(MINED)


def test_height_alone_settles_nothing() -> None:
    deep = decide(MINED, head(102))
    assert deep == Decision(MINED, (transactions.RereadReceipt(FIRST.hash),))

    assert decide(MINED, transactions.ReceiptReread(FIRST.hash, ELSEWHERE)) == Decision(MINED)
    final = Settled(mined=MINED)
    assert decide(MINED, transactions.ReceiptReread(FIRST.hash, HERE)) == Decision(
        final, (transactions.Settle(MINED),)
    )


def test_below_the_confirmations_nothing_is_asked() -> None:
    assert decide(MINED, head(101)) == Decision(MINED)


def test_one_confirmation_is_final_in_its_own_block() -> None:
    policy = dataclasses.replace(POLICY, confirmations=1)
    decision = transactions.decide(MINED, head(100), now=10, policy=policy)
    assert decision.orders == (transactions.RereadReceipt(FIRST.hash),)


def test_mined_in_another_block_counts_from_there() -> None:
    moved = decide(MINED, included(block=101, block_hash=ELSEWHERE)).transaction
    assert isinstance(moved, Mined)
    assert (moved.block, moved.block_hash) == (101, ELSEWHERE)
    assert decide(moved, head(102)).orders == ()


def test_an_older_attempt_that_is_mined_wins() -> None:
    mined = decide(TWICE, included(FIRST)).transaction
    assert isinstance(mined, Mined)
    assert mined.winner == FIRST.hash
    assert mined.in_flight.attempts == (FIRST, SECOND)


def test_an_attempt_that_was_signed_while_the_receipt_came_is_remembered_and_not_sent() -> None:
    for transaction in (MINED, TAKEN):
        decision = decide(transaction, transactions.AttemptSigned(SECOND))
        assert decision == Decision(dataclasses.replace(transaction, in_flight=TWICE))


# ---- A stranger at our nonce


def test_a_foreign_transaction_at_our_nonce_makes_it_void_only_when_that_is_final() -> None:
    taken = decide(IN_FLIGHT, transactions.NonceTaken(BlockNumber(100))).transaction
    assert taken == TAKEN

    assert decide(TAKEN, transactions.NonceTaken(BlockNumber(101))) == Decision(TAKEN)
    assert decide(TAKEN, head(101)) == Decision(TAKEN)
    assert decide(TAKEN, head(102)) == Decision(TAKEN, (transactions.LookForReceipts(),))
    assert decide(TAKEN, transactions.NonceTaken(BlockNumber(102))) == Decision(TAKEN), "a suspicion is no proof"
    proven = transactions.NonceTaken(BlockNumber(102), spent_in=BlockNumber(100))
    assert decide(TAKEN, proven) == Decision(Void(in_flight=IN_FLIGHT), (transactions.GiveBack(),))


def test_a_stranger_whom_a_reorg_moved_to_a_later_block_is_final_later() -> None:
    moved = transactions.NonceTaken(BlockNumber(102), spent_in=BlockNumber(101))
    later = dataclasses.replace(TAKEN, since=BlockNumber(101))
    assert decide(TAKEN, moved) == Decision(later)
    assert decide(later, head(102)) == Decision(later)
    assert decide(later, head(103)) == Decision(later, (transactions.LookForReceipts(),))


def test_when_the_strangers_block_is_uncled_our_bytes_go_out_again() -> None:
    decision = decide(TAKEN, transactions.NonceFree(), now=50)
    assert decision == Decision(dataclasses.replace(IN_FLIGHT, reprice_at=80), (transactions.Send(FIRST),))


def test_a_receipt_of_ours_refutes_the_stranger() -> None:
    assert isinstance(decide(TAKEN, included()).transaction, Mined)


# ---- Deadlines


def test_a_nonce_whose_batch_comes_too_late_is_filled_without_it() -> None:
    decision = decide(IN_FLIGHT, transactions.DeadlinePassed("too late", CHEAP))
    assert decision.orders[-1] == transactions.Sign(Fees(max_fee_wei=112, tip_wei=3), Purpose.NO_OP)


def test_it_is_filled_at_the_price_of_the_coming_block() -> None:
    dear = Fees(max_fee_wei=400, tip_wei=2)
    decision = decide(IN_FLIGHT, transactions.DeadlinePassed("too late", dear))
    assert decision.orders[-1] == transactions.Sign(Fees(max_fee_wei=400, tip_wei=3), Purpose.NO_OP)


def test_at_the_highest_fees_that_a_batch_may_offer_there_is_room_for_the_no_op_after_it() -> None:
    ceiling = POLICY.batch_ceiling_wei
    dearest = dataclasses.replace(FIRST, fees=Fees(max_fee_wei=ceiling, tip_wei=ceiling))
    stuck = dataclasses.replace(IN_FLIGHT, attempts=(dearest,))
    decision = decide(stuck, transactions.DeadlinePassed("too late", Fees(max_fee_wei=10**9, tip_wei=10**9)))
    (sign,) = [order for order in decision.orders if isinstance(order, transactions.Sign)]
    assert sign.fees.max_fee_wei <= POLICY.ceiling_wei


def test_what_is_filled_by_nothing_fits_a_block_that_its_batch_would_not() -> None:
    filled = dataclasses.replace(TWICE, attempts=(FIRST, dataclasses.replace(NO_OP, fees=SECOND.fees)))
    little = [head(101 + i, free_gas=transactions.NO_OP_GAS) for i in range(2)]
    assert after(filled, *little, now=99).orders[-1] == transactions.Sign(
        Fees(max_fee_wei=126, tip_wei=4), Purpose.NO_OP
    )
    assert after(TWICE, *little, now=99).orders == ()


def test_once_filled_by_nothing_it_is_raised_as_nothing() -> None:
    filled = dataclasses.replace(TWICE, attempts=(FIRST, dataclasses.replace(NO_OP, fees=SECOND.fees)))
    assert decide(filled, transactions.DeadlinePassed("too late", CHEAP)) == Decision(filled)

    raised = decide(fitted(filled, 9), head(101), now=31)
    assert raised.orders[-1] == transactions.Sign(Fees(max_fee_wei=126, tip_wei=4), Purpose.NO_OP)


# ---- Cancelled by a person

CANCEL = transactions.CancelAsked(Cancel.RETURN, CHEAP)
CANCEL_FOR_GOOD = transactions.CancelAsked(Cancel.END, CHEAP)


def cancelled(what: Cancel = Cancel.RETURN, **more: Any) -> InFlight:
    return dataclasses.replace(IN_FLIGHT, cancelled=what, **more)


def test_what_a_person_cancels_is_replaced_by_nothing_at_the_market_after_a_look_for_a_receipt() -> None:
    decision = decide(IN_FLIGHT, transactions.CancelAsked(Cancel.RETURN, Fees(max_fee_wei=300, tip_wei=20)))
    assert decision.transaction == cancelled()
    sign = transactions.Sign(Fees(max_fee_wei=300, tip_wei=20), Purpose.NO_OP)
    assert decision.orders == (transactions.LookForReceipts(), sign)


def test_a_cancel_need_not_be_of_the_first_in_its_lane_nor_wait_for_its_patience() -> None:
    decision = decide(IN_FLIGHT, CANCEL, now=0)
    assert decision.orders[-1] == transactions.Sign(Fees(max_fee_wei=112, tip_wei=3), Purpose.NO_OP)


def test_a_cancel_that_was_saved_and_never_signed_is_signed_at_the_next_head() -> None:
    decision = decide(cancelled(), head(101, first=False), now=0)
    assert decision.orders[-1] == transactions.Sign(Fees(max_fee_wei=112, tip_wei=3), Purpose.NO_OP)


def test_cancelling_twice_signs_once_and_for_good_is_not_taken_back() -> None:
    filled = cancelled(attempts=(FIRST, NO_OP))
    assert decide(filled, CANCEL) == Decision(filled)
    for_good = decide(filled, CANCEL_FOR_GOOD)
    assert for_good == Decision(dataclasses.replace(filled, cancelled=Cancel.END))
    assert decide(for_good.transaction, CANCEL) == for_good


def test_what_fills_a_gap_cannot_be_cancelled() -> None:
    filler = dataclasses.replace(IN_FLIGHT, batch=None, attempts=(NO_OP,))
    assert decide(filler, CANCEL) == Decision(filler)


@pytest.mark.parametrize("transaction", [MINED, TAKEN], ids=["mined", "taken"])
def test_what_a_block_holds_is_not_cancelled(transaction: transactions.Transaction) -> None:
    assert decide(transaction, CANCEL_FOR_GOOD) == Decision(transaction)


def test_a_cancelled_one_whose_older_attempt_wins_is_mined_like_any_other() -> None:
    decision = decide(cancelled(attempts=(FIRST, NO_OP)), included())
    assert isinstance(decision.transaction, Mined)
    assert decision.transaction.winner == FIRST.hash


# ---- Restart


def test_after_a_restart_what_is_in_flight_is_looked_for_and_sent_again() -> None:
    assert transactions.orders_on_restart(TWICE) == (
        transactions.LookForReceipts(),
        transactions.Send(FIRST),
        transactions.Send(SECOND),
    )


def test_once_it_is_to_be_filled_by_nothing_its_batch_is_shown_to_no_node_any_more() -> None:
    filler = dataclasses.replace(NO_OP, fees=SECOND.fees)
    filled = dataclasses.replace(TWICE, attempts=(FIRST, filler))
    assert transactions.orders_on_restart(filled) == (transactions.LookForReceipts(), transactions.Send(filler))

    uncled = decide(
        dataclasses.replace(MINED, in_flight=filled, winner=filler.hash), transactions.Uncled(filler.hash)
    )
    free = decide(dataclasses.replace(TAKEN, in_flight=filled), transactions.NonceFree())
    assert uncled.orders == free.orders == (transactions.Send(filler),)


def test_a_restart_settles_nothing_early() -> None:
    """Rereading a receipt settles where it is found, and the block may be the newest."""
    assert transactions.orders_on_restart(MINED) == (transactions.LookForReceipts(),)
    assert transactions.orders_on_restart(TAKEN) == (transactions.LookForReceipts(),)


def test_after_a_restart_nothing_is_done_about_what_is_final() -> None:
    assert transactions.orders_on_restart(Settled(mined=MINED)) == ()
    assert transactions.orders_on_restart(Void(in_flight=IN_FLIGHT)) == ()


def test_it_is_sealed_signed_and_unseen() -> None:
    sealed = transactions.first_flight(
        nonce=Nonce(7), batch=BatchId("b"), gas_limit=100_000, attempt=FIRST, now=5, policy=POLICY
    )
    assert sealed == dataclasses.replace(IN_FLIGHT, sealed_at=5, sent_at=None, reprice_at=35)
    assert transactions.signed(sealed) is sealed
    assert all(transactions.signed(t).nonce == 7 for t in EVERY_TRANSACTION)

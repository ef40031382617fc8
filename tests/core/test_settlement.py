"""The map of a job's payment."""

from typing import get_args

import pytest

from headrace.core.settlement import (
    NEXT,
    PROVEN,
    SETTLED,
    Claimed,
    Claiming,
    Move,
    Proof,
    Released,
    Settlement,
    SettlementState,
    as_seen,
)
from headrace.core.words import BlockNumber, OperationId, TxHash
from headrace.workloads.escrow.payload import KINDS

S = SettlementState


def test_the_table_names_every_state_and_every_state_has_its_own_form() -> None:
    assert set(NEXT) == set(S)
    assert sorted(form.state.value for form in get_args(Settlement)) == sorted(state.value for state in S)


def test_every_payment_can_be_settled() -> None:
    for state in set(S) - SETTLED:
        reached = {state}
        while more := {following for one in reached for following in NEXT[one]} - reached:
            reached |= more
        assert reached & SETTLED, state


def test_what_is_settled_stays_settled() -> None:
    assert PROVEN | {S.FREE, S.NO_LOCK} == SETTLED


def test_a_payment_is_claimed_only_when_it_is_due_and_ends_without_proof_only_by_word_of_a_person() -> None:
    assert [state for state, following in NEXT.items() if S.CLAIMING in following] == [S.DUE]
    assert {state for state, following in NEXT.items() if S.NO_LOCK in following} == {
        S.AWAITING_LOCK,
        S.NEEDS_OPERATOR,
    }


def test_moves_are_kinds_of_the_workload() -> None:
    assert {move.value for move in Move} <= set(KINDS)


def test_a_claimed_event_of_nothing_is_a_release() -> None:
    proof = Proof(TxHash(b"\x01" * 32), BlockNumber(7))
    assert as_seen(5, proof) == Claimed(5, proof)
    assert as_seen(0, proof) == Released(proof)


@pytest.mark.parametrize(("move", "amount"), [(Move.CLAIM, 0), (Move.RELEASE, 1), (Move.CANCEL, 1)])
def test_only_a_claim_asks_for_an_amount(move: Move, amount: int) -> None:
    with pytest.raises(AssertionError):
        Claiming(move=move, amount=amount, operation=OperationId("x"))

"""What was claimed is taken out of the escrow, and nothing else."""

from headrace.core.words import Log, Receipt
from headrace.jobs.withdrawing import withdrawals
from headrace.workloads.escrow.events import TRANSFER_TOPIC
from headrace.workloads.escrow.payload import Payload
from jobs.making import CHAIN, NOW
from workloads.escrow.making import ESCROW, KEY, PAYEE, STRANGER, TOKEN, claimed_log, other, receipt


def left_the_escrow(amount: int) -> Log:
    topics = (TRANSFER_TOPIC, bytes(12) + ESCROW, bytes(12) + STRANGER)
    return Log(TOKEN, topics, amount.to_bytes(32, "big"))


def amounts(earning: Receipt) -> list[tuple[bytes, int]]:
    orders = withdrawals(earning, PAYEE, escrow=ESCROW, chain=CHAIN, now=NOW)
    payloads = [Payload.unpack(order.payload) for order in orders]
    return [(payload.key.token, payload.amount) for payload in payloads]


def test_what_was_claimed_is_withdrawn_less_the_fee_that_left_by_it() -> None:
    """A whole unit more would come out of what the payee deposited there itself."""
    two = (claimed_log(), claimed_log(other(KEY, job=8), amount=40))
    assert amounts(receipt(*two, left_the_escrow(1))) == [(TOKEN, 99)]


def test_a_transaction_that_earned_nothing_withdraws_nothing() -> None:
    assert amounts(receipt(claimed_log(amount=0))) == []
    assert amounts(receipt(claimed_log(other(KEY, payee=STRANGER)))) == []
    assert amounts(receipt(claimed_log(), left_the_escrow(60))) == [], "it was claimed and withdrawn at once"


def test_the_same_transaction_is_one_withdrawal_however_often_it_is_looked_at() -> None:
    first, second = (
        withdrawals(receipt(claimed_log()), PAYEE, escrow=ESCROW, chain=CHAIN, now=now) for now in (NOW, NOW + 9)
    )
    assert [(order.id, order.content) for order in first] == [(order.id, order.content) for order in second]

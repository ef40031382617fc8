import pytest

from headrace.app.chain_watch.escrow_events import (
    CANCELED,
    CLAIMED,
    DEPOSIT,
    LOCK,
    TRANSFER,
    WITHDRAW,
    Deposited,
    LockCanceled,
    LockClaimed,
    LockMade,
    Moved,
    Withdrawn,
    read_escrow_event,
    read_transfer,
)
from headrace.chain.artifacts import load

PAYER, PAYEE, TOKEN = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20


def word(value: int | bytes) -> bytes:
    return value.to_bytes(32) if isinstance(value, int) else bytes(32 - len(value)) + value


@pytest.mark.parametrize(
    ("topics", "data", "event"),
    [
        ([DEPOSIT, word(PAYER)], word(TOKEN) + word(7), Deposited(PAYER, TOKEN, 7)),
        ([WITHDRAW, word(PAYER)], word(TOKEN) + word(7), Withdrawn(PAYER, TOKEN, 7)),
        (
            [LOCK],
            word(PAYER) + word(PAYEE) + word(9) + word(7) + word(3600) + word(TOKEN),
            LockMade(payer=PAYER, payee=PAYEE, job=9, amount=7, seconds=3600, token=TOKEN),
        ),
        (
            [CLAIMED, word(PAYEE), word(PAYER)],
            word(9) + word(TOKEN) + word(7) + word(128) + word(3) + b"abc" + bytes(29),
            LockClaimed(payee=PAYEE, payer=PAYER, job=9, token=TOKEN, amount=7, proof=b"abc"),
        ),
        (
            [CANCELED, word(PAYEE), word(PAYER)],
            word(9) + word(TOKEN) + word(7),
            LockCanceled(payee=PAYEE, payer=PAYER, job=9, token=TOKEN, amount=7),
        ),
        ([b"\x09" * 32], b"", None),
    ],
)
def test_each_event_is_read_as_it_was_written(topics, data, event) -> None:
    assert read_escrow_event(topics, data) == event


def test_a_transfer_is_read_and_other_logs_of_a_token_are_passed_over() -> None:
    assert read_transfer([TRANSFER, word(PAYER), word(PAYEE)], word(5)) == Moved(PAYER, PAYEE, 5)
    assert read_transfer([DEPOSIT, word(PAYER)], word(5)) is None


@pytest.mark.parametrize(
    ("topics", "data"),
    [
        ([DEPOSIT, word(PAYER)], word(TOKEN)),
        ([LOCK, word(PAYER)], word(7)),
        ([CLAIMED, word(PAYEE), word(PAYER)], word(9) + word(TOKEN) + word(7) + word(128) + word(3)),
        ([CANCELED], word(9)),
    ],
)
def test_an_event_that_is_cut_short_or_of_another_shape_is_refused(topics, data) -> None:
    with pytest.raises(ValueError, match="event"):
        read_escrow_event(topics, data)


def test_the_topics_are_those_of_the_compiled_escrow() -> None:
    """An ABI of its own that drifts from the contract would see nothing, and find everything in order."""
    events = {event.topic for event in load("IEscrow").abi.events}
    assert {DEPOSIT, WITHDRAW, LOCK, CLAIMED, CANCELED} <= events

import pytest

from app import emitter
from headrace.app.chain_watch.events import (
    ITEM_FAILED,
    TASK_CREATED,
    TASK_RESPONDED,
    ItemFailed,
    TaskCreated,
    TaskResponded,
    read_event,
)

ID = emitter.task_id(7)
HASH = b"\x11" * 32


def test_the_topics_are_those_that_the_contracts_emit() -> None:
    assert TASK_CREATED.hex() == emitter.CREATED
    assert TASK_RESPONDED.hex() == emitter.RESPONDED
    assert ITEM_FAILED.hex() == emitter.ITEM_FAILED


def test_a_creation_and_a_response_are_read() -> None:
    client = b"\xab" * 20
    assert read_event([TASK_CREATED, ID, client.rjust(32, b"\0")], HASH) == TaskCreated(ID, HASH, client)
    assert read_event([TASK_RESPONDED, ID], HASH) == TaskResponded(ID, HASH)


def test_the_reason_of_a_failed_item_is_read_whole_and_without_its_padding() -> None:
    reason = bytes(range(36))
    data = (32).to_bytes(32) + len(reason).to_bytes(32) + reason.ljust(64, b"\0")
    assert read_event([ITEM_FAILED, (3).to_bytes(32), ID], data) == ItemFailed(ID, 3, reason)


def test_an_empty_reason_is_empty_bytes() -> None:
    data = (32).to_bytes(32) + (0).to_bytes(32)
    assert read_event([ITEM_FAILED, (0).to_bytes(32), ID], data) == ItemFailed(ID, 0, b"")


def test_other_events_are_none_of_ours() -> None:
    assert read_event([b"\x99" * 32, ID], HASH) is None
    assert read_event([], HASH) is None


@pytest.mark.parametrize(
    ("topics", "data"),
    [
        ([TASK_CREATED, ID], HASH),
        ([TASK_RESPONDED, ID], HASH[:31]),
        ([ITEM_FAILED, ID, ID], (32).to_bytes(32) + (5).to_bytes(32) + b"four"),
        ([ITEM_FAILED, ID, ID], (10**6).to_bytes(32)),
    ],
)
def test_one_of_our_events_with_the_wrong_shape_is_an_error_not_a_guess(topics: list[bytes], data: bytes) -> None:
    with pytest.raises(ValueError, match=r"event|topics"):
        read_event(topics, data)

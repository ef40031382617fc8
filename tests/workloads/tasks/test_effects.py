from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.operation import Operation
from headrace.core.ports import Effect, Seen
from headrace.core.words import Address, Log
from headrace.testing.builders import BATCH_TASK_MANAGER, TASK_MANAGER, Builder
from headrace.workloads.tasks.effects import BATCH_ITEM_FAILED, NEW_TASK_CREATED, TASK_RESPONDED
from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, RESPOND
from workloads.tasks.making import SINGLY, payload, receipt, revert, workload

MADE = Builder(3)
BOTH = MADE.operation(CREATE_AND_RESPOND)
STRANGER = Address(b"\x99" * 20)
OTHER_HASH = b"\x77" * 32


def created(operation: Operation, *, by: Address = TASK_MANAGER, hash: bytes | None = None) -> Log:
    topics = (NEW_TASK_CREATED, operation.subject, bytes(32))
    return Log(by, topics, payload(operation).task_hash() if hash is None else hash)


def responded(operation: Operation, *, by: Address = TASK_MANAGER, hash: bytes | None = None) -> Log:
    topics = (TASK_RESPONDED, operation.subject)
    return Log(by, topics, payload(operation).response_hash() if hash is None else hash)


def failed(operation: Operation, index: int, reason: bytes, *, by: Address = BATCH_TASK_MANAGER) -> Log:
    topics = (BATCH_ITEM_FAILED, index.to_bytes(32, "big"), operation.subject)
    return Log(by, topics, encode(["bytes"], [reason]))


def seen(operation: Operation, *logs: Log) -> Seen:
    (one,) = workload().effects([operation], receipt(*logs), called=BATCH_TASK_MANAGER)
    return one


def test_both_events_with_our_own_hashes_prove_both() -> None:
    assert seen(BOTH, created(BOTH), responded(BOTH)) == Seen(Effect.DONE)


def test_half_of_it_is_not_the_whole() -> None:
    assert seen(BOTH, created(BOTH)) == Seen(Effect.UNSEEN)
    assert seen(BOTH, responded(BOTH)) == Seen(Effect.UNSEEN)


def test_each_kind_is_proven_by_its_own_event() -> None:
    create, respond = MADE.operation(CREATE), MADE.operation(RESPOND)
    assert seen(create, created(create)) == Seen(Effect.DONE)
    assert seen(create, responded(create)) == Seen(Effect.UNSEEN)
    assert seen(respond, responded(respond)) == Seen(Effect.DONE)
    assert seen(respond, created(respond)) == Seen(Effect.UNSEEN)


def test_somebody_elses_hash_under_our_id_proves_nothing() -> None:
    assert seen(BOTH, created(BOTH, hash=OTHER_HASH), responded(BOTH)) == Seen(Effect.UNSEEN)
    assert seen(BOTH, created(BOTH), responded(BOTH, hash=OTHER_HASH)) == Seen(Effect.UNSEEN)


def test_another_contracts_logs_prove_nothing() -> None:
    assert seen(BOTH, created(BOTH, by=STRANGER), responded(BOTH, by=STRANGER)) == Seen(Effect.UNSEEN)
    reason = revert("InvalidIntent()").data
    assert seen(BOTH, failed(BOTH, 0, reason, by=STRANGER), created(BOTH), responded(BOTH)) == Seen(Effect.DONE)


def test_status_alone_proves_nothing() -> None:
    assert seen(BOTH) == Seen(Effect.UNSEEN)


def test_a_failed_item_says_why_and_its_neighbours_are_done() -> None:
    operations = [MADE.operation() for _ in range(3)]
    reason = revert("TaskAlreadyExists(bytes32)", OTHER_HASH)
    first, guilty, last = operations
    logs = [created(first), responded(first), failed(guilty, 1, reason.data), created(last), responded(last)]

    found = workload().effects(operations, receipt(*logs), called=BATCH_TASK_MANAGER)
    assert found == [Seen(Effect.DONE), Seen(Effect.FAILED, reason), Seen(Effect.DONE)]


def test_a_reason_that_cannot_be_read_still_says_that_the_item_failed() -> None:
    log = Log(BATCH_TASK_MANAGER, (BATCH_ITEM_FAILED, bytes(32), BOTH.subject), b"\xde\xad\xbe\xef")
    found = seen(BOTH, log)
    assert found.effect is Effect.FAILED
    assert found.revert is not None
    assert found.revert.data == b"\xde\xad\xbe\xef"


def test_straight_to_the_task_manager_there_is_no_batch_contract_to_listen_to() -> None:
    create = MADE.operation(CREATE)
    (found,) = workload(SINGLY).effects([create], receipt(created(create)), called=TASK_MANAGER)
    assert found == Seen(Effect.DONE)


events = st.sampled_from([NEW_TASK_CREATED, TASK_RESPONDED, BATCH_ITEM_FAILED])
logs = st.builds(
    Log,
    st.sampled_from([TASK_MANAGER, BATCH_TASK_MANAGER, STRANGER]),
    st.lists(events | st.binary(min_size=32, max_size=32) | st.just(BOTH.subject), max_size=4).map(tuple),
    st.binary(max_size=100),
)


@given(st.lists(logs, max_size=6))
def test_no_log_however_malformed_breaks_the_reading_or_proves_an_effect(several: list[Log]) -> None:
    assert seen(BOTH, *several).effect is not Effect.DONE

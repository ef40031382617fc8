"""What a receipt, or the chain's state, shows of each operation. `status: 1` alone shows nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eth_utils.crypto import keccak

from headrace.chain.abi_codec import Undecodable, decode_values
from headrace.core.ports import Effect, Seen
from headrace.core.words import Address, Receipt, Revert
from headrace.workloads.tasks.payload import CREATE, RESPOND, Payload

NEW_TASK_CREATED: Final = keccak(text="NewTaskCreated(bytes32,bytes32,address)")
TASK_RESPONDED: Final = keccak(text="TaskResponded(bytes32,bytes32)")
BATCH_ITEM_FAILED: Final = keccak(text="BatchItemFailed(uint256,bytes32,bytes)")

ReadRevert = Callable[[bytes], Revert]


@dataclass(frozen=True, slots=True)
class TaskLogs:
    """What one receipt says: hashes by task id, and reasons by the item's index in the batch."""

    created: Mapping[bytes, bytes]
    responded: Mapping[bytes, bytes]
    failed: Mapping[int, bytes]


def read_logs(receipt: Receipt, *, task_manager: Address, batch_contract: Address) -> TaskLogs:
    created: dict[bytes, bytes] = {}
    responded: dict[bytes, bytes] = {}
    failed: dict[int, bytes] = {}
    for log in receipt.logs:
        if len(log.topics) < 2:
            continue  # none of ours: all three have an indexed argument
        event, indexed = log.topics[0], log.topics[1]
        if log.address == task_manager and event == NEW_TASK_CREATED:
            created[indexed] = log.data[:32]
        elif log.address == task_manager and event == TASK_RESPONDED:
            responded[indexed] = log.data[:32]
        elif log.address == batch_contract and event == BATCH_ITEM_FAILED:
            failed[int.from_bytes(indexed, "big")] = _reason(log.data)
    return TaskLogs(created, responded, failed)


def _reason(data: bytes) -> bytes:
    try:
        (reason,) = decode_values(["bytes"], data)
    except Undecodable:
        return data  # that the item failed is certain; why is shown raw
    return bytes(reason)


def seen_in(logs: TaskLogs, items: Sequence[tuple[str, bytes, Payload]], read_revert: ReadRevert) -> list[Seen]:
    """`items` are (form, task id, payload) in the batch's order."""
    return [_seen(logs, i, *item, read_revert) for i, item in enumerate(items)]


def _seen(
    logs: TaskLogs, index: int, form: str, task_id: bytes, payload: Payload, read_revert: ReadRevert
) -> Seen:
    if index in logs.failed:
        return Seen(Effect.FAILED, read_revert(logs.failed[index]))
    # Both hashes cover everything we asked for: an event of somebody else's task under this id proves nothing.
    created = form == RESPOND or logs.created.get(task_id) == payload.task_hash()
    responded = form == CREATE or logs.responded.get(task_id) == payload.response_hash()
    return Seen(Effect.DONE if created and responded else Effect.UNSEEN)

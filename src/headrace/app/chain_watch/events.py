"""The three events that tell what became of a task, read from raw logs.

Owns      their signatures and their decoding (signatures: the contracts' public interface).
Promises  a log that is none of the three is None; a log that claims to be one and is cut short is a ValueError.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eth_utils.crypto import keccak

TASK_CREATED: Final = keccak(text="NewTaskCreated(bytes32,bytes32,address)")
TASK_RESPONDED: Final = keccak(text="TaskResponded(bytes32,bytes32)")
ITEM_FAILED: Final = keccak(text="BatchItemFailed(uint256,bytes32,bytes)")

TOPICS: Final = (TASK_CREATED, TASK_RESPONDED, ITEM_FAILED)


@dataclass(frozen=True, slots=True)
class TaskCreated:
    task_id: bytes
    task_hash: bytes
    policy_client: bytes


@dataclass(frozen=True, slots=True)
class TaskResponded:
    task_id: bytes
    response_hash: bytes


@dataclass(frozen=True, slots=True)
class ItemFailed:
    """One item of a batch failed while the rest was kept. `reason` is the revert data of that item."""

    task_id: bytes
    index: int
    reason: bytes


Event = TaskCreated | TaskResponded | ItemFailed


def read_event(topics: Sequence[bytes], data: bytes) -> Event | None:
    """Reads one log. Raises ValueError for one of our topics with the wrong shape."""
    match topics:
        case [topic, task_id, client] if topic == TASK_CREATED:
            return TaskCreated(task_id, _word(data, 0), client[12:])
        case [topic, task_id] if topic == TASK_RESPONDED:
            return TaskResponded(task_id, _word(data, 0))
        case [topic, index, task_id] if topic == ITEM_FAILED:
            return ItemFailed(task_id, int.from_bytes(index), _bytes_argument(data))
        case [topic, *_] if topic in TOPICS:
            raise ValueError(f"event 0x{topic.hex()} with {len(topics)} topics: not the interface we know")
        case _:
            return None


def _word(data: bytes, offset: int) -> bytes:
    word = data[offset : offset + 32]
    if len(word) < 32:
        raise ValueError(f"event data of {len(data)} bytes ends inside the word at {offset}")
    return word


def _bytes_argument(data: bytes) -> bytes:
    """The only argument of an event, of type bytes: offset, length, content."""
    start = int.from_bytes(_word(data, 0))
    length = int.from_bytes(_word(data, start))
    content = data[start + 32 : start + 32 + length]
    if len(content) < length:
        raise ValueError(f"event data of {len(data)} bytes promises {length} bytes at {start + 32}")
    return content

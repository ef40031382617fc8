"""What was asked and what was answered, one entry per request.

Promises  every request that was offered ends as exactly one entry; entries never change; a line that was written
          outlives us (and the machine, with `durable`).
Leaves    what happened on chain to `chain_watch`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO, assert_never

import msgspec

from headrace.app.load.task_source import Kind


@dataclass(frozen=True, slots=True)
class Accepted:
    """The gateway took it. `certified`: the answer carried the operators' certificate (newt_createTask)."""

    task_id: bytes
    certified: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A conclusive no. `code` of the JSON-RPC error, or the HTTP status, or None where there was neither."""

    code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No conclusive answer before the request's deadline. What became of it is unknown."""

    reason: str


Answer = Accepted | Refused | Unanswered


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request. Times in seconds on the clock of the run (monotonic); `answered_at_s` None while unanswered."""

    operation_id: str
    kind: Kind
    policy_client: bytes
    scheduled_at_s: float
    sent_at_s: float
    answered_at_s: float | None
    attempts: int
    answer: Answer


class Journal:
    """Keeps the entries, and writes each as a line of JSON where a file is given. Grows with the requests."""

    def __init__(self, path: Path | None = None, *, durable: bool = False) -> None:
        self._durable = durable
        self.entries: list[Entry] = []
        self.offered = 0
        self.last_scheduled_s: float | None = None
        self._file: TextIO | None = None if path is None else path.open("w", encoding="utf-8")

    @property
    def waiting(self) -> int:
        """Requests without an answer so far."""
        return self.offered - len(self.entries)

    def offer(self, scheduled_at_s: float) -> None:
        self.offered += 1
        self.last_scheduled_s = scheduled_at_s

    def close_entry(self, entry: Entry) -> None:
        assert len(self.entries) < self.offered, "an entry for a request that was not offered"
        self.entries.append(entry)
        if self._file is not None:
            self._file.write(msgspec.json.encode(as_json(entry)).decode() + "\n")
            self._file.flush()
            if self._durable:
                os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def as_json(entry: Entry) -> Mapping[str, object]:
    """One line of a journal file."""
    line: dict[str, object] = {
        "operation_id": entry.operation_id,
        "kind": entry.kind.value,
        "policy_client": "0x" + entry.policy_client.hex(),
        "scheduled_s": round(entry.scheduled_at_s, 6),
        "sent_s": round(entry.sent_at_s, 6),
        "answered_s": None if entry.answered_at_s is None else round(entry.answered_at_s, 6),
        "attempts": entry.attempts,
    }
    match entry.answer:
        case Accepted(task_id=task_id, certified=certified):
            return line | {"answer": "accepted", "task_id": "0x" + task_id.hex(), "certified": certified}
        case Refused(code=code, message=message):
            return line | {"answer": "refused", "code": code, "message": message}
        case Unanswered(reason=reason):
            return line | {"answer": "unanswered", "reason": reason}
        case _:
            assert_never(entry.answer)


def from_json(line: Mapping[str, Any]) -> Entry:
    """The entry of such a line. Raises KeyError or ValueError where it is none."""
    return Entry(
        operation_id=line["operation_id"],
        kind=Kind(line["kind"]),
        policy_client=bytes.fromhex(line["policy_client"].removeprefix("0x")),
        scheduled_at_s=line["scheduled_s"],
        sent_at_s=line["sent_s"],
        answered_at_s=line["answered_s"],
        attempts=line["attempts"],
        answer=_answer(line),
    )


def _answer(line: Mapping[str, Any]) -> Answer:
    match line["answer"]:
        case "accepted":
            return Accepted(bytes.fromhex(line["task_id"].removeprefix("0x")), line["certified"])
        case "refused":
            return Refused(line["code"], line["message"])
        case "unanswered":
            return Unanswered(line["reason"])
        case other:
            raise ValueError(f"{other!r} is no answer of a journal")

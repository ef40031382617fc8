"""What the gateway told its client about operations, in the order in which the client heard it.

Promises  each new word is a line of JSON on disk before it counts; nothing told is forgotten because something
          else was told later.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

from headrace.app.report import WITH_EFFECT

DONE: Final = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`word`: batched, sent, mined, retracted, queued or done. `outcome` only with done. `transaction`: its hash,
    where the gateway named one."""

    word: str
    outcome: str | None = None
    revert: str | None = None
    transaction: bytes | None = None
    block: int | None = None

    @property
    def ends(self) -> bool:
        return self.word == DONE and self.outcome is not None


class ToldBook:
    def __init__(self, file: Path) -> None:
        self._path = file
        self._file: TextIO | None = None
        self._told: dict[str, list[Told]] = {}
        self.words: Counter[str] = Counter()
        self.without_effect: set[str] = set()  # operations that ended so, by what was told last

    def hear(self, operation_id: str, told: Told, *, how: str) -> None:
        """`how` it came: pushed or asked. The same again is no news."""
        words = self._told.setdefault(operation_id, [])
        if words and words[-1] == told:
            return
        assert self._file is not None, "use as `with`"
        line = {
            "operation_id": operation_id,
            "how": how,
            "word": told.word,
            "outcome": told.outcome,
            "revert": told.revert,
            "transaction": None if told.transaction is None else "0x" + told.transaction.hex(),
            "block": told.block,
        }
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()
        words.append(told)
        self.words[told.word] += 1
        if told.ends:
            (self.without_effect.discard if told.outcome in WITH_EFFECT else self.without_effect.add)(operation_id)

    def about(self, operation_id: str) -> Sequence[Told]:
        return self._told.get(operation_id, ())

    def ending(self, operation_id: str) -> Told | None:
        """The last that was told as the end."""
        return next((told for told in reversed(self.about(operation_id)) if told.ends), None)

    def __enter__(self) -> Self:
        self._file = self._path.open("w", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()

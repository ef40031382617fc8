"""When the next rest of an operation may be over, so that a claim need not look each time.

Promises  never later than true: whatever is returned to rest while a look is under way counts.
Leaves    ending the rests to the statement `wake_rested`.

In memory, because one process writes to the file. Not known after a start: then the first claim looks.
"""

import math
from collections.abc import Sequence

from headrace.core.operation import Return


class Resting:
    def __init__(self) -> None:
        self._first_over = -math.inf  # unix seconds; infinity: nobody rests
        self._changes = 0

    def is_over(self, now: float) -> bool:
        """Whether somebody's rest may be."""
        return self._first_over <= now

    def returned(self, returns: Sequence[Return]) -> None:
        """These are about to be written."""
        ends = [each.not_before for each in returns if each.not_before is not None]
        if ends:
            self._first_over = min(self._first_over, *ends)
            self._changes += 1

    def mark(self) -> int:
        """To be given back with what a look finds that begins now."""
        return self._changes

    def looked(self, first_over: float | None, *, mark: int) -> None:
        """What is in the store, after those that were over were woken. None: nobody rests."""
        if mark == self._changes:
            self._first_over = math.inf if first_over is None else first_over

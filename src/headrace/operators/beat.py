"""A rhythm that the clients of several operators keep together.

Owns      the moments at which questions leave.
Promises  a client leaves at most once in a beat; after a rest it leaves at once; all who have something to send
          leave at the same moments; no beat is longer than LONG_S.
Leaves    what is sent to the clients.

Together, because a task is certified when enough operators have answered: questions that left together come back
together, and their signatures are checked with one pairing. Longer where many come, because then each question's
share of a request counts most, and the answer can spare the milliseconds (docs/decisions/0024).
"""

from typing import Final

SHORT_S: Final = 0.03
LONG_S: Final = 0.06
MANY_PER_S: Final = 150.0


class Beat:
    """Of one event loop; all times are of the loop's own clock, in seconds."""

    __slots__ = ("_before", "_began", "_long", "_number")

    def __init__(self) -> None:
        self._number, self._began, self._before, self._long = 0, -LONG_S, -2 * LONG_S, False

    def now(self, now_s: float) -> int:
        """The number of the beat that this moment is in. Where the last one is over, the next begins."""
        if now_s >= self.ends:
            self._begin(now_s)
        return self._number

    def after(self, number: int, now_s: float) -> int:
        """As `now`, for one whose timer said that this beat was over: timers may be a millisecond early."""
        if self._number == number:
            self._begin(now_s)
        return self._number

    def left(self, questions: int) -> None:
        """So many left in this beat, in one request; they came since the one before began."""
        if questions > MANY_PER_S * (self._began - self._before):
            self._long = True

    @property
    def ends(self) -> float:
        return self._began + (LONG_S if self._long else SHORT_S)

    def _begin(self, now_s: float) -> None:
        self._number += 1
        self._before, self._began, self._long = self._began, now_s, False

"""How much memory a process came to hold. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Self

Sample = tuple[float, float]  # seconds since the start, MiB

WINDOW_S: Final = 20.0  # of which the median counts: a moment's batch is no growth
KIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """MiB: at the start of the load, when `settled`, at its end, and the most."""

    start_mb: float
    settled_mb: float
    end_mb: float
    most_mb: float

    @classmethod
    def of(cls, samples: Sequence[Sample], *, settled_at_s: float, end_at_s: float) -> Self:
        """`settled_at_s`: from then on nothing should grow. `end_at_s`: of the load."""
        under_load = [mb for at_s, mb in samples if at_s <= end_at_s]
        assert under_load, "no sample while the load went on"
        return cls(
            start_mb=under_load[0],
            settled_mb=_around(samples, settled_at_s, settled_at_s + WINDOW_S),
            end_mb=_around(samples, end_at_s - WINDOW_S, end_at_s),
            most_mb=max(under_load),
        )

    @property
    def percent(self) -> float:
        """Of what was held when settled, from then to the end; less than nothing where it shrank."""
        return 100 * (self.end_mb - self.settled_mb) / self.settled_mb if self.settled_mb else 0.0

    def bytes_each(self, done: int) -> float:
        """For each of so many that were done between settled and the end."""
        return (self.end_mb - self.settled_mb) * KIB * KIB / done if done else 0.0


def _around(samples: Sequence[Sample], start_s: float, end_s: float) -> float:
    """The median of a window, else of whatever lies nearest to its middle."""
    within = [mb for at_s, mb in samples if start_s <= at_s <= end_s]
    middle_s = (start_s + end_s) / 2
    return median(within) if within else min(samples, key=lambda sample: abs(sample[0] - middle_s))[1]

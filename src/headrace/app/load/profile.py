"""When requests are made: an open loop (a fixed rate, whatever the answers), or users who wait for answers."""

import math
from dataclasses import dataclass


class BadProfile(ValueError):
    """A load that cannot be offered. The message names the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLoop:
    """`rate_per_s` requests a second for `seconds`, evenly spaced. Answers do not slow it down."""

    rate_per_s: float
    seconds: float

    def __post_init__(self) -> None:
        _positive(rate_per_s=self.rate_per_s, seconds=self.seconds)

    @property
    def requests(self) -> int:
        return max(1, round(self.rate_per_s * self.seconds))

    def due_s(self, index: int) -> float:
        """Seconds after the start at which request `index` is due. From the index, so that nothing adds up."""
        return index / self.rate_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class WebUi:
    """Locust's own page, at `host` and `port` (0: one that is free), where a person may start and stop users and
    change how many there are. `start`: they start by themselves."""

    host: str = "127.0.0.1"
    port: int = 0
    start: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """`users` arrive at `spawn_rate_per_s`; each asks, waits for the answer, and asks again `pacing_s` after it
    last asked (at once, when the answer took longer), until `seconds` after the first began. In locust's words:
    users, spawn rate, constant pacing. `web_ui`: with its page."""

    users: int
    spawn_rate_per_s: float
    pacing_s: float
    seconds: float
    web_ui: WebUi | None = None

    def __post_init__(self) -> None:
        _positive(users=self.users, spawn_rate_per_s=self.spawn_rate_per_s, seconds=self.seconds)
        if not (math.isfinite(self.pacing_s) and self.pacing_s >= 0):
            raise BadProfile(f"pacing_s must be a number of seconds from 0, not {self.pacing_s}")

    @property
    def requests(self) -> int:
        """How many it makes at most: when every answer comes within the pacing. 0 where that sets no bound."""
        if self.pacing_s == 0 or self.web_ui is not None:
            return 0
        # Locust lets users in by whole ones: at 10/s all ten at the start of each second, at 0.5/s one every 2 s.
        at_once = max(1, math.floor(self.spawn_rate_per_s))
        arrivals = (user // at_once * at_once / self.spawn_rate_per_s for user in range(self.users))
        return sum(
            math.ceil((self.seconds - arrival) / self.pacing_s) for arrival in arrivals if arrival < self.seconds
        )


Profile = OpenLoop | Users


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise BadProfile(f"{name} must be more than 0, not {value}")

"""Listens at the doors of the engine, and can break it off there."""

from collections.abc import Callable
from functools import wraps
from typing import Any

Tap = Callable[[str, str, tuple[Any, ...]], None]

# The effects whose order matters: what is saved, and what a node sees.
SAVES = frozenset(
    {"add_operations", "claim_ready", "release", "judge", "seal", "record", "settle", "adopt", "release_claims"}
)
SENDS = frozenset({"send"})


class Crashed(BaseException):
    """The process is gone. Nothing in the engine may catch it."""


class Tapped:
    """Passes everything on to `inner`; before and after each of `effects` it tells `tap`."""

    def __init__(self, inner: object, effects: frozenset[str], tap: Tap) -> None:
        self._inner, self._effects, self._tap = inner, effects, tap

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._inner, name)
        if name not in self._effects:
            return inner

        @wraps(inner)
        async def tapped(*args: Any, **keywords: Any) -> Any:
            self._tap("before", name, args)
            answer = await inner(*args, **keywords)
            self._tap("after", name, args)
            return answer

        return tapped


class Fuse:
    """Lets so many doors pass, then breaks off."""

    def __init__(self, doors: int) -> None:
        self.left = doors

    def __call__(self, when: str, what: str, args: tuple[Any, ...]) -> None:
        if self.left == 0:
            raise Crashed(f"{when} {what}")
        self.left -= 1


def nothing(when: str, what: str, args: tuple[Any, ...]) -> None:
    """Listens and says nothing."""

"""Knows when work outside the event loop is under way, so that a hand-moved clock can wait for it.

Owns      a count of calls that have begun and not ended.
Promises  a watched object behaves as before.
Leaves    moving time to `clock`: `HandClock(busy=outside.busy)`.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Outside:
    """Hand the store (its writer is a thread) through `watch` before the engine gets it."""

    def __init__(self) -> None:
        self._under_way = 0

    def busy(self) -> bool:
        return self._under_way > 0

    def watch(self, target: T) -> T:
        """The same object to all appearances; its async methods are counted while they run."""
        return cast(T, _Watched(target, self._count))

    async def _count(self, call: Coroutine[Any, Any, Any]) -> Any:
        self._under_way += 1
        try:
            return await call
        finally:
            self._under_way -= 1


class _Watched:
    def __init__(
        self, target: object, count: Callable[[Coroutine[Any, Any, Any]], Coroutine[Any, Any, Any]]
    ) -> None:
        self._target = target
        self._count = count

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not inspect.iscoroutinefunction(value):
            return value

        def counted(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
            return self._count(value(*args, **kwargs))

        return counted

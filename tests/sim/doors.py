"""The doors of a process: whatever it saves and whatever it asks of a node passes one, and may be its last.

Owns      the fuse that makes a process die at a door, and what happens outside while it waits for a node.
Promises  a dead process saves nothing, sends nothing, tells nothing.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from engine.tapped import Crashed


class Doors:
    """`seen_by_node` hears every byte string before the node does. `left`: doors until it dies; None: it lives."""

    def __init__(self, node: Any, *, seen_by_node: Callable[[bytes], None]) -> None:
        self._node, self._seen_by_node = node, seen_by_node
        self.left: int | None = None
        self.dead = False
        self.passed = 0
        self._meanwhile: tuple[int, Callable[[], None]] | None = None

    def light(self, doors: int) -> None:
        """It dies at the door after so many more."""
        self.left = doors

    def meanwhile(self, questions: int, happens: Callable[[], None]) -> None:
        """It happens when a node is asked for the `questions`-th time from now, before it answers."""
        self._meanwhile = (questions, happens)

    def clear(self) -> None:
        self.left = self._meanwhile = None

    def save(self, when: str) -> None:
        self._pass()

    def read(self, when: str) -> None:
        if self.dead:
            raise Crashed

    def __getattr__(self, name: str) -> Any:
        """The node, as the process sees it."""
        method: Callable[..., Awaitable[Any]] = getattr(self._node, name)

        @wraps(method)
        async def asked(*args: Any, **keywords: Any) -> Any:
            self.read("before")
            self._look_outside()
            if name != "send":
                return await method(*args, **keywords)
            self._pass()
            self._seen_by_node(args[0])
            answer = await method(*args, **keywords)
            self._pass()
            return answer

        return asked

    def _pass(self) -> None:
        self.read("")
        self.passed += 1
        if self.left is None:
            return
        if self.left == 0:
            self.dead = True
            raise Crashed
        self.left -= 1

    def _look_outside(self) -> None:
        if self._meanwhile is None:
            return
        questions, happens = self._meanwhile
        if questions:
            self._meanwhile = (questions - 1, happens)
            return
        self._meanwhile = None
        happens()

"""SIGKILL to the gateway at seeded moments, and another one on the same store each time.

Promises  only processes that the run started are killed, by their pid; one that ends by itself ends the run.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, Protocol

from headrace.app.demo.processes import DidNotStart, Listening
from headrace.app.demo.run import start_gateway
from headrace.app.demo.scene import Scene
from headrace.testing.anvil import Anvil

# Of the time for load: the first and the last kill leave something to kill and something to be seen.
FIRST_SHARE: Final = 0.06
LAST_SHARE: Final = 0.97


@dataclass(frozen=True, slots=True)
class Kill:
    """`at_s` after the load began; `again_after_s`: until the next process listened (its chain may come later)."""

    at_s: float
    pid: int
    again_after_s: float


def kill_moments(kills: int, seconds: float, *, seed: int) -> list[float]:
    """Seconds after the start: one in each of `kills` equal parts of the time."""
    chance = random.Random(f"{seed} kills")  # noqa: S311 - repeatable on purpose
    start_s, length_s = seconds * FIRST_SHARE, seconds * (LAST_SHARE - FIRST_SHARE)
    return [start_s + length_s * (index + chance.random()) / kills for index in range(kills)]


class Killed(Protocol):
    """A stage of any workload."""

    @property
    def scene(self) -> Scene: ...

    @property
    def chain(self) -> Anvil: ...

    @property
    def gateway(self) -> Listening: ...


class Kills:
    """`started` is told of each new gateway."""

    def __init__(self, stage: Killed, *, started: Callable[[int], None]) -> None:
        self._stage, self._started = stage, started
        self.done: list[Kill] = []

    async def run(self, moments_s: Sequence[float]) -> None:
        """Kills at each moment, and keeps the last gateway running until cancelled. Raises DidNotStart."""
        begun_s = time.monotonic()
        gateway = self._stage.gateway
        async with AsyncExitStack() as lives:
            for moment_s in moments_s:
                await self._lives_for(gateway, begun_s + moment_s - time.monotonic())
                killed_s = time.monotonic()
                os.kill(gateway.pid, signal.SIGKILL)
                await gateway.ended()
                before = gateway.pid
                gateway = await lives.enter_async_context(start_gateway(self._stage.scene, self._stage.chain))
                self._started(gateway.pid)
                self.done.append(Kill(killed_s - begun_s, before, time.monotonic() - killed_s))
            await self._lives_for(gateway, None)

    async def _lives_for(self, gateway: Listening, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(None if seconds is None else max(seconds, 0)):
                code = await gateway.ended()
        except TimeoutError:
            return
        raise DidNotStart(f"the gateway ended by itself with {code}; its log: {gateway.log}")

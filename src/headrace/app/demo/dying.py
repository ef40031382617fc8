"""Notices that a part of a demo ended by itself: gateway, operator, proxy or chain."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol, TypeVar

import psutil

from headrace.app.demo.access import NodeAccess
from headrace.app.demo.processes import DidNotStart, Listening
from headrace.testing.anvil import Anvil

LOOK_EVERY_S: Final = 0.5
Played = TypeVar("Played")


class Parts(Protocol):
    """What runs in a demo of any workload."""

    @property
    def chain(self) -> Anvil: ...

    @property
    def access(self) -> NodeAccess: ...

    @property
    def gateway(self) -> Listening: ...

    @property
    def operators(self) -> Sequence[Listening]: ...


async def while_alive(stage: Parts, play: Coroutine[Any, Any, Played]) -> Played:
    """What `play` returns. Raises DidNotStart in its place when a part of the stage ends before."""
    playing = asyncio.create_task(play, name="play")
    death = asyncio.create_task(first_death(stage), name="deaths")
    try:
        await asyncio.wait({playing, death}, return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            raise DidNotStart(death.result())
        return playing.result()
    finally:
        playing.cancel()
        death.cancel()
        await asyncio.gather(playing, death, return_exceptions=True)


async def first_death(stage: Parts) -> str:
    """Waits for the first to end, and says which, in words."""
    parts = [_listening(part) for part in (stage.gateway, *stage.operators)]
    parts += [_process("the chain (anvil)", stage.chain.pid)]
    parts += [_process("the proxy", pid) for pid in stage.access.pids]
    watches = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
        return next(watch.result() for watch in watches if watch in done)
    finally:
        for watch in watches:
            watch.cancel()


async def _listening(part: Listening) -> str:
    code = await part.ended()
    return f"{part.name} ended with {code} while it was needed; its log: {part.log}"


async def _process(name: str, pid: int) -> str:
    # All that is known of it is its pid, which is reaped by the loop as soon as it ends.
    while psutil.pid_exists(pid):  # noqa: ASYNC110 - nothing tells us
        await asyncio.sleep(LOOK_EVERY_S)
    return f"{name}, process {pid}, ended while it was needed; it keeps no log"

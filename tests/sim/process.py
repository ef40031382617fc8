"""One gateway process, composed as the application composes it, from its first moment to its death.

Owns      the store, engine, intake and loops of one life; the tasks that carry them.
Promises  nothing of it goes on after `kill`: what was not committed is lost, and nobody is told of it.
Leaves    what happens to it to the steps.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, cast

from engine.tapped import Crashed
from headrace.app.engine_room import EngineRoom, build_engine
from headrace.chain.artifacts import load
from headrace.chain.heads import Heads
from headrace.chain.reverts import Errors
from headrace.chain.signing import LocalSigner
from headrace.core.ports import Announce, News, Node, NodeTrouble
from headrace.core.words import Block
from headrace.engine.intake import Intake
from headrace.testing.clock import HandClock
from headrace.testing.fake_node import FakeNode
from headrace.workloads.tasks.workload import Tasks
from sim.doors import Doors
from sim.one_thread import opened
from sim.profile import Profile

POLL_S: Final = 4.0
CHAIN_PAUSE_S: Final = 2.0  # as in app.gateway
ERRORS: Final = Errors.of(load("TaskManager").abi, load("BatchTaskManager").abi)


class Process:
    """`settling` hears of each lane and final state before it is saved; `announce` of all news."""

    def __init__(
        self,
        profile: Profile,
        *,
        path: Path,
        clock: HandClock,
        node: FakeNode,
        heads: AsyncIterator[Block],
        signers: Sequence[LocalSigner],
        seen_by_node: Callable[[bytes], None],
        settling: Callable[[Any], None],
        announce: Announce,
    ) -> None:
        self._stack = ExitStack()
        self.doors = Doors(node, seen_by_node=seen_by_node)
        self.store = self._stack.enter_context(
            opened(path, clock=clock, save_door=self.doors.save, read_door=self.doors.read)
        )
        self._clock, self._tell = clock, announce
        settings = profile.settings()
        asked = cast(Node, self.doors)
        self.engine: EngineRoom = build_engine(
            settings,
            store=cast(Any, _Witnessed(self.store, settling)),
            node=asked,
            heads=aiter(Heads(asked, clock=clock, poll_every_s=POLL_S, quiet_s=60)) if profile.polls else heads,
            signers=signers,
            workloads=[Tasks(profile.contracts, read_revert=ERRORS.decode)],
            clock=clock,
            announce=self._announce,
        )
        self.intake = Intake(
            store=self.store,
            noticed=self.engine.noticed,
            backlog=self.engine.backlog,
            waiting_max=100,
            backlog_max=10_000,
        )
        self.up = False
        self.loops: list[asyncio.Task[None]] = []
        self._errands: list[asyncio.Task[Any]] = []
        self._start(self._take_up(), "start")

    async def _take_up(self) -> None:
        """As `app.gateway` does it."""
        while True:
            try:
                await self.engine.restart()
                break
            except NodeTrouble:
                await self._clock.sleep(CHAIN_PAUSE_S)
        self._start(self.intake.run(), "intake")
        self._start(self.engine.watcher.run(), "watcher")
        for index, lane in enumerate(self.engine.lanes):
            self._start(lane.packer.run(), f"packer {index}")
        self.up = True

    @property
    def dead(self) -> bool:
        return self.doors.dead

    def do(self, errand: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Something that a client asks of it. It dies with the process."""
        task = asyncio.create_task(errand)
        self._errands = [e for e in self._errands if not e.done()] + [task]
        return task

    def broken(self) -> str | None:
        """Which loop ended, and of what, though nobody killed it."""
        for task in self.loops:
            if not task.done() or task.cancelled() or isinstance(task.exception(), Crashed):
                continue
            if task.get_name() != "start" or task.exception() is not None:
                return f"{task.get_name()}: {task.exception()!r}"
        return None

    async def kill(self) -> None:
        self.doors.dead = True
        tasks = [*self.loops, *self._errands]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._stack.close()

    def _start(self, loop: Coroutine[Any, Any, None], name: str) -> None:
        self.loops.append(asyncio.create_task(loop, name=name))

    def _announce(self, news: News) -> None:
        if not self.dead:
            self._tell(news)


class _Witnessed:
    """The store; what it is told to settle is looked at first."""

    def __init__(self, store: Any, settling: Callable[[Any], None]) -> None:
        self._store, self._settling = store, settling

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def settle(self, final: Any, **keywords: Any) -> Any:
        self._settling((keywords["lane"], final))
        return await self._store.settle(final, **keywords)

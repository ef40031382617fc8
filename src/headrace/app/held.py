"""What a running gateway holds in memory, counted by part: for its operator, and for who looks for leaks.

Promises  `under_way` is all zero when everything asked for is final, `kept` is bounded; counting changes nothing.
Leaves    each count to the part whose memory it is.
"""

import asyncio
import gc
import sys
from collections.abc import Mapping

from headrace.api.rpc import Rpc
from headrace.api.topics import Topics
from headrace.app.engine_room import EngineRoom
from headrace.app.tasks_part import TasksPart
from headrace.engine.intake import Intake
from headrace.operators.desk import Desk

Counts = Mapping[str, int]


class Held:
    def __init__(
        self,
        *,
        engine: EngineRoom,
        intake: Intake,
        topics: Topics,
        rpc: Rpc,
        desk: Desk | None,
        tasks: TasksPart | None,
    ) -> None:
        """`desk` and `tasks` None: this gateway has no tasks."""
        self._engine, self._intake, self._topics, self._rpc = engine, intake, topics, rpc
        self._desk, self._tasks = desk, tasks

    def __call__(self) -> Mapping[str, Counts]:
        """`under_way` and `kept` by part; `process`: tasks of the event loop, and blocks of memory that the
        interpreter has given out (of any size; an object has one or a few)."""
        gc.collect()  # else what waits for it counts too; some milliseconds, as it spares what stays
        evaluations = {} if self._desk is None else _named("evaluations", self._desk.held())
        quorums = {} if self._tasks is None else _named("quorums", self._tasks.held())
        kept = {} if self._tasks is None else self._tasks.kept()
        return {
            "under_way": {
                "calls": self._rpc.calls,
                "intake": self._intake.waiting,
                **evaluations,
                **quorums,
                **_named("lanes", self._engine.held()),
                "listeners": self._topics.listeners,
                "subscriptions": self._topics.subscriptions,
            },
            "kept": {"blocks": self._engine.watcher.blocks_kept, **kept},
            "process": {"tasks": len(asyncio.all_tasks()), "memory_blocks": sys.getallocatedblocks()},
        }


def _named(part: str, counts: Counts) -> Counts:
    return {f"{part} {name}": count for name, count in counts.items()}

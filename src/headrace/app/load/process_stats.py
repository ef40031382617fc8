"""CPU and memory of the processes of a run, by the role they play.

Promises  CPU is what was used between start and end of the sampling; a process that died counts with what it had
          used when last looked at; one that took its place counts on.
Leaves    which process plays which role to the caller.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import psutil

SAMPLES_MAX: Final = 7_200  # two hours at one a second; older ones are dropped
MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Use:
    """Of one role, all its processes together. `samples`: (seconds since the start, rss in MiB)."""

    cpu_s: float
    rss_peak_mb: float
    rss_last_mb: float
    samples: Sequence[tuple[float, float]]


@dataclass(slots=True)
class _Process:
    process: psutil.Process
    cpu_before_s: float
    cpu_s: float = 0.0
    rss_mb: float = 0.0


@dataclass(slots=True)
class _Role:
    processes: list[_Process] = field(default_factory=list)
    samples: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=SAMPLES_MAX))
    peak_mb: float = 0.0


class ProcessStats:
    """Samples every `every_s` seconds while `run` runs; process ids by role, more by `add`."""

    def __init__(
        self,
        roles: Mapping[str, Sequence[int]],
        *,
        every_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._every_s = every_s
        self._clock = clock
        self._sleep = sleep
        self._start_s = clock()
        self._roles: dict[str, _Role] = {role: _Role() for role in roles}
        for role, pids in roles.items():
            for pid in pids:
                self.add(role, pid)

    def add(self, role: str, pid: int) -> None:
        """From now on this process counts too, its CPU from here. One that is gone already counts nothing."""
        processes = self._roles.setdefault(role, _Role()).processes
        try:
            process = psutil.Process(pid)
            processes.append(_Process(process, _cpu_s(process)))
        except psutil.Error:
            return

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.sample()
            await self._sleep(self._every_s)

    def sample(self) -> None:
        at_s = self._clock() - self._start_s
        for role in self._roles.values():
            for one in role.processes:
                _look(one)
            rss_mb = round(sum(one.rss_mb for one in role.processes), 2)
            role.peak_mb = max(role.peak_mb, rss_mb)
            role.samples.append((round(at_s, 3), rss_mb))

    def use(self) -> Mapping[str, Use]:
        """Up to the newest sample."""
        return {
            name: Use(
                cpu_s=sum(one.cpu_s for one in role.processes),
                rss_peak_mb=role.peak_mb,
                rss_last_mb=role.samples[-1][1] if role.samples else 0.0,
                samples=tuple(role.samples),
            )
            for name, role in self._roles.items()
        }


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _look(one: _Process) -> None:
    try:
        with one.process.oneshot():
            one.cpu_s = _cpu_s(one.process) - one.cpu_before_s
            one.rss_mb = one.process.memory_info().rss / MIB
    except psutil.Error:
        one.rss_mb = 0.0  # dead: it holds no memory; its CPU stays as last seen

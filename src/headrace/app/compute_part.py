"""The engine for compute jobs of this machine, as the settings want it.

Owns      which walls it gets, and what no job may see.
Leaves    running jobs to `headrace.compute`.
"""

from headrace.app.settings import Settings
from headrace.compute.algorithm import Ceiling
from headrace.compute.choosing import choose_walls
from headrace.compute.engine import LocalEngine
from headrace.compute.run import Means
from headrace.compute.sandbox import Python
from headrace.compute.shelf import Shelf
from headrace.core.ports.jobs import JobStore
from headrace.core.ports.time import Clock
from headrace.jobs.life import JobLife


async def open_compute(settings: Settings, store: JobStore, clock: Clock) -> LocalEngine:
    """Not running yet: `run` is for the gateway's task group. Without walls it is there all the same, and refuses
    to start jobs in words."""
    wanted = settings.compute
    keystores = [lane.keystore for lane in settings.lanes if lane.keystore is not None]
    confinement, trouble = await choose_walls(
        bubblewrap=wanted.bubblewrap,
        unsandboxed=wanted.unsandboxed,
        secret=(settings.store.path, wanted.results, *keystores),
    )
    means = Means(
        desk=JobLife(store, claim_duration_timeout_s=settings.settlement.claim_duration_timeout_s),
        clock=clock,
        shelf=Shelf(wanted.results),
        confinement=confinement,
        python=Python.own(),
        ceiling=Ceiling(
            memory_mb=wanted.memory_mb_max,
            disk_mb=wanted.disk_mb_max,
            output_mb=wanted.output_mb_max,
            processes=wanted.processes_max,
        ),
    )
    return LocalEngine(
        means,
        environment=wanted.environment,
        trouble=trouble,
        jobs_at_once=wanted.jobs_at_once,
        waiting_max=wanted.waiting_max,
    )

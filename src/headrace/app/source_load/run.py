"""One run of the source's load: two stages side by side, the same people before each.

Owns      the settings of both sides and the moment at which both loads begin.
Promises  the sides differ in submitter and recording only; what ends on one side while it is needed ends the run.
Leaves    what a side shows to `figures`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from headrace.app.bench.declaring import Say
from headrace.app.demo.dying import while_alive
from headrace.app.demo.run import DemoOptions, Stage, Windows, deployment_of, open_stage
from headrace.app.load.measure import innermost
from headrace.app.load.profile import Users
from headrace.app.load.task_source import Kind
from headrace.app.load.users_process import require_locust
from headrace.app.load_run import run_load
from headrace.app.page.writing import RunToShow
from headrace.app.report import Limits

# TaskManager's own, not the 2 and 30 blocks of the source's constructor: there half of the tasks were created 50 s
# (over 4 blocks) after their request, so its live chain cannot have had 2. With these no task is lost to a window
# on either side, and what is measured is the submitter alone.
WINDOWS: Final = Windows(creation_blocks=64, response_blocks=128)
# How long a response may wait for its create: longer than any run here, so that none is given up. The default of
# 60 s belongs to the batching design; one at a time, it would leave creates in the queue whose responses are gone.
RESPOND_WAIT_MS: Final = 3_600_000

Submitter = Literal["sequential", "batched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLoadOptions:
    profile: Users
    block_time_s: int
    gas_limit: int
    limits: Limits
    seed: int

    def of(self, submitter: Submitter) -> DemoOptions:
        return DemoOptions(
            profile=self.profile,
            block_time_s=self.block_time_s,
            gas_limit=self.gas_limit,
            recording="separate" if submitter == "sequential" else "combined",
            submitter=submitter,
            poison_percent=0,
            limits=self.limits,
            serve=False,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLoadRun:
    """Each side's run and its report."""

    sequential: RunToShow
    ours: RunToShow
    folders: Sequence[Path]


async def run_source_load(options: SourceLoadOptions, *, base: Path, say: Say) -> SourceLoadRun:
    """Raises LocustMissing, UsersFailed, AnvilMissing, DidNotStart (a part that ends while it is needed, too),
    ChainNotSeen."""
    require_locust()  # before the stages are set up
    tuning = {"batch_submitter": {"respond_wait_timeout_ms": RESPOND_WAIT_MS}}

    def saying(side: Submitter) -> Say:
        return lambda text: say(f"{side}: {text}")

    async with (
        open_stage(
            options.of("sequential"), base=base, say=saying("sequential"), tuning=tuning, windows=WINDOWS
        ) as sequential,
        open_stage(
            options.of("batched"), base=base, say=saying("batched"), tuning=tuning, windows=WINDOWS
        ) as batched,
    ):
        profile = options.profile
        say(
            f"both: {profile.users} users, {profile.pacing_s:g} s between a user's requests, {profile.seconds:g} s"
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                one = tasks.create_task(_side(sequential, options.of("sequential"), "One at a time"))
                other = tasks.create_task(_side(batched, options.of("batched"), "Batched"))
        except BaseExceptionGroup as group:
            raise innermost(group) from group
        return SourceLoadRun(
            sequential=one.result(),
            ours=other.result(),
            folders=[sequential.scene.folder, batched.scene.folder],
        )


async def _side(stage: Stage, options: DemoOptions, name: str) -> RunToShow:
    shown: list[RunToShow] = []
    run = run_load(
        "bench",
        stage.target(batched=options.submitter == "batched"),
        options.profile,
        # Without those that a policy refuses: nothing of them gets to the chain.
        [client for client in stage.clients if client.kind is Kind.GOOD],
        deployment=deployment_of(options),
        limits=options.limits,
        seed=options.seed,
        journal_file=stage.scene.folder / "journal.jsonl",
        then=lambda run, report: shown.append(RunToShow(run=run, report=report, name=name)),
    )
    await while_alive(stage, run)
    return shown[0]

"""The whole engine under every kind of trouble, 200,000 steps over 1,000 seeds: what must hold, holds.

Writes no figure of speed: the simulation's clock is moved by hand. What must hold is in tests/sim/invariants.md.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import click

from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline, Table

TESTS: Final = Path(__file__).parents[1] / "tests"
SEEDS, STEPS = 1_000, 200
LINE_BYTES_MAX: Final = 64 * 1024 * 1024  # a whole trace is one line
SHOWN_VIOLATIONS_MAX: Final = 20
TOLD_EVERY: Final = 100


def replay_line(seed: int, steps: int) -> str:
    return f"headrace bench sim --seed {seed} --seeds 1 --steps {steps} --trace"


async def run(bench: BenchRun, *, seeds: int, steps: int, processes: int, trace: bool) -> Findings:
    tally: Counter[str] = Counter()
    violated: list[dict[str, Any]] = []
    done = taken = 0

    async def share(index: int) -> None:
        nonlocal done, taken
        async for one in _runs(bench.seed + index, seeds - index, every=processes, steps=steps, trace=trace):
            done, taken = done + 1, taken + one["steps"]
            tally.update(one["tally"])
            for line in one["trace"]:
                bench.say(line)
            if one["violation"] is not None:
                violated.append(one)
                bench.say(f"seed {one['seed']}, step {one['steps']}: {one['violation']}")
                bench.say(f"  once more: {replay_line(one['seed'], steps)}")
            if done % TOLD_EVERY == 0:
                bench.say(f"{done} of {seeds} seeds, {taken} steps, {len(violated)} violations")

    shares = [asyncio.create_task(share(index)) for index in range(min(processes, seeds))]
    try:
        await asyncio.gather(*shares)
    finally:  # one that failed ends all
        for each in shares:
            each.cancel()
        await asyncio.gather(*shares, return_exceptions=True)
    return Findings(
        headline=(Headline("violations", len(violated), "runs"), Headline("steps", taken, "steps")),
        checks=[
            Check.at_least("seeds", done, seeds),
            Check.at_least("steps", taken, seeds * steps),
            Check.equals("violations", len(violated), 0),
        ],
        tables=[_met(tally)],
        details={
            "met": dict(sorted(tally.items())),
            "violations": [
                {"seed": one["seed"], "step": one["steps"], "violation": one["violation"]}
                for one in violated[:SHOWN_VIOLATIONS_MAX]
            ],
        },
    )


async def _runs(first: int, seeds: int, *, every: int, steps: int, trace: bool) -> AsyncIterator[dict[str, Any]]:
    """A process works off its share of the seeds; a line for each."""
    arguments = ["--seed", first, "--seeds", seeds, "--every", every, "--steps", steps, "--json"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sim",
        *map(str, arguments),
        *(["--trace"] if trace else []),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])},
        limit=LINE_BYTES_MAX,
    )
    assert process.stdout is not None
    count = 0
    try:
        async for line in process.stdout:
            count += 1
            yield json.loads(line)
        await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if count != len(range(0, seeds, every)):
        raise click.ClickException(f"a process ended after {count} runs: see what it said above")


def _met(tally: Counter[str]) -> Table:
    rows = [[name, f"{count:,}"] for name, count in sorted(tally.items()) if not name.startswith("step ")]
    return Table(columns=["what the runs met", "times"], rows=rows)


BENCH = Bench(
    name="sim",
    says="Over 200,000 random steps of faults, crashes and reorgs nothing is lost, done twice or told wrong.",
    run=run,
    options=(
        click.Option(
            ["--seeds"], type=click.IntRange(min=1), default=SEEDS, show_default=True, help="Runs, from --seed on."
        ),
        click.Option(
            ["--steps"], type=click.IntRange(min=1), default=STEPS, show_default=True, help="Steps of each run."
        ),
        click.Option(
            ["--processes"],
            type=click.IntRange(min=1, max=64),
            default=2,
            show_default=True,
            help="How many work at once.",
        ),
        click.Option(["--trace"], is_flag=True, help="Tell every step of every run."),
    ),
)

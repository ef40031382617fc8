"""The highest rate of tasks that everything on this machine sustains, for each recording, and what binds it.

Before the search the rate that the source's team wanted, 100 tasks a second, is offered for five minutes. A rate
is *sustained* if every due task is on chain in time, answers come within three seconds, and the way to the chain
does not grow by half a block between the second and the last quarter of the step. Rates go up by a fifth while
they hold, then between the best and the first that did not. Every task passes its policy and goes on chain.
"""

import click

from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline, Table
from headrace.app.cli.options import LOAD_RANGE

COMBINED_LEAST_PER_S = 250
SEPARATE_START_PER_S = 125


async def run(
    bench: BenchRun,
    *,
    rate: int,
    seconds: float,
    start: int,
    steps: int,
    step_seconds: float,
    block_time: int,
    gas_limit: int,
) -> Findings:
    from headrace.app.throughput.run import ThroughputOptions, ThroughputRun, run_throughput
    from headrace.app.throughput.search import sustained
    from headrace.app.throughput.step import Step

    def options(recording: str) -> ThroughputOptions:
        combined = recording == "combined"
        return ThroughputOptions(
            recording="combined" if combined else "separate",
            start_per_s=start if combined else min(start, SEPARATE_START_PER_S),
            steps_max=steps,
            step_seconds=step_seconds,
            block_time_s=block_time,
            gas_limit=gas_limit,
            seed=bench.seed,
            steady_per_s=rate,
            steady_seconds=seconds if combined else 0,
        )

    combined, separate = [
        await run_throughput(options(recording), base=bench.base, say=bench.say)
        for recording in ("combined", "separate")
    ]
    steady = combined.steady
    assert steady is not None
    due, on_time = steady.report["valid"]["due"], steady.report["valid"]["outcomes"]["on_time"]

    def name(recording: str, step: Step) -> str:
        return f"{recording}, {step.rate_per_s}/s"

    def times(recording: str, step: Step) -> tuple[str, ...]:
        report = step.report
        seconds = (report["answer_s"]["p99"], report["onchain_e2e_s"]["p50"], report["onchain_e2e_s"]["p99"])
        return (
            name(recording, step),
            f"{step.landed_per_s:.0f}",
            *("-" if value is None else f"{value:.2f}" for value in seconds),
            str(report["operations_per_transaction"]["p50"]),
            "yes" if step.sustained else "no",
        )

    def costs(recording: str, step: Step) -> tuple[str, ...]:
        accepted = max(step.report["accepted"], 1)
        return (name(recording, step), *(f"{1000 * cpu_s / accepted:.2f}" for cpu_s in step.cpu_s.values()))

    runs: tuple[ThroughputRun, ThroughputRun] = (combined, separate)
    by_rate = [
        (run.recording, step) for run in runs for step in sorted(run.steps, key=lambda step: step.rate_per_s)
    ]
    shown: list[tuple[str, Step]] = [("steady", steady), *by_rate]
    too_many = [(name(*one), one[1].why_not) for one in shown if one[1].why_not is not None]
    return Findings(
        headline=(
            Headline("highest sustained rate, combined", sustained(combined.tried), "tasks/s"),
            Headline(f"on time at {rate}/s for {seconds:g} s", _percent(on_time, due), "%"),
        ),
        checks=[
            Check.at_least("combined_sustained_per_s", sustained(combined.tried), COMBINED_LEAST_PER_S),
            Check.equals("steady_not_on_time", due - on_time, 0),
            Check.at_least("steady_due", due, int(rate * seconds * 0.95)),
            Check.at_least("separate_sustained_per_s", sustained(separate.tried), 1),
            Check.equals("done_twice", sum(step.report["chain"]["done_twice"] for _, step in shown), 0),
        ],
        runs=[step.report for _, step in shown],
        tables=[
            Table(
                columns=("rate", "landed/s", "answer p99", "on chain p50", "p99, s", "tasks/tx", "sustained"),
                rows=[times(*one) for one in shown],
            ),
            Table(
                columns=("CPU ms a task, under load", *steady.cpu_s),
                rows=[costs(*one) for one in shown],
            ),
            Table(
                columns=("nearest to its end", ""),
                rows=[
                    (name(recording, step), f"{share.resource}, {share.percent:.0f} %")
                    for recording, step in shown
                    for share in step.shares[:2]
                ],
            ),
            *([Table(columns=("not sustained, as", ""), rows=too_many)] if too_many else []),
        ],
        details={
            "steps": [
                {
                    "recording": recording,
                    "rate_per_s": step.rate_per_s,
                    "sustained": step.sustained,
                    "why_not": step.why_not,
                    "landed_per_s": round(step.landed_per_s, 1),
                    "on_chain_p50_s_by_quarter": list(step.on_chain_p50_s),
                    "client_late_p99_s": round(step.client_late_p99_s, 4),
                    "cpu_s_under_load": {role: round(cpu_s, 2) for role, cpu_s in step.cpu_s.items()},
                    "shares_percent": {share.resource: round(share.percent, 1) for share in step.shares},
                }
                for recording, step in shown
            ],
            "binds": {
                r.recording: max(r.steps, key=lambda step: step.rate_per_s).shares[0].resource for r in runs
            },
        },
    )


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0


BENCH = Bench(
    name="throughput",
    says="250 tasks a second are recorded in 2 s blocks on two cores; 100 a second for five minutes, all on time.",
    run=run,
    options=(
        click.Option(
            ["--rate"], type=click.IntRange(min=1), default=100, show_default=True, help="Of the steady run."
        ),
        click.Option(["--seconds"], type=LOAD_RANGE, default=300.0, show_default=True, help="Of the steady run."),
        click.Option(
            ["--start"],
            type=click.IntRange(min=1),
            default=COMBINED_LEAST_PER_S,
            show_default=True,
            help="Tasks a second that the search begins with.",
        ),
        click.Option(
            ["--steps"],
            type=click.IntRange(1, 20),
            default=4,
            show_default=True,
            help="Rates tried at most, for each recording.",
        ),
        click.Option(["--step-seconds"], type=LOAD_RANGE, default=30.0, show_default=True),
        click.Option(["--block-time"], type=click.IntRange(1, 60), default=2, show_default=True),
        click.Option(["--gas-limit"], type=click.IntRange(min=30_000_000), default=300_000_000, show_default=True),
    ),
)

"""The load test that this gateway began with, on both submitters at once.

The source's load: 10 users, spawn rate 10 a second, one request every 15 s from each, five minutes; on Sepolia, so
blocks every 12 s. It measured 41 % completed, half of them after 138 s, and named the cause: a loop that sends one
transaction at a time and waits for it. Those 41 % are of a fleet with several such loops; here one has all of the
load, as on the other side one gateway of ours has.

Each side has a chain, operators and a gateway of its own, with the same settings and windows; both loads begin
together. The windows are wide enough (64 and 128 blocks) that no task is lost to them: what is measured is the
submitter. The late limit is longer than what counts as on time, so that every task has had its time, and short
enough for the whole run to stay under 7.5 minutes.
"""

from collections.abc import Callable

import click

from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline, Table
from headrace.app.cli.options import LOAD_RANGE, FiniteRange
from headrace.app.report_shape import Report

SOURCE_COMPLETED_PERCENT = 41
MANY_BLOCKS = 5  # the source's p50 was 11.5 block times
BESIDES_A_BLOCK_S = 2


async def run(
    bench: BenchRun,
    *,
    users: int,
    spawn_rate: float,
    pacing: float,
    seconds: float,
    block_time: int,
    gas_limit: int,
    on_time: float,
    late_limit: float,
) -> Findings:
    from headrace.app.load.profile import Users
    from headrace.app.report import Limits
    from headrace.app.source_load.figures import Figures
    from headrace.app.source_load.run import SourceLoadOptions, run_source_load

    options = SourceLoadOptions(
        profile=Users(users=users, spawn_rate_per_s=spawn_rate, pacing_s=pacing, seconds=seconds),
        block_time_s=block_time,
        gas_limit=gas_limit,
        limits=Limits(on_time_s=on_time, late_limit_s=late_limit),
        seed=bench.seed,
    )
    both = await run_source_load(options, base=bench.base, say=bench.say)
    reports = (both.sequential.report, both.ours.report)
    sequential, ours = [Figures.of(report) for report in reports]

    def row(name: str, figure: Callable[[Report], str], source: str) -> tuple[str, ...]:
        return name, *(figure(report) for report in reports), source

    return Findings(
        headline=(
            Headline("on time, one at a time", round(sequential.on_time_percent, 2), "%"),
            Headline("on time, batched", round(ours.on_time_percent, 2), "%"),
        ),
        checks=[
            Check.at_most(
                "sequential_on_time_percent", round(sequential.on_time_percent, 2), SOURCE_COMPLETED_PERCENT
            ),
            Check.at_least("sequential_p50_blocks", round(sequential.p50_blocks, 2), MANY_BLOCKS),
            Check.equals("on_time_percent", round(ours.on_time_percent, 2), 100),
            Check.below("p50_s", round(ours.p50_s or 0.0, 3), block_time + BESIDES_A_BLOCK_S),
            Check.at_least("landed", ours.landed, 1),
            Check.equals("done_twice", sum(r["chain"]["done_twice"] for r in reports), 0),
        ],
        runs=reports,
        drawn=[both.sequential, both.ours],
        tables=[
            Table(
                columns=("side by side", "one at a time", "batched", "the source"),
                rows=[
                    row("requests", lambda report: f"{report['offered']:,}", "200"),
                    row("answered, p50 s", lambda report: _seconds(report["http_s"]["p50"]), "2.80"),
                    row("  p95", lambda report: _seconds(report["http_s"]["p95"]), "3.50"),
                    row(
                        "task on chain, p50 s", lambda report: _seconds(report["onchain_create_s"]["p50"]), "50.00"
                    ),
                    row("  p95", lambda report: _seconds(report["onchain_create_s"]["p95"]), "84.00"),
                    row(
                        "response on chain, p50 s",
                        lambda report: _seconds(report["onchain_e2e_s"]["p50"]),
                        "138.00",
                    ),
                    row("  p95", lambda report: _seconds(report["onchain_e2e_s"]["p95"]), "192.00"),
                    row("  p99", lambda report: _seconds(report["onchain_e2e_s"]["p99"]), "204.00"),
                    row(
                        "completed in the end, %",
                        lambda report: f"{Figures.of(report).landed_percent:.1f}",
                        "41.0",
                    ),
                    row(
                        f"  within {on_time:g} s, %",
                        lambda report: f"{Figures.of(report).on_time_percent:.1f}",
                        "",
                    ),
                    row("transactions", lambda report: f"{report['transactions']:,}", "223"),
                    row("gas a task", lambda report: f"{report['gas_per_operation']:,}", ""),
                    row("gateway CPU, s", lambda report: f"{report['cpu_s']['gateway']:.1f}", ""),
                ],
            )
        ],
        details={"folders": [str(folder.relative_to(bench.base)) for folder in both.folders]},
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


BENCH = Bench(
    name="source-load",
    says="All of the load that one transaction at a time mostly leaves behind lands in batches, on time.",
    run=run,
    draws=True,
    options=(
        click.Option(["--users"], type=click.IntRange(1, 1000), default=10, show_default=True),
        click.Option(["--spawn-rate"], type=LOAD_RANGE, default=10.0, show_default=True, help="Users a second."),
        click.Option(
            ["--pacing"],
            type=FiniteRange(min=0.1),
            default=15.0,
            show_default=True,
            help="Seconds between a user's requests.",
        ),
        click.Option(["--seconds"], type=LOAD_RANGE, default=300.0, show_default=True, help="How long they ask."),
        click.Option(["--block-time"], type=click.IntRange(1, 60), default=12, show_default=True),
        click.Option(["--gas-limit"], type=click.IntRange(min=1_000_000), default=60_000_000, show_default=True),
        click.Option(
            ["--on-time"], type=FiniteRange(min=0, min_open=True), default=60.0, show_default=True, help="Seconds."
        ),
        click.Option(
            ["--late-limit"],
            type=FiniteRange(min=0),
            default=90.0,
            show_default=True,
            help="Seconds after the last request at which a side ends.",
        ),
    ),
)

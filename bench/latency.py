"""When to flush: how soon a task is on chain by each policy, and what that takes in transactions and gas.

At a modest rate, so that no block and no core is full: what is measured is the policy. `block` flushes a learned
lead before the coming block, `interval` every so often. The ways run in pairs, each with a chain, operators and a
gateway of its own. One transaction at a time is offered only what it can carry, for with more its queue would be
measured: it is shown at its best.

A task that comes at any moment between two blocks waits half a block on average and a whole one at most, then the
lead, and then the chain carries the block out and it is seen: that is what `block` is held against. How soon
a task is on chain by an interval hangs on where the flush happens to lie between two blocks.
"""

import click

from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline, Table
from headrace.app.cli.options import LOAD_RANGE

LEAD_S = 0.4  # where a gateway's lead begins (core.flush.Lead); it shrinks while all goes well
CHAIN_S = 0.4  # a block of 40 tasks costs the chain under 0.1 s of CPU, and reading it as much again
ANSWER_S = 0.5  # a quarter of a block: no answer may wait for one
TRANSACTIONS_PER_BLOCK = 1.25


async def run(
    bench: BenchRun,
    *,
    rate: float,
    sequential_rate: float,
    seconds: float,
    slow_ms: int,
    quick_ms: int,
    block_time: int,
    gas_limit: int,
) -> Findings:
    from headrace.app.latency.run import LatencyOptions, WayRun, run_latency
    from headrace.app.latency.ways import block, interval, sequential

    runs = await run_latency(
        LatencyOptions(
            pairs=(
                (block(rate), interval(slow_ms, rate)),
                (interval(quick_ms, rate), sequential(sequential_rate)),
            ),
            seconds=seconds,
            block_time_s=block_time,
            gas_limit=gas_limit,
            seed=bench.seed,
        ),
        base=bench.base,
        say=bench.say,
    )
    batched = aligned, by_slow, by_quick = runs[0], runs[1], runs[2]

    def p50(one: WayRun) -> float:
        return one.report["onchain_e2e_s"]["p50"] or 0.0

    def per_block(one: WayRun) -> float:
        return round(one.report["transactions"] / max(one.report["blocks"], 1), 3)

    def per_hundred(one: WayRun) -> float:
        return round(100 * one.report["transactions"] / max(one.report["accepted"], 1), 2)

    def not_on_time(one: WayRun) -> int:
        return one.report["valid"]["due"] - one.report["valid"]["outcomes"]["on_time"]

    def in_seconds(*values: float | None) -> tuple[str, ...]:
        return tuple("-" if value is None else f"{value:.2f}" for value in values)

    def times(one: WayRun) -> tuple[str, ...]:
        answer, on_chain = one.report["answer_s"], one.report["onchain_e2e_s"]
        rate = f"{one.way.rate_per_s:g}"
        return one.way.name, rate, *in_seconds(answer["p50"], answer["p99"], on_chain["p50"], on_chain["p99"])

    def parts(one: WayRun) -> tuple[str, ...]:
        return one.way.name, *in_seconds(
            *(part["p50"] for part in (one.parts.waited, one.parts.sent, one.parts.mined))
        )

    def takes(one: WayRun) -> tuple[str, ...]:
        report = one.report
        return (
            one.way.name,
            f"{report['accepted']:,}",
            f"{report['transactions']:,}",
            f"{per_block(one):.2f}",
            f"{report['operations_per_transaction']['p50']}",
            f"{report['gas_per_operation']:,}",
            f"{1000 * report['cpu_s']['gateway'] / max(report['accepted'], 1):.1f}",
        )

    return Findings(
        headline=(
            Headline("request to block, p50, flush by block", round(p50(aligned), 3), "s"),
            Headline(f"flush every {slow_ms:,} ms", round(p50(by_slow), 3), "s"),
        ),
        checks=[
            Check.at_most("block_p50_s", round(p50(aligned), 3), block_time / 2 + LEAD_S + CHAIN_S),
            Check.at_most(
                "block_p99_s",
                round(aligned.report["onchain_e2e_s"]["p99"] or 0.0, 3),
                block_time + LEAD_S + CHAIN_S,
            ),
            Check.at_most("block_transactions_per_block", per_block(aligned), TRANSACTIONS_PER_BLOCK),
            Check.at_most(
                "block_transactions_percent_of_quick_interval",
                round(100 * per_hundred(aligned) / max(per_hundred(by_quick), 0.001), 2),
                100,
            ),
            Check.below(
                "answer_p99_s", round(max(one.report["answer_s"]["p99"] or 0.0 for one in batched), 3), ANSWER_S
            ),
            Check.equals("not_on_time", sum(not_on_time(one) for one in batched), 0),
            Check.at_least("least_landed", min(one.report["valid"]["outcomes"]["on_time"] for one in runs), 1),
            Check.equals("done_twice", sum(one.report["chain"]["done_twice"] for one in runs), 0),
        ],
        runs=[one.report for one in runs],
        tables=[
            Table(
                columns=("flush, s", "tasks/s", "answer p50", "p99", "chain p50", "p99"),
                rows=[times(one) for one in runs],
            ),
            Table(
                columns=("flush", "tasks", "tx", "tx/block", "tasks/tx", "gas/task", "CPU ms/task"),
                rows=[takes(one) for one in runs],
            ),
            Table(
                columns=("p50, s, of the gateway's way", "to sealed", "to sent", "to seen mined"),
                rows=[parts(one) for one in runs],
            ),
        ],
        details={
            "ways": [
                {
                    "name": one.way.name,
                    "waited_s": dict(one.parts.waited),
                    "sent_s": dict(one.parts.sent),
                    "mined_s": dict(one.parts.mined),
                    "transactions_per_hundred": per_hundred(one),
                    "folder": str(one.folder.relative_to(bench.base)),
                }
                for one in runs
            ]
        },
    )


BENCH = Bench(
    name="latency",
    says="Flushed by the block, a task is in one after half a block time, the lead and what the chain needs.",
    run=run,
    options=(
        click.Option(
            ["--rate"], type=LOAD_RANGE, default=20.0, show_default=True, help="Tasks a second, batched."
        ),
        click.Option(
            ["--sequential-rate"],
            type=LOAD_RANGE,
            default=0.2,
            show_default=True,
            help="Tasks a second, one at a time: two transactions each, a block for either.",
        ),
        click.Option(["--seconds"], type=LOAD_RANGE, default=30.0, show_default=True, help="Of each way."),
        click.Option(
            ["--slow-ms"], type=click.IntRange(10, 600_000), default=2000, show_default=True, help="An interval."
        ),
        click.Option(
            ["--quick-ms"], type=click.IntRange(10, 600_000), default=500, show_default=True, help="Another."
        ),
        click.Option(["--block-time"], type=click.IntRange(1, 60), default=2, show_default=True),
        click.Option(["--gas-limit"], type=click.IntRange(min=30_000_000), default=120_000_000, show_default=True),
    ),
)

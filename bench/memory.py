"""Memory stays flat: what is finished leaves it.

Every task is of the kind that goes all the way: evaluated, signed, certified, recorded, final. A process has
settled after a minute of load (connections, prepared statements); from then to the end its resident memory is held
against the limit, each by the median of 20 s. What is left behind is counted by the gateway itself, when all is
final, before the load and after it: operations, transactions, waiters and so on, and the interpreter's blocks.

An operator remembers by design what it signed, for the last 100,000 tasks, so that it never signs two answers to
one: its memory grows until there are so many.
"""

import click

from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline, Table
from headrace.app.cli.options import LOAD_RANGE

GROWTH_BELOW_PERCENT = 5
SETTLED_AFTER_S = 60.0
MEMORY_BLOCKS_A_TASK = 0.1
OPERATOR_BYTES_A_TASK = 500


async def run(bench: BenchRun, *, rate: float, seconds: float, block_time: int, gas_limit: int) -> Findings:
    from headrace.app.demo.run import OPERATORS
    from headrace.app.memory.growth import Growth
    from headrace.app.memory.run import MemoryOptions, run_memory

    ran = await run_memory(
        MemoryOptions(
            rate_per_s=rate, seconds=seconds, block_time_s=block_time, gas_limit=gas_limit, seed=bench.seed
        ),
        base=bench.base,
        say=bench.say,
    )
    settled_s = min(SETTLED_AFTER_S, seconds / 2)
    growths = {
        role: Growth.of(samples, settled_at_s=settled_s, end_at_s=seconds)
        for role, samples in ran.samples.items()
        if any(mb for _, mb in samples)
    }
    gateway, operators = growths["gateway"], growths["operators"]
    report = ran.report
    valid, on_time = report["valid"]["due"], report["valid"]["outcomes"]["on_time"]
    since_settled = round(rate * (seconds - settled_s))
    left = sum(ran.after["under_way"].values())
    blocks = [held["process"]["memory_blocks"] for held in (ran.before, ran.after)]
    blocks_each = round((blocks[1] - blocks[0]) / max(valid, 1), 4)
    operator_bytes = round(operators.bytes_each(since_settled * OPERATORS))

    def row(role: str, growth: Growth) -> tuple[str, ...]:
        each = f"{growth.bytes_each(since_settled):,.0f}"
        sizes = (growth.start_mb, growth.settled_mb, growth.end_mb, growth.most_mb)
        return role, *(f"{mb:.1f}" for mb in sizes), f"{growth.percent:.1f}", each

    return Findings(
        headline=(
            Headline("gateway's growth after it settled", round(gateway.percent, 2), "%"),
            Headline("still held when all is final", left, "operations, transactions, waiters"),
        ),
        checks=[
            Check.below("gateway_growth_percent", round(gateway.percent, 2), GROWTH_BELOW_PERCENT),
            Check.equals("under_way_after_all_is_final", left, 0),
            Check.at_most("memory_blocks_left_a_task", blocks_each, MEMORY_BLOCKS_A_TASK),
            Check.at_most("operator_bytes_a_task", operator_bytes, OPERATOR_BYTES_A_TASK),
            Check.at_least("due", valid, int(rate * seconds * 0.95)),
            Check.equals("not_on_time", valid - on_time, 0),
            Check.equals("done_twice", report["chain"]["done_twice"], 0),
        ],
        runs=[report],
        tables=[
            Table(
                columns=(
                    "resident, MiB",
                    "first",
                    f"{settled_s:g} s",
                    f"{seconds:g} s",
                    "most",
                    "growth %",
                    "bytes/task",
                ),
                rows=[row(role, growth) for role, growth in growths.items()],
            ),
            Table(
                columns=("the gateway holds", "before", "when all is final"),
                rows=[
                    (name, f"{ran.before[group][name]:,}", f"{count:,}")
                    for group in ("under_way", "kept", "process")
                    for name, count in ran.after[group].items()
                ],
            ),
        ],
        details={
            "before": {group: dict(counts) for group, counts in ran.before.items()},
            "after": {group: dict(counts) for group, counts in ran.after.items()},
            "resident_mb_every_10_s": {
                role: [mb for index, (_, mb) in enumerate(samples) if index % 10 == 0]
                for role, samples in ran.samples.items()
            },
            "folder": str(ran.folder.relative_to(bench.base)),
        },
    )


BENCH = Bench(
    name="memory",
    says="At 100 tasks a second for ten minutes memory stays flat, and what is finished leaves it.",
    run=run,
    only_by_name=True,
    options=(
        click.Option(["--rate"], type=LOAD_RANGE, default=100.0, show_default=True, help="Tasks a second."),
        click.Option(
            ["--seconds"],
            type=LOAD_RANGE,
            default=600.0,
            show_default=True,
            help="90 are enough for a first look.",
        ),
        click.Option(["--block-time"], type=click.IntRange(1, 60), default=2, show_default=True),
        click.Option(["--gas-limit"], type=click.IntRange(min=30_000_000), default=120_000_000, show_default=True),
    ),
)

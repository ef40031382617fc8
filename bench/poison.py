"""Poison in every batch hurts only itself: each poisoned task is told why, its neighbours hardly notice.

Clean and poisoned legs in turn, on one gateway and one chain. Valid tasks come at the same rate in all of them,
poison comes on top. Throughput is of valid tasks, from the first request to the block that brought the last: legs
should be many blocks long, for that one counts whole. A delay is counted in blocks, from the newest one when a
task was asked for to the one that holds it. With a `--rate` above what the machine can do, the legs are compared
at capacity.
"""

from collections.abc import Callable

import click

from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline, Table
from headrace.app.cli.options import LOAD_RANGE


async def run(bench: BenchRun, *, seconds: float, rate: float, every: int, rounds: int) -> Findings:
    from headrace.app.poison.comparison import REASON, Comparison, Side
    from headrace.app.poison.run import PoisonOptions, run_poison

    options = PoisonOptions(rate_per_s=rate, seconds=seconds, every=every, rounds=rounds, seed=bench.seed)
    poison = await run_poison(options, base=bench.base, say=bench.say)
    found = Comparison.of(poison.legs)
    # A batch of fewer may lie between two poisoned tasks: the first and the last of a leg do.
    of_size = [batch for batch in found.batches if batch.size >= every]
    without = sum(not batch.poison for batch in of_size)

    def row(name: str, figure: Callable[[Side], str]) -> tuple[str, str, str]:
        return name, figure(found.clean), figure(found.poisoned)

    def cpu_ms(role: str, *, poisoned: bool) -> str:
        """For each valid task that landed."""
        legs = zip(poison.reports, poison.legs, strict=True)
        used = [(report["cpu_s"][role], leg.landed) for report, leg in legs if leg.poisoned is poisoned]
        landed = sum(landed for _, landed in used)
        return f"{1000 * sum(cpu_s for cpu_s, _ in used) / landed:.1f}" if landed else "-"

    return Findings(
        headline=(
            Headline("throughput kept", round(found.throughput_percent, 2), "%"),
            Headline("most additional delay", found.additional_blocks(), "blocks"),
        ),
        checks=[
            Check.below("throughput_fall_percent", round(100 - found.throughput_percent, 2), 10),
            Check.at_most("most_additional_blocks", found.additional_blocks(), 1),
            Check.at_most("p99_additional_blocks", found.additional_blocks(99), 1),
            Check.equals("valid_not_landed", found.valid_not_landed, 0),
            Check.at_least("poison", found.poison, rounds),
            Check.equals("poison_not_rejected", found.poison_not_rejected, 0),
            Check.equals("poison_on_chain", found.poison_on_chain, 0),
            Check.at_least("batches", len(of_size), rounds),
            Check.equals("batches_without_poison", without, 0),
        ],
        runs=poison.reports,
        tables=[
            Table(
                columns=("side by side", "clean", "poisoned"),
                rows=[
                    row("valid tasks landed a second", lambda side: f"{side.per_second:.2f}"),
                    row("blocks from request to record, p50", lambda side: str(side.waited(50))),
                    row("  p99", lambda side: str(side.waited(99))),
                    row("  slowest", lambda side: str(side.waited(100))),
                    row("highest backlog, tasks", lambda side: f"{side.backlog_max:,}"),
                    row("seconds from request to record, p50", lambda side: f"{side.waited_s(50):.2f}"),
                    row("  p99", lambda side: f"{side.waited_s(99):.2f}"),
                    *(
                        (f"{role} CPU a valid task, ms", *(cpu_ms(role, poisoned=side) for side in (False, True)))
                        for role in ("gateway", "chain")
                    ),
                ],
            ),
            Table(
                columns=("poison", ""),
                rows=[
                    ("rejected: " + REASON, f"{found.poison - found.poison_not_rejected:,} of {found.poison:,}"),
                    ("batches sealed", f"{len(found.batches):,}"),
                    ("  whose simulation found poison", f"{sum(bool(b.poison) for b in found.batches):,}"),
                    (f"  of {every} tasks or more", f"{len(of_size):,}"),
                    ("valid tasks that travelled with poison", f"{found.with_poison_percent:.1f} %"),
                    ("tasks a batch, the most", f"{max((b.size for b in found.batches), default=0):,}"),
                    ("poison a batch, the most", f"{max((b.poison for b in found.batches), default=0):,}"),
                ],
            ),
        ],
        details={
            "legs": [
                {
                    "poisoned": leg.poisoned,
                    "valid": leg.valid,
                    "landed": leg.landed,
                    "took_s": round(leg.took_s, 3),
                    "slowest_blocks": max(leg.waited_blocks, default=None),
                    "backlog_max": leg.backlog_max,
                    "poison": leg.poison,
                    "poison_rejected": leg.poison_rejected,
                    "batches": [[batch.valid, batch.poison] for batch in leg.batches],
                }
                for leg in poison.legs
            ],
            "how_batches_are_known": "by the gateway's API: when it sealed each batch, and when it ended each "
            "poisoned operation; a lane judges and seals one batch after the other",
            "folder": str(poison.folder.relative_to(bench.base)),
        },
    )


BENCH = Bench(
    name="poison",
    says="Poison in every batch is rejected by name, and costs the others at most a block and 10 % of throughput.",
    run=run,
    options=(
        click.Option(
            ["--seconds"], type=LOAD_RANGE, default=30.0, show_default=True, help="Of each leg, clean or poisoned."
        ),
        click.Option(
            ["--rate"],
            type=LOAD_RANGE,
            default=100.0,
            show_default=True,
            help="Valid tasks a second, in every leg.",
        ),
        click.Option(
            ["--every"],
            type=click.IntRange(min=2),
            default=25,
            show_default=True,
            help="One request of so many is poison, in poisoned legs.",
        ),
        click.Option(
            ["--rounds"],
            type=click.IntRange(min=1),
            default=2,
            show_default=True,
            help="Each round is a clean leg and a poisoned one.",
        ),
    ),
)

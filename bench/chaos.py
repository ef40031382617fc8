"""Nothing lost, nothing twice, nothing told wrong: under every kind of trouble at once, and SIGKILLs."""

import click

from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline, Table
from headrace.app.cli.options import LOAD_RANGE

EXAMPLES_MAX = 20


async def run(bench: BenchRun, *, seconds: float, rate: float, kills: int) -> Findings:
    from headrace.app.chaos.run import ChaosOptions, run_chaos

    options = ChaosOptions(rate_per_s=rate, seconds=seconds, kills=kills, seed=bench.seed)
    chaos = await run_chaos(options, base=bench.base, say=bench.say)
    found = chaos.judgement
    wrong = {
        "lost": found.lost,
        "doubled": found.doubled,
        "misjudged": found.misjudged,
        "undecided": found.undecided,
    }
    return Findings(
        headline=(
            Headline("lost or doubled", len(found.lost) + len(found.doubled), "operations"),
            Headline("completed", found.completed_percent, "%"),
        ),
        checks=[
            Check.equals("lost", len(found.lost), 0),
            Check.equals("doubled", len(found.doubled), 0),
            Check.equals("misjudged", len(found.misjudged), 0),
            Check.at_least("kills", len(chaos.kills), kills),
            Check.at_least("operations", found.operations, options.operations),
            Check.equals("completed_valid_percent", found.completed_percent, 100),
            Check.equals("poison_not_rejected", found.poisoned - found.poison_rejected, 0),
            Check.at_least("rarest_trouble", min(chaos.troubles.values()), max(1, seconds // 40)),
        ],
        runs=[chaos.report],
        tables=[
            Table(
                columns=("trouble", "times"), rows=[(kind, f"{count:,}") for kind, count in chaos.troubles.items()]
            ),
            Table(
                columns=("what came of it", ""),
                rows=[
                    ("effects taken back by reorgs", f"{chaos.effects_taken_back:,}"),
                    ("old attempts brought back", f"{chaos.old_attempts_brought_back:,}"),
                    ("retractions heard", f"{chaos.words.get('retracted', 0):,}"),
                    ("requests asked again", f"{chaos.report['tries'] - chaos.report['offered']:,}"),
                    ("poisoned, and told so", f"{found.poison_rejected:,} of {found.poisoned:,}"),
                    *(
                        (f"{name}: {id_}", why)
                        for name, ids in wrong.items()
                        for id_, why in list(ids.items())[:5]
                    ),
                ],
            ),
        ],
        details={
            "troubles": dict(chaos.troubles),
            "old_attempts_brought_back": chaos.old_attempts_brought_back,
            "effects_taken_back": chaos.effects_taken_back,
            "told": dict(chaos.words),
            "kills": [
                {"at_s": round(k.at_s, 1), "pid": k.pid, "again_after_s": round(k.again_after_s, 1)}
                for k in chaos.kills
            ],
            "valid": found.valid,
            "completed": found.completed,
            "poisoned": found.poisoned,
            "poison_rejected": found.poison_rejected,
            **{name: dict(list(ids.items())[:EXAMPLES_MAX]) for name, ids in wrong.items()},
            "folder": str(chaos.folder.relative_to(bench.base)),
        },
    )


BENCH = Bench(
    name="chaos",
    says="Under every kind of trouble at once and ten SIGKILLs nothing is lost, done twice or told wrong.",
    run=run,
    options=(
        click.Option(
            ["--seconds"],
            type=LOAD_RANGE,
            default=120.0,
            show_default=True,
            help="Tasks are offered so long, and a little longer for those that are refused.",
        ),
        click.Option(["--rate"], type=LOAD_RANGE, default=50.0, show_default=True, help="Tasks a second."),
        click.Option(["--kills"], type=click.IntRange(min=0), default=10, show_default=True, help="SIGKILLs."),
    ),
)

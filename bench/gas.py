"""What an operation costs in a batch of ours, alone, and in a plain `aggregate3`.

Measured on one chain with real certificates: receipts, not estimates; base cost and calldata are in every figure.
A task alone is two transactions, `createNewTask` and `respondToTask`. The plain contract isolates failures as our
try form does, but has no gas floor for each item and asks nobody who he is: as a task generator it is open to all.
"""

import click

from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline

TASK_SIZES = (1, 10, 30, 60)
LOCK_SIZES = (1, 10, 100, 180)
FULL_MOST_PERCENT = 45
GAS_PER_TASK_MOST = 125_000
ANSWERS_OF_PLAIN_MOST_PERCENT = 65
CREATES_OF_PLAIN_MOST_PERCENT = 105
LOCK_MOST_PERCENT = 80
CLAIM_MOST_PERCENT = 50
TRANSACTION_GAS_MOST = 1 << 24
TRANSACTION_BYTES_MOST = 128 * 1024


async def run(bench: BenchRun, *, body: int) -> Findings:
    from headrace.app.demo.settlement.sending import DidNotSucceed
    from headrace.app.gas import escrow, tasks
    from headrace.app.gas.figures import OURS, PLAIN, TRY
    from headrace.app.gas.shown import table
    from headrace.app.gas.stage import open_task_stage
    from headrace.workloads.escrow.payload import CANCEL, CLAIM, LOCK
    from headrace.workloads.tasks.payload import CREATE, CREATE_AND_RESPOND, KINDS, RESPOND

    try:
        async with open_task_stage() as stage:
            bench.say(
                f"tasks with a body of {body} bytes, in batches of {', '.join(map(str, TASK_SIZES))} and full"
            )
            experiment = tasks.TaskGas(stage, seed=bench.seed, body_bytes=body)
            of_tasks = await experiment.measure(TASK_SIZES)
            full = [await experiment.full(kind, of_tasks.of(kind, TRY, TASK_SIZES[-1])) for kind in KINDS]
        async with escrow.open_escrow_stage(max(LOCK_SIZES)) as stage_of_locks:
            bench.say(f"locks of {max(LOCK_SIZES)} payers, in batches of {', '.join(map(str, LOCK_SIZES))}")
            of_locks = await escrow.EscrowGas(stage_of_locks).measure(LOCK_SIZES)
    except (DidNotSucceed, tasks.Incomplete) as error:
        raise click.ClickException(str(error)) from None

    of_tasks = of_tasks.with_more(full)
    best = max((figure for figure in full if figure.kind == CREATE_AND_RESPOND), key=lambda figure: figure.size)
    share = of_tasks.percent(best, of_tasks.single(CREATE_AND_RESPOND))

    def alone_percent(kind: str) -> float:
        return of_locks.percent(of_locks.of(kind, OURS, 100), of_locks.single(kind))

    def plain_percent(kind: str) -> float:
        return of_tasks.percent(of_tasks.of(kind, TRY, 60), of_tasks.of(kind, PLAIN, 60))

    answers = max(plain_percent(RESPOND), plain_percent(CREATE_AND_RESPOND))
    cancels = of_locks.percent(of_locks.of(CANCEL, OURS, 100), of_locks.of(CANCEL, PLAIN, 100))
    gas_max = max(figure.gas_max for figure in (*of_tasks.all, *of_locks.all))
    return Findings(
        headline=(
            Headline("gas of a task in a full batch", best.gas_each, "gas"),
            Headline("of what it costs individually", share, "%"),
        ),
        checks=[
            Check.at_most("full_batch_percent_of_individual", share, FULL_MOST_PERCENT),
            Check.at_most(
                "gas_per_task_at_60", of_tasks.of(CREATE_AND_RESPOND, TRY, 60).gas_each, GAS_PER_TASK_MOST
            ),
            Check.at_most("answers_at_60_percent_of_aggregate3", answers, ANSWERS_OF_PLAIN_MOST_PERCENT),
            # Nothing to share here, and the floor of gas for each item has its price.
            Check.at_most(
                "creates_at_60_percent_of_aggregate3", plain_percent(CREATE), CREATES_OF_PLAIN_MOST_PERCENT
            ),
            Check.at_most("cancels_at_100_percent_of_aggregate3", cancels, 100),
            Check.at_most("claims_at_100_percent_of_individual", alone_percent(CLAIM), CLAIM_MOST_PERCENT),
            Check.at_most("locks_at_100_percent_of_individual", alone_percent(LOCK), LOCK_MOST_PERCENT),
            Check.at_most("transaction_gas_max", gas_max, TRANSACTION_GAS_MOST),
            Check.below(
                "full_batch_bytes_max", max(figure.calldata_bytes for figure in full), TRANSACTION_BYTES_MOST
            ),
        ],
        tables=[
            *(table(of_tasks, kind) for kind in KINDS),
            *(table(of_locks, kind) for kind in escrow.KINDS),
        ],
        details={
            "body_bytes": body,
            "figures": [figure.as_json() for figure in (*of_tasks.all, *of_locks.all)],
            "not_compared": "lock, claim, release by aggregate3: the escrow goes by its caller, who is the payee",
        },
    )


BENCH = Bench(
    name="gas",
    says="A task in a full batch costs less than half the gas of its two transactions, "
    "and a third less than by aggregate3.",
    run=run,
    options=(
        click.Option(
            ["--body"],
            type=click.IntRange(0, 900),
            default=200,
            show_default=True,
            help="Bytes of calldata in each task's intent, at random.",
        ),
    ),
)

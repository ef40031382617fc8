"""What an operation costs in a batch of ours, alone, and in a plain `aggregate3`.

Measured on one chain with real certificates: receipts, not estimates; base cost and calldata are in every figure. A task
alone is two transactions, `createNewTask` and `respondToTask`. The plain contract gives the failure isolation of our
try form, but neither its gas floor for each item nor a caller's check: as a task generator it is open to everybody.
"""

from typing import TYPE_CHECKING

import click

from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline, Table

if TYPE_CHECKING:
    from headrace.app.gas.figures import Figure, Figures

TASK_SIZES = (1, 10, 30, 60)
LOCK_SIZES = (1, 10, 100, 180)
LOCKS = 180
FULL_SHARE_MOST_PERCENT = 45
GAS_PER_TASK_MOST = 125_000
LOCK_SHARE_MOST_PERCENT = 80
CLAIM_SHARE_MOST_PERCENT = 50
TRANSACTION_GAS_MOST = 1 << 24
TRANSACTION_BYTES_MOST = 128 * 1024


async def run(bench: BenchRun, *, body: int) -> Findings:
    from headrace.app.demo.settlement.sending import DidNotSucceed
    from headrace.app.gas import escrow, tasks
    from headrace.app.gas.figures import OURS, PLAIN, SINGLE, TRY
    from headrace.app.gas.stage import open_task_stage
    from headrace.workloads.escrow.payload import CANCEL, CLAIM, LOCK
    from headrace.workloads.tasks.payload import CREATE_AND_RESPOND, KINDS

    try:
        async with open_task_stage() as stage:
            bench.say(f"tasks with a body of {body} bytes, in batches of {', '.join(map(str, TASK_SIZES))}")
            experiment = tasks.TaskGas(stage, seed=bench.seed, body_bytes=body)
            of_tasks = await experiment.measure(TASK_SIZES)
            full = {kind: await experiment.full(kind, of_tasks.of(kind, TRY, TASK_SIZES[-1])) for kind in KINDS}
        async with escrow.open_escrow_stage(LOCKS) as ground:
            bench.say(f"locks of {LOCKS} payers, in batches of {', '.join(map(str, LOCK_SIZES))}")
            of_locks = await escrow.EscrowGas(ground).measure(LOCK_SIZES)
    except (DidNotSucceed, tasks.Incomplete) as error:
        raise click.ClickException(str(error)) from None

    best = full[CREATE_AND_RESPOND]
    alone = of_tasks.single(CREATE_AND_RESPOND)
    share = round(100 * best.gas_each / alone.gas_each, 2)
    everything = [*of_tasks.all, *full.values(), *of_locks.all]
    against_plain = _against_plain(of_tasks, KINDS, TRY) | _against_plain(of_locks, (CANCEL,), OURS)
    return Findings(
        headline=(
            Headline("gas of a task in a full batch", best.gas_each, "gas"),
            Headline("of what it costs individually", share, "%"),
        ),
        checks=[
            Check.at_most("full_batch_percent_of_individual", share, FULL_SHARE_MOST_PERCENT),
            Check.at_most("gas_per_task_at_60", of_tasks.of(CREATE_AND_RESPOND, TRY, 60).gas_each, GAS_PER_TASK_MOST),
            Check.at_most("most_percent_of_aggregate3", max(against_plain.values()), AGGREGATE_MOST_PERCENT),
            Check.at_most(
                "claim_at_100_percent_of_individual",
                of_locks.share_percent(CLAIM, OURS, 100, against=of_locks.single(CLAIM)),
                CLAIM_SHARE_MOST_PERCENT,
            ),
            Check.at_most(
                "lock_at_100_percent_of_individual",
                of_locks.share_percent(LOCK, OURS, 100, against=of_locks.single(LOCK)),
                LOCK_SHARE_MOST_PERCENT,
            ),
            Check.at_most("transaction_gas_max", max(f.gas_max for f in everything), TRANSACTION_GAS_MOST),
            Check.below("batch_bytes_max", max(f.calldata_bytes for f in full.values()), TRANSACTION_BYTES_MOST),
        ],
        tables=[
            *(_table(of_tasks, kind, TRY, extra=full[kind]) for kind in KINDS),
            *(_table(of_locks, kind, OURS) for kind in escrow.KINDS),
        ],
        details={
            "body_bytes": body,
            "percent_of_aggregate3": against_plain,
            "figures": [figure.as_json() for figure in everything],
            "not_compared": "lock, claim, release by aggregate3: the escrow goes by its caller, who is the payee",
            "individually": {SINGLE: "a task: createNewTask and respondToTask; aggregate3 allows each call to fail"},
            "plain": PLAIN,
        },
    )

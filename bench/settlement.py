"""A thousand payments at once: few transactions, half the gas, none too late."""

from typing import TYPE_CHECKING

import click

from headrace.app.bench.declaring import Bench, BenchRun
from headrace.app.bench.findings import Check, Findings, Headline, Table

if TYPE_CHECKING:
    from headrace.app.claims.run import ClaimsRun

TRANSACTIONS_MOST = 5
TRANSACTION_GAS_MAX = 1 << 24
SHARE_MOST_PERCENT = 50
PLANNED = 10_000
PLANNED_WITHIN_S = 1


async def run(bench: BenchRun, *, jobs: int, late: int, block_time: int) -> Findings:
    from headrace.app.chain_watch import NodeUnreachable
    from headrace.app.claims.due import NotInTime
    from headrace.app.claims.planning import planning_cpu_s
    from headrace.app.claims.run import run_claims
    from headrace.app.demo.settlement.rest import Refused
    from headrace.app.demo.settlement.sending import DidNotSucceed

    cpu_s, planned = planning_cpu_s(PLANNED, seed=bench.seed)
    planned_count = sum(len(group.items) for group in planned.groups)
    try:
        ours, linear = [
            await run_claims(
                jobs=jobs, late=late, linear=on_linear, block_time_s=block_time, base=bench.base, say=bench.say
            )
            for on_linear in (False, True)
        ]
    except (NotInTime, Refused, DidNotSucceed, NodeUnreachable) as error:
        raise click.ClickException(str(error)) from None
    share = share_percent(ours)
    return Findings(
        headline=(
            Headline("transactions for all claims", len(ours.found.claims), "transactions"),
            Headline("gas of a claim against a single call", share, "%"),
        ),
        checks=[
            Check.equals("claimed", ours.found.claimed, jobs),
            Check.at_most("claim_transactions", len(ours.found.claims), TRANSACTIONS_MOST),
            Check.below("claim_transaction_gas_max", ours.found.gas_limit_max, TRANSACTION_GAS_MAX),
            Check.at_most("gas_per_claim_percent_of_single", share, SHARE_MOST_PERCENT),
            Check.below(f"plan_{PLANNED}_cpu_s", round(cpu_s, 4), PLANNED_WITHIN_S),
            Check.equals(f"planned_of_{PLANNED}", planned_count, PLANNED),
            *_sound("", ours),
            Check.equals("linear_claimed", linear.found.claimed, jobs),
            *_sound("linear_", linear),
        ],
        tables=[
            Table(columns=("", "Escrow", "LinearEscrow"), rows=_rows(ours, linear)),
        ],
        details={"escrow": _details(ours), "linear": _details(linear), "plan_cpu_s": cpu_s},
    )


def share_percent(run: "ClaimsRun") -> float:
    """Of the cheaper of both ways to claim one lock alone: `claimLock`, and `claimLocks` of one."""
    single = min(run.measured.claim_single, run.measured.claim_alone)
    return round(100 * run.found.gas_per_claim / single, 2)


def _sound(prefix: str, run: "ClaimsRun") -> list[Check]:
    """What holds on any escrow."""
    return [
        Check.equals(f"{prefix}claims_after_expiry_less_margin", run.found.too_late, 0),
        Check.equals(f"{prefix}ended_twice", run.found.twice, 0),
        Check.equals(f"{prefix}too_late_and_cancelled", run.found.canceled, run.late),
        Check.equals(f"{prefix}imbalances", len(run.found.imbalances), 0),
    ]


def _rows(ours: "ClaimsRun", linear: "ClaimsRun") -> list[tuple[str, str, str]]:
    def row(text: str, *values: object) -> tuple[str, str, str]:
        one, other = (f"{value:,}" if isinstance(value, int) else str(value) for value in values)
        return text, one, other

    both = (ours, linear)
    return [
        row("transactions that claim", *(len(r.found.claims) for r in both)),
        row("gas of a claim, batched", *(r.found.gas_per_claim for r in both)),
        row("gas of claimLock, alone", *(r.measured.claim_single for r in both)),
        row("gas of claimLocks with one", *(r.measured.claim_alone for r in both)),
        row("share of the cheaper, %", *(share_percent(r) for r in both)),
        row("most gas of a transaction", *(r.found.gas_max for r in both)),
        row("highest gas limit of one", *(r.found.gas_limit_max for r in both)),
        row("transactions that lock", *(len(r.found.locking) for r in both)),
        row("gas of a lock, batched", *(r.found.gas_per_lock for r in both)),
        row("reverted transactions", *(r.found.reverted for r in both)),
        row("seconds until all were settled", *(round(r.claim_s, 1) for r in both)),
        row("CPU seconds of the gateway meanwhile", *(round(r.gateway_cpu_s, 2) for r in both)),
    ]


def _details(run: "ClaimsRun") -> dict[str, object]:
    return {
        "claims": [
            {
                "transaction": "0x" + call.place.transaction.hex(),
                "claims": call.claims,
                "gas_used": call.gas_used,
                "gas_limit": call.gas_limit,
                "ok": call.ok,
            }
            for call in run.found.claims
        ],
        "gas_per_claim": run.found.gas_per_claim,
        "claim_single": run.measured.claim_single,
        "claim_alone": run.measured.claim_alone,
        "share_percent": share_percent(run),
        "gas_per_lock": run.found.gas_per_lock,
        "lock_transactions": len(run.found.locking),
        "reverted": run.found.reverted,
        "states": dict(run.states),
        "claim_s": round(run.claim_s, 2),
        "gateway_cpu_s": round(run.gateway_cpu_s, 2),
        "imbalances": list(run.found.imbalances),
    }


BENCH = Bench(
    name="settlement",
    says="1,000 payments are claimed in at most 5 transactions, each at half the gas of a single call or less.",
    run=run,
    options=(
        click.Option(
            ["--jobs"], type=click.IntRange(20, 5000), default=1000, show_default=True, help="Due at once."
        ),
        click.Option(
            ["--late"],
            type=click.IntRange(1, 200),
            default=20,
            show_default=True,
            help="Due when it is too late to claim them.",
        ),
        click.Option(["--block-time"], type=click.IntRange(1, 60), default=2, show_default=True),
    ),
)

"""Makes the report of a settlement demo from what was played, judged and seen on chain.

Promises  every figure of money and gas is the chain's; the gateway's word is only in what is named so.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from headrace.app.chain_watch import ChainRecord
from headrace.app.chain_watch.escrow_record import CallSeen, EscrowRecord, LockSeen
from headrace.app.demo.settlement.acts import Played
from headrace.app.demo.settlement.cast import ENDINGS, POISONED, Part
from headrace.app.demo.settlement.contracts import DECIMALS
from headrace.app.demo.settlement.judging import Judged, Judgement, fee_of
from headrace.app.demo.settlement.one_by_one import Measured
from headrace.app.demo.settlement.shape import (
    GasFacts,
    MoneyFacts,
    PartFacts,
    PayerFacts,
    SettlementReport,
    SettlementSection,
    SingleFacts,
    TransactionFacts,
)
from headrace.app.demo.settlement.stage import SettlementOptions, SettlementStage
from headrace.app.load.machine import machine
from headrace.app.load.process_stats import Use
from headrace.app.percentiles import nearest_rank, percentiles
from headrace.app.report_shape import VERSION, Outcomes
from headrace.app.report_shape import Part as ReportPart
from headrace.chain.hexes import address_text
from headrace.workloads.escrow.calldata import SELECTOR
from headrace.workloads.escrow.payload import CANCEL, CLAIM, LOCK, WITHDRAW


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """What was seen from outside. `watched`: the chain's blocks with the moments they were seen at; `record`: all
    that the escrow ever did; `use` of processes by role; `seconds` from the first request to the end."""

    record: EscrowRecord
    watched: ChainRecord
    use: Mapping[str, Use]
    seconds: float


def build_settlement_report(
    stage: SettlementStage,
    options: SettlementOptions,
    played: Played,
    judgement: Judgement,
    witnessed: Witnessed,
) -> SettlementReport:
    record, jobs = witnessed.record, judgement.jobs
    calls = [c for c in record.calls_of(stage.payee.address) if c.place.transaction != played.claimed_by_hand]
    carrying = sorted(c.locks + c.claims + c.cancels for c in calls if c.locks + c.claims + c.cancels)
    operations, gas_total = sum(carrying), sum(call.gas_used for call in calls)
    seen_at_s = witnessed.watched.block_seen_at_s
    poisoned = [job for job in jobs if job.casting.part in POISONED]
    valid = [job for job in jobs if job.casting.part not in POISONED]
    accepted = [job for job in jobs if job.job is not None]
    return {
        "version": VERSION,
        "command": "demo",
        "profile": {
            "rate_per_s": None,
            "seconds": round(witnessed.seconds, 1),
            "users": options.size.payers,
            "block_time_s": options.block_time_s,
            "gas_limit": options.gas_limit,
            "fork": "osaka",
            "recording": None,
            "submitter": "batched",
            "replicas": 1,
            "lanes": 1,
            "store": "sqlite",
            "spawn_rate_per_s": None,
            "pacing_s": None,
            "on_time_s": witnessed.seconds,
            "late_limit_s": 0.0,
        },
        "offered": len(jobs),
        "accepted": len(accepted),
        "refused": len(played.refused),
        "outcomes": _outcomes(accepted),
        "http_s": percentiles(played.http_s.values()),
        "answer_s": percentiles(()),
        "onchain_create_s": percentiles(_since_asked(jobs, played, seen_at_s, ends=False)),
        "onchain_e2e_s": percentiles(_since_asked(jobs, played, seen_at_s, ends=True)),
        "transactions": len(calls),
        "blocks": len({call.place.block for call in calls}),
        "operations_per_transaction": {
            "p50": int(nearest_rank(carrying, 50)) if carrying else 0,
            "max": carrying[-1] if carrying else 0,
        },
        "gas_per_operation": round(gas_total / operations) if operations else 0,
        "gas_total": gas_total,
        "cost_wei": str(sum(call.fee_wei for call in calls)),
        "cpu_s": {role: round(use.cpu_s, 2) for role, use in witnessed.use.items()},
        "rss_mb": {role: round(use.rss_peak_mb, 1) for role, use in witnessed.use.items()},
        "unanswered": 0,
        "tries": len(played.http_s),
        "valid": _part(valid),
        "poisoned": _part(poisoned),
        "refused_by": dict(Counter(played.refused.values())),
        "rejected_by": {},
        "chain": {
            "blocks_seen": witnessed.watched.blocks_seen,
            "first_block": witnessed.watched.first_block,
            "last_block": witnessed.watched.last_block,
            "blocks_removed": witnessed.watched.blocks_removed,
            "reverted_transactions": sum(not call.ok for call in calls),
            "done_twice": sum(len(job.locks) > 1 for job in jobs) + record.loose_ends,
        },
        "rss_last_mb": {role: round(use.rss_last_mb, 1) for role, use in witnessed.use.items()},
        "ended": "late_limit" if played.missing else "all_landed",
        "duration_s": round(witnessed.seconds, 3),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "settlement": _section(stage, played, judgement, record, calls),
    }


def _section(
    stage: SettlementStage,
    played: Played,
    judgement: Judgement,
    record: EscrowRecord,
    calls: Sequence[CallSeen],
) -> SettlementSection:
    jobs = judgement.jobs
    paid = [job for job in jobs if job.casting.payer is not None]
    return {
        "escrow": address_text(stage.contracts.escrow.address),
        "payee": address_text(stage.payee.address),
        "paid_jobs": len(paid),
        "free_jobs": len(jobs) - len(paid),
        "payers": _payers(stage, jobs, record),
        "parts": {part.name.lower(): _of_part(part, jobs) for part in ENDINGS},
        "settlement": dict(Counter(job.state for job in jobs).most_common()),
        "statuses": dict(Counter(_status(job) for job in jobs).most_common()),
        "money": _money(stage, jobs, record),
        "gas": _gas(calls, len(paid), stage.measured),
        "transactions": _transactions(calls),
        "runs": [
            {"id": run["id"], "because": run["because"], "counts": run["counts"], "troubles": run["troubles"]}
            for run in reversed(played.runs)
        ],
        "books_balance": not list(record.imbalances()),
        "problems": judgement.all_problems(),
    }


def _money(stage: SettlementStage, jobs: Sequence[Judged], record: EscrowRecord) -> MoneyFacts:
    token = stage.contracts.token.address
    payers = {key.address for key in (*stage.payers, stage.trickster)}
    accounts = [a for (user, of), a in record.accounts.items() if of == token and user in payers]
    payee = record.accounts.get((stage.payee.address, token))
    locks = [lock for job in jobs for lock in job.locks]
    paid = sum(lock.paid for lock in locks)
    fees = sum(fee_of(lock.paid) for lock in locks)
    return {
        "token": address_text(token),
        "decimals": DECIMALS,
        "deposited": str(sum(a.deposited for a in accounts)),
        "locked_in_all": str(sum(lock.amount for lock in locks)),
        "paid": str(paid),
        "fees": str(fees),
        "earned": str(paid - fees),
        "withdrawn": str(0 if payee is None else payee.withdrawn),
        "returned": str(sum(lock.returned for lock in locks)),
        "taken_out": str(sum(a.withdrawn for a in accounts)),
        "paid_to_others": str(sum(a.paid for a in accounts) - paid),
        "left": str(sum(a.available for a in accounts)),
        "locked": str(sum(a.locked for a in accounts)),
    }


def _payers(stage: SettlementStage, jobs: Sequence[Judged], record: EscrowRecord) -> list[PayerFacts]:
    locks: dict[bytes, list[LockSeen]] = {}
    for job in jobs:
        for lock in job.locks:
            locks.setdefault(lock.payer, []).append(lock)
    facts: list[PayerFacts] = []
    for key in (*stage.payers, stage.trickster):
        account = record.accounts.get((key.address, stage.contracts.token.address))
        if account is None:
            continue
        mine = locks.get(key.address, [])
        paid = sum(lock.paid for lock in mine)
        facts.append(
            {
                "payer": address_text(key.address),
                "jobs": sum(job.casting.payer == key.address for job in jobs),
                "deposited": str(account.deposited),
                "paid": str(paid),
                "returned": str(sum(lock.returned for lock in mine)),
                "taken_out": str(account.withdrawn),
                "paid_to_others": str(account.paid - paid),
                "left": str(account.available),
            }
        )
    return facts


def _gas(calls: Sequence[CallSeen], paid_jobs: int, measured: Mapping[str, Measured]) -> GasFacts:
    claim = _gas_each(calls, CLAIM)
    single = measured["Escrow"].claim_single
    return {
        "lock": _gas_each(calls, LOCK),
        "claim": claim,
        "cancel": _gas_each(calls, CANCEL),
        "job": sum(call.gas_used for call in calls) // max(paid_jobs, 1),
        "claim_percent_of_single": round(100 * claim / single, 1),
        "one_by_one": {name: _single(one) for name, one in measured.items()},
    }


def _single(measured: Measured) -> SingleFacts:
    return {
        "locks": measured.locks,
        "singles": measured.singles,
        "lock_batched": measured.lock_batched,
        "claim_single": measured.claim_single,
        "claim_alone": measured.claim_alone,
        "claim_batched": measured.claim_batched,
        "claim_batched_percent": round(measured.claim_share_percent, 1),
    }


def _transactions(calls: Sequence[CallSeen]) -> TransactionFacts:
    claims = _calling(calls, CLAIM)
    return {
        "locks": len(_calling(calls, LOCK)),
        "claims": len(claims),
        "cancels": len(_calling(calls, CANCEL)),
        "withdrawals": len(_calling(calls, WITHDRAW)),
        "reverted": sum(not call.ok for call in calls),
        "claim_gas_max": max((call.gas_used for call in claims), default=0),
        "claims_per_transaction_max": max((call.claims for call in claims), default=0),
    }


def _gas_each(calls: Sequence[CallSeen], form: str) -> int:
    """By what they did; a transaction that reverted was paid for too."""
    done = _calling(calls, form)
    return sum(c.gas_used for c in done) // max(sum(c.locks + c.claims + c.cancels for c in done), 1)


def _calling(calls: Sequence[CallSeen], form: str) -> list[CallSeen]:
    return [call for call in calls if call.selector == SELECTOR[form]]


def _of_part(part: Part, jobs: Sequence[Judged]) -> PartFacts:
    mine = [job for job in jobs if job.casting.part is part]
    return {
        "what": part.value,
        "jobs": len(mine),
        "right": sum(not job.wrong for job in mine),
        "settlement": dict(Counter(job.state for job in mine).most_common()),
    }


def _part(jobs: Sequence[Judged]) -> ReportPart:
    outcomes = _outcomes(jobs)
    return {
        "due": len(jobs),
        "accepted": sum(job.job is not None for job in jobs),
        "outcomes": outcomes,
        "on_time_percent": 100 * outcomes["on_time"] / len(jobs) if jobs else None,
    }


def _outcomes(jobs: Iterable[Judged]) -> Outcomes:
    """Right is on time: nothing here is late. Wrong is failed; what is not settled at all is never."""
    counts = Counter("on_time" if not job.wrong else "failed" if _is_settled(job) else "never" for job in jobs)
    return {"on_time": counts["on_time"], "late": 0, "failed": counts["failed"], "never": counts["never"]}


def _is_settled(job: Judged) -> bool:
    return job.state in {ending.state for ending in ENDINGS.values()}


def _since_asked(
    jobs: Sequence[Judged], played: Played, seen_at_s: Mapping[int, float], *, ends: bool
) -> Iterable[float]:
    """From the request to when the block was seen that made its lock, or ended it."""
    for job in jobs:
        for lock in job.locks:
            place = lock.made if not ends else None if lock.end is None else lock.end.place
            if place is not None and place.block in seen_at_s:
                yield seen_at_s[place.block] - played.asked_at_s[job.casting.id]


def _status(job: Judged) -> str:
    if job.job is None:
        return "none"
    return f"{job.job['status']} {str(job.job['status_text']).strip()}"

"""What happens next with a job's payment, and when: for people who wait for their money.

Promises  a plain function of the job, the claim policy and the time; it promises no moment that nobody decided.
Leaves    deciding to `jobs.planning`: this only tells what that will do as things are now.
"""

from dataclasses import dataclass
from typing import assert_never

from headrace.core.job import BILLED, Job
from headrace.core.settlement import (
    AwaitingLock,
    Canceled,
    Claimed,
    Claiming,
    Due,
    Free,
    NeedsHelp,
    NoLock,
    Released,
    Unsettled,
)
from headrace.jobs.schedule import ClaimPolicy, NextRun


@dataclass(frozen=True, slots=True)
class NextStep:
    """`at`: when it begins. `before`: the last moment to send it. Unix seconds."""

    what: str
    at: float | None = None
    before: float | None = None


def next_step(job: Job, *, run: NextRun | None, policy: ClaimPolicy, now: float) -> NextStep:
    """`run` is the next claim run as it is known now; None: it goes on, or is not known yet."""
    settlement = job.settlement
    match settlement:
        case Free():
            return NextStep("nothing: it is free")
        case AwaitingLock():
            return NextStep(
                "its lock is made; the job begins when that is on chain, and ends unpaid if it cannot be"
            )
        case Unsettled():
            return NextStep("the job runs; its payment is due when that is over")
        case Due():
            return _when_due(job, run, policy, now)
        case Claiming(move=move, operation=operation):
            return NextStep(
                f"operation {operation} ({move.value}) is under way; settled when its event is in a final block"
            )
        case NeedsHelp():
            return NextStep(
                "nothing before the operator of this service decides (headrace jobs retry, headrace jobs give-up)"
            )
        case Claimed() | Released() | Canceled() | NoLock():
            return NextStep("nothing: it is settled")
        case _:
            assert_never(settlement)


def _when_due(job: Job, run: NextRun | None, policy: ClaimPolicy, now: float) -> NextStep:
    at = None if run is None else max(run.at, now)
    if job.lock is None:
        return NextStep("the coming claim run looks for its lock on chain", at)
    expiry = job.lock.expiry
    send_before = policy.send_before(expiry)
    if policy.is_expired(expiry, now=now):
        return NextStep("the coming claim run cancels its lock, which has expired: all goes back to the payer", at)
    if now > send_before:
        return NextStep(
            "it is too late to claim it safely: once its lock has expired, a claim run cancels it, and all goes "
            "back to the payer",
            expiry + policy.clock_slack_s,
        )
    billed = job.result is not None and job.result.status in BILLED
    what = "claims what it owes" if billed else "releases its lock: it owes nothing, all goes back to the payer"
    return NextStep(f"the coming claim run {what}", at, send_before)

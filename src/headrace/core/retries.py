"""What a verdict does to an operation: ends it, or sends it round again, and when.

Promises  a deadline wins over a retry: what could not be tried again in time ends as expired, with the reason that
          it had; only an operation's own transient failures spend its budget.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import assert_never

from headrace.core.operation import Ending, Operation, Return
from headrace.core.words import BlockNumber, Outcome, Revert, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """`max_retries` 2 means: tried three times. The pause doubles from `first_pause_s` up to `longest_pause_s`."""

    max_retries: int = 2
    first_pause_s: float = 1.0
    longest_pause_s: float = 30.0


def consequence(
    operation: Operation,
    verdict: Verdict,
    *,
    reason: str,
    revert: Revert | None,
    form: str | None,
    costs_retry: bool,
    too_late: bool = False,
    now: float,
    head: BlockNumber,
    policy: RetryPolicy,
) -> Ending | Return:
    """`now` in unix seconds; `head` is the newest block."""
    match verdict:
        case Verdict.ALREADY_DONE:
            return Ending(operation=operation.id, outcome=Outcome.ALREADY_DONE, reason=reason, revert=revert)
        case Verdict.CONFLICT:
            return Ending(operation=operation.id, outcome=Outcome.CONFLICT, reason=reason, revert=revert)
        case Verdict.REJECTED:
            outcome = Outcome.EXPIRED if too_late else Outcome.REJECTED
            return Ending(operation=operation.id, outcome=outcome, reason=reason, revert=revert)
        case Verdict.RETRY | Verdict.MORE_GAS | Verdict.WAIT:
            costs_retry = costs_retry or verdict is Verdict.RETRY  # that is what the word says
            spent = operation.retries + (1 if costs_retry else 0)
            if spent > policy.max_retries:
                return Ending(
                    operation=operation.id,
                    outcome=Outcome.REJECTED,
                    reason=f"{reason}; gave up after {policy.max_retries} retries",
                    revert=revert,
                )
            not_before = None if form is not None else now + _pause_s(operation, spent, now, policy)
            if (late := _too_late(operation, again_at=not_before or now, head=head)) is not None:
                return Ending(
                    operation=operation.id,
                    outcome=Outcome.EXPIRED,
                    reason=f"{reason}; {late}",
                    revert=revert,
                )
            return Return(
                operation=operation.id,
                reason=reason,
                form=form,
                retries=spent,
                not_before=not_before,
                revert=revert,
            )
        case _:
            assert_never(verdict)


def again(operation: Operation, *, reason: str, now: float, head: BlockNumber) -> Ending | Return:
    """Of one that only rode beside what failed: it travels with the next batch, and nothing is counted."""
    if (late := _too_late(operation, again_at=now, head=head)) is not None:
        return Ending(operation=operation.id, outcome=Outcome.EXPIRED, reason=f"{reason}; {late}")
    return Return(operation=operation.id, reason=reason, retries=operation.retries)


def _too_late(operation: Operation, *, again_at: float, head: BlockNumber) -> str | None:
    """Why it cannot be tried again."""
    if operation.deadline_block is not None and operation.deadline_block <= head:
        return f"it had to land in block {operation.deadline_block} at the latest, and the chain is at {head}"
    if operation.deadline is not None and operation.deadline <= again_at:
        return "its deadline comes before it could be tried again"
    return None


def _pause_s(operation: Operation, spent: int, now: float, policy: RetryPolicy) -> float:
    """What waits at no cost is asked about less and less: an eighth of its age, within the same bounds."""
    if spent:
        return pause_s(operation, spent, policy)
    age_s = max(now - operation.received_at, 0.0)
    return max(pause_s(operation, 0, policy), min(age_s / 8, policy.longest_pause_s))


def pause_s(operation: Operation, retries: int, policy: RetryPolicy) -> float:
    """Exponential, capped, spread by up to a quarter. The spread comes from the id, so a run can be repeated."""
    spread = blake2b(f"{operation.id}/{retries}".encode(), digest_size=1).digest()[0] / 1024
    pause = policy.first_pause_s * float(2 ** min(max(retries - 1, 0), 30))
    return min(pause, policy.longest_pause_s) * (1 + spread)

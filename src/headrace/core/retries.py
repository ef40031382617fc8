"""What a verdict does to an operation: ends it, or sends it round again, and when."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import assert_never

from headrace.core.operation import Ending, Operation, Return
from headrace.core.words import Outcome, Revert, Verdict


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
    policy: RetryPolicy,
) -> Ending | Return:
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
            return Return(
                operation=operation.id,
                reason=reason,
                form=form,
                retries=spent,
                not_before=None if form is not None else now + _pause_s(operation, spent, now, policy),
                revert=revert,
            )
        case _:
            assert_never(verdict)


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

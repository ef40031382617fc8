"""What the escrow's reverts mean for one operation.

Owns      the table from selector and decoded argument to a verdict: the escrow says nearly all in `Error(string)`.
Promises  a lock that is not there is never taken for one that was claimed: who took it is read from the logs.
Leaves    asking the chain to the engine, finding the guilty item of a batch to the simulator.
"""

from collections.abc import Mapping
from typing import Final

from headrace.core.ports import Judgement
from headrace.core.words import Revert, Verdict
from headrace.workloads.escrow.lock_state import LiveLock
from headrace.workloads.escrow.payload import LOCK, Payload

LOCK_EXISTS: Final = "JobId already exists"
LOCK_NOT_FOUND: Final = "Lock not found"
OTHER_ARGUMENTS: Final = "Invalid input"

GONE: Final = Judgement(
    Verdict.CONFLICT, "there is no such lock: it was claimed or cancelled already, or never mined"
)

# By the text of Error(string), which is the escrow's own.
_TEXTS: Final[Mapping[str, Judgement]] = {
    LOCK_NOT_FOUND: GONE,
    "Amount too high": Judgement(Verdict.REJECTED, "the claim is for more than was locked"),
    "Payer does not have enough funds": Judgement(
        Verdict.REJECTED, "the payer has not that much in the escrow: it must deposit first"
    ),
    "No auth found": Judgement(Verdict.REJECTED, "the payer has not authorised this payee for this token"),
    "Expiry too high": Judgement(Verdict.REJECTED, "the lock is for longer than the payer authorised"),
    "Exceeds maxLockedAmount": Judgement(
        Verdict.REJECTED, "with it more would be locked than the payer authorised"
    ),
    "Exceeds maxLockCounts": Judgement(
        Verdict.REJECTED, "the payer has as many locks with this payee as it authorised"
    ),
    "Invalid payer": Judgement(Verdict.REJECTED, "the payer is the zero address"),
    "Payeer cannot be payee": Judgement(Verdict.REJECTED, "the payer is the payee"),
    "Payer cannot be payee": Judgement(Verdict.REJECTED, "the payer is the payee"),
    "Invalid token": Judgement(Verdict.REJECTED, "the token is the zero address"),
    "Invalid amount": Judgement(Verdict.REJECTED, "a lock of nothing"),
    "Invalid jobId": Judgement(Verdict.REJECTED, "the job's number is zero"),
    "Lock expired": Judgement(Verdict.REJECTED, "the lock has expired", too_late=True),
    "This token is not allowed by enterprise fee collector": Judgement(
        Verdict.REJECTED, "the fee collector does not take this token"
    ),
    "Amount must be higher than enterprise fee": Judgement(
        Verdict.REJECTED, "the amount is below the collector's fee"
    ),
    OTHER_ARGUMENTS: Judgement(
        Verdict.WAIT, "the escrow takes other arguments than ours: is it an escrow?", needs_operator=True
    ),
}

_NAMED: Final[Mapping[str, Judgement]] = {
    "Panic": Judgement(
        Verdict.REJECTED, "the escrow panicked: a partial claim below the fee collector's minimum does that"
    ),
}


def needs_lock(form: str, revert: Revert) -> bool:
    """Whether the row must know which lock is there."""
    return form == LOCK and _text(revert) == LOCK_EXISTS


def refuses_all(revert: Revert) -> bool:
    """Every other text is about one item."""
    return _text(revert) == OTHER_ARGUMENTS


def judge(form: str, payload: Payload, revert: Revert, lock: LiveLock | None) -> Judgement:
    """`lock`: the one that is there now, where `needs_lock`."""
    if not revert.data:
        return Judgement(Verdict.MORE_GAS, "no revert data: likely out of gas", costs_retry=True)
    text = _text(revert)
    if needs_lock(form, revert):
        return existing(payload, lock)
    row = _TEXTS.get(text) if text is not None else _NAMED.get(revert.name or "")
    if row is None:
        return Judgement(Verdict.RETRY, f"unknown revert: {revert}", costs_retry=True)
    return row


def existing(payload: Payload, lock: LiveLock | None) -> Judgement:
    """The number is taken, by whichever token: is it the lock that we ask for?"""
    if lock is None or lock.amount != payload.amount:
        return Judgement(Verdict.CONFLICT, "another lock has this job's number")
    return Judgement(Verdict.ALREADY_DONE, "this very lock is there")


def _text(revert: Revert) -> str | None:
    """The argument of Error(string)."""
    if revert.name != "Error":
        return None
    return next((value for value in revert.args.values() if isinstance(value, str)), None)

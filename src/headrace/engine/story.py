"""The story of a transaction in words, for `headrace inspect`: only what is out of the ordinary.

What every transaction does (sealed, sent, mined, settled) is in its own row, with its times.
"""

from collections.abc import Sequence
from typing import Final

from headrace.core import transaction as transactions
from headrace.core.amounts import wei_in_words
from headrace.core.operation import Ending, Return
from headrace.core.ports import Note
from headrace.core.transaction import Cancel, Decision, Fact, InFlight, Mined, Taken, Transaction, signed
from headrace.core.words import Fees, Outcome, Purpose, Reply, TxHash

STARTED_AGAIN: Final = "the gateway was started again meanwhile; the same bytes go out again"
_THEN: Final = {
    Cancel.RETURN: "the nonce is filled by nothing, and once that is final its operations travel again",
    Cancel.END: "the nonce is filled by nothing, and once that is final its operations end as cancelled",
}


def told(before: Transaction, fact: Fact, decision: Decision) -> str | None:
    match fact:
        case transactions.AttemptSigned(attempt):
            no_op = attempt.purpose is Purpose.NO_OP
            what = "replaced by nothing (a no-op)" if no_op else "not mined yet: replaced by the same batch"
            return f"{what} with higher fees: {told_fees(attempt.fees)}, 0x{attempt.hash.hex()}"
        case transactions.Answered(reply=reply, text=text) if reply is not Reply.IN_POOL:
            return f"a node answered {text!r}: {reply.value}"
        case transactions.Uncled() if isinstance(before, Mined):
            return (
                f"its block {before.block} (0x{before.block_hash.hex()}) was uncled; the same bytes go out again"
            )
        case transactions.CancelAsked(what=what):
            return f"by hand: cancelled; {_THEN[what]}"
        case transactions.Included(hash=hash, block=block) if _in_spite(before, hash):
            return f"mined in block {block} by an older attempt, although it was cancelled by hand"
        case transactions.Included(block=block) if isinstance(before, Mined):
            return f"now in block {block} (0x{fact.block_hash.hex()}): the chain was reorganised"
        case transactions.NonceTaken(head) if isinstance(decision.transaction, Taken):
            return (
                f"a foreign transaction has this nonce (seen at block {head}): something else signs with this "
                "lane's key; what rides here waits until that is final, and then travels again"
            )
        case transactions.NonceFree() if isinstance(before, Taken):
            return "the nonce is free again: the stranger's block was uncled"
        case transactions.DeadlinePassed(why=why):
            return f"{why}: the nonce is to be filled without this batch"
        case _:
            pass
    if isinstance(decision.transaction, InFlight) and isinstance(before, InFlight):
        wanted = decision.transaction.help_wanted
        if wanted is not None and wanted != before.help_wanted:
            return f"needs a person: {wanted}"
    return None


def told_fees(fees: Fees) -> str:
    return f"max fee {wei_in_words(fees.max_fee_wei)}, tip {wei_in_words(fees.tip_wei)} per gas"


def told_return(returned: Return, *, now: float) -> str:
    """Why an operation goes round again, and what is done about it."""
    why = (
        f"{returned.reason}; the contract said {returned.revert}"
        if returned.revert is not None
        else returned.reason
    )
    return f"{why}. {_next_step(returned, now)}"


def _next_step(returned: Return, now: float) -> str:
    if returned.form is not None:
        return f"It travels again as {returned.form}"
    rest_s = 0.0 if returned.not_before is None else max(returned.not_before - now, 0.0)
    after = f" after {rest_s:.1f} s" if rest_s else ""
    spent = (
        "at no cost to its retries" if returned.retries == 0 else f"its retries spent so far: {returned.retries}"
    )
    return f"It travels again{after}, {spent}"


def told_to_returned(batch: str, returns: Sequence[Return], *, now: float) -> list[Note]:
    """To each that rode and comes back: its own story must tell, since it will ride elsewhere."""
    return [
        Note(subject=back.operation, text=f"came back from {batch}: {told_return(back, now=now)}")
        for back in returns
    ]


def told_count(endings: Sequence[Ending], returns: Sequence[Return], *, said: str | None) -> str | None:
    """What became of those that rode along, where that is more than what was `said` of all of them."""
    by_end: dict[str, int] = {}
    for ending in endings:
        by_end[ending.outcome.value] = by_end.get(ending.outcome.value, 0) + 1
    counted = [f"{count} {name}" for name, count in by_end.items()]
    if returns:
        counted.append(f"{len(returns)} to travel again")
    if len(counted) < 2 and (said is not None or (not returns and set(by_end) <= {Outcome.LANDED.value})):
        return None
    return f"of {len(endings) + len(returns)} operations: {', '.join(counted)}"


def _in_spite(before: Transaction, hash: TxHash) -> bool:
    in_flight = signed(before)
    return in_flight.cancelled is not None and any(
        a.hash == hash and a.purpose is Purpose.BATCH for a in in_flight.attempts
    )

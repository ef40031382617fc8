"""Whether a payer's funds and authorisation let a lock be made, before anything is stored.

Owns      the comparison, and what is asked for by locks that are on their way and that the chain does not show.
Promises  a plain function of what the chain says and what is on its way; the refusal names both numbers and what
          the payer must do; what only the locks on their way stand against is told as such, and passes.
Leaves    asking the chain to `jobs.escrow_reader`. The contract has the last word: it checks again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from headrace.core.errors import FixTheRequest, TryLater
from headrace.core.terms import JobId, Terms
from headrace.core.words import Address
from headrace.jobs.escrow_reader import PayerState


class OnTheirWay:
    """Locks that were asked for and are not known to be on chain, or to have failed. In memory: whoever starts
    fills it from the store."""

    def __init__(self) -> None:
        self._of_payer: dict[tuple[Address, Address], dict[JobId, Terms]] = {}

    def add(self, job: JobId, terms: Terms) -> None:
        self._of_payer.setdefault((terms.payer, terms.token), {})[job] = terms

    def remove(self, job: JobId, terms: Terms) -> None:
        locks = self._of_payer.get((terms.payer, terms.token), {})
        locks.pop(job, None)
        if not locks:
            self._of_payer.pop((terms.payer, terms.token), None)

    def beside(self, terms: Terms) -> "Asked":
        """What the others of this payer ask for. Funds are common to all payees."""
        locks = self._of_payer.get((terms.payer, terms.token), {}).values()
        amounts = [lock.lock_amount for lock in locks if lock.payee == terms.payee]
        return Asked(count=len(amounts), amount=sum(amounts), funds=sum(lock.lock_amount for lock in locks))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`count` and `amount` count against the authorisation, `funds` against what is available."""

    count: int = 0
    amount: int = 0
    funds: int = 0


def check_lock(terms: Terms, state: PayerState, asked: Asked, *, escrow: Address) -> None:
    """Raises FixTheRequest, or TryLater where only locks on their way stand against it."""
    payer = f"0x{terms.payer.hex()}"
    for problem in _problems(terms, state, Asked(), escrow):
        raise FixTheRequest(f"payment: {problem}", field="payment", payer=payer)
    for problem in _problems(terms, state, asked, escrow):
        raise TryLater(
            f"payment: {asked.count} locks of this payer are on their way, and with them {problem}",
            retry_after_s=15.0,
            payer=payer,
        )


def _problems(terms: Terms, state: PayerState, asked: Asked, escrow: Address) -> Iterable[str]:
    amount, payer = terms.lock_amount, f"0x{terms.payer.hex()}"
    token, payee = f"0x{terms.token.hex()}", f"0x{terms.payee.hex()}"
    available = state.available - asked.funds
    if available < amount:
        yield (
            f"payer {payer} has {max(available, 0)} of token {token} available in the escrow 0x{escrow.hex()}, "
            f"and the lock takes {amount}: deposit {amount - max(available, 0)} more"
        )
    allowed = state.authorization
    if allowed is None:
        yield (
            f"payer {payer} has not authorised payee {payee} for token {token}: authorize at least {amount}, for "
            f"{terms.lock_duration_s} s"
        )
        return
    locked = allowed.locked_now + asked.amount
    if locked + amount > allowed.locked_max:
        yield (
            f"payer {payer} authorised {allowed.locked_max} to be locked by payee {payee}, {locked} are, and the "
            f"lock takes {amount}: authorize at least {locked + amount}, or wait for payments to settle"
        )
    if terms.lock_duration_s > allowed.lock_seconds_max:
        yield (
            f"payer {payer} authorised locks of up to {allowed.lock_seconds_max} s, and this one lasts "
            f"{terms.lock_duration_s} s: authorize longer ones, or ask for a shorter max_duration_s"
        )
    locks = allowed.locks_now + asked.count
    if locks + 1 > allowed.locks_max:
        yield (
            f"payer {payer} authorised {allowed.locks_max} locks at a time by payee {payee}, and has {locks}: "
            "authorize more, or wait for payments to settle"
        )

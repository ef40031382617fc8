"""A lane as a person handles it: whether it works, and from which nonce it may go on.

Owns      the rule for adopting another starting nonce, and its words.
Promises  a plain function: what the ledger and the chain show in, the reason against it out.
Leaves    asking the chain and saving to whoever carries it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from headrace.core.words import Nonce

# Each missing nonce is filled alone, two heads after it is missed; and nodes keep about so many transactions of
# one account that wait behind a gap (go-ethereum: txpool.accountqueue 64).
GAP_MAX: Final = 64


class LaneState(Enum):
    ACTIVE = "active"
    DRAINING = "draining"  # seals no batch; what is under way is being finished
    DRAINED = "drained"  # seals no batch, and nothing is unsettled


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRecord:
    """A lane in the ledger. `highest`: of every nonce that it has; `highest_final`: of those that are settled or
    void; `unsettled`: lowest first. `drained_at` in unix seconds."""

    next_nonce: Nonce
    highest: Nonce | None
    highest_final: Nonce | None
    unsettled: Sequence[Nonce]
    drained_at: float | None


def state_of(*, drained_at: float | None, unsettled: int) -> LaneState:
    if drained_at is None:
        return LaneState.ACTIVE
    return LaneState.DRAINING if unsettled else LaneState.DRAINED


def against_adopting(
    start: Nonce, record: LaneRecord, *, latest: Nonce, pending: Nonce, fill_gap: bool
) -> str | None:
    """Why the lane must not go on from nonce `start`, or None. `latest` and `pending` are the account's next nonce
    on the chain, by the newest block and with the node's pool. `fill_gap`: whoever asks knows that nonces between
    the account's and `start` will be filled."""
    if record.highest is not None and start <= record.highest:
        undecided = start in record.unsettled
        return (
            f"nonce {start} is in the lane's ledger ({'not decided yet' if undecided else 'decided'}), and a "
            f"nonce is given out once; the lowest that can be adopted is {max(record.highest + 1, pending)}"
        )
    if start < latest:
        return (
            f"nonce {start} is spent: the account is at {latest} on the chain, and a transaction with a lower "
            f"nonce can never be mined; the lowest that can be adopted is {pending}"
        )
    if start < pending:
        return (
            f"nonce {start} is held by a transaction in the node's pool that is not this lane's (the pool is at "
            f"{pending}): wait until it is mined or dropped, or adopt {pending}"
        )
    gap = [nonce for nonce in range(pending, start) if nonce not in record.unsettled]
    if not gap:
        return None
    return _against_gap(start, gap, record, pending=pending, fill_gap=fill_gap)


def _against_gap(
    start: Nonce, gap: Sequence[int], record: LaneRecord, *, pending: Nonce, fill_gap: bool
) -> str | None:
    named = f"nonce {gap[0]}" if len(gap) == 1 else f"nonces {gap[0]} to {gap[-1]} ({len(gap)} of them)"
    if record.highest_final is not None and gap[0] <= record.highest_final:
        return (
            f"the account is at {pending} on the chain, and the lane's ledger is final up to nonce "
            f"{record.highest_final}: a gap below that can never be filled with other bytes. The node is behind, "
            "a reorg went deeper than chains.NAME.confirmations, or this is another chain; nothing can be adopted "
            "before that is clear"
        )
    if len(gap) > GAP_MAX:
        return (
            f"{start} is {len(gap)} nonces past the account's {pending}: nodes do not keep transactions that wait "
            f"behind so many; at most {GAP_MAX}"
        )
    if not fill_gap:
        return (
            f"{named} would be nobody's, and the lane's transactions would wait for them. Whoever else has the "
            "key may still send them; those that do not come are filled by the lane, one after the other, each "
            "by a transfer of nothing (21,000 gas). Say --fill-gap if that is meant"
        )
    return None

"""A lane as JSON, for clients and for the operator of this service."""

from collections.abc import Mapping

from headrace.api.services import LaneReport
from headrace.api.wire import hexed


def lane_form(report: LaneReport) -> Mapping[str, object]:
    account = report.account
    return {
        "chain_id": account.chain,
        "lane": hexed(account.lane),
        "state": account.state.value,
        "drained_at": account.drained_at,
        "next_nonce": account.next_nonce,
        "in_flight": account.in_flight,
        "mined": account.mined,
        "settled": account.settled,
        "help_wanted": report.help_wanted,
        "balance_wei": None if report.balance_wei is None else str(report.balance_wei),
    }


def lane_form_for_operator(report: LaneReport) -> Mapping[str, object]:
    """With what was asked of the chain for it."""
    latest, pending = report.chain_nonces or (None, None)
    return {**lane_form(report), "chain_latest_nonce": latest, "chain_pending_nonce": pending}

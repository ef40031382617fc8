"""Lanes in words, for a terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

_WEI_PER_ETHER: Final = 10**18


def shown_lane(lane: Mapping[str, Any]) -> str:
    """`lane` as `headrace_lanes` gives it. Lines, not a table: an address is worth nothing when it is cut."""
    state = lane["state"]
    if lane["drained_at"] is not None:
        state += f" (since {datetime.fromtimestamp(lane['drained_at'], UTC):%Y-%m-%d %H:%M:%SZ})"
    lines = [
        f"lane {lane['lane']} of chain {lane['chain_id']}: {state}",
        f"  next nonce {lane['next_nonce']}{_chain_nonces(lane)}",
        f"  {lane['in_flight']} in flight, {lane['mined']} mined and not final, {lane['settled']} settled",
    ]
    if lane["balance_wei"] is not None:
        lines.append(f"  balance {ether(int(lane['balance_wei']))} ether")
    if lane["help_wanted"] is not None:
        lines.append(f"  hindered: {lane['help_wanted']}")
    return "\n".join(lines)


def _chain_nonces(lane: Mapping[str, Any]) -> str:
    latest, pending = lane["chain_latest_nonce"], lane["chain_pending_nonce"]
    if latest is None:
        return ""
    return f"; on the chain {latest}" + (f", with the pool {pending}" if pending != latest else "")


def ether(wei: int) -> str:
    """Exactly, without needless zeros."""
    whole, rest = divmod(abs(wei), _WEI_PER_ETHER)
    digits = f"{rest:018d}".rstrip("0")
    return f"{'-' if wei < 0 else ''}{whole}{'.' + digits if digits else ''}"

"""Waits until nothing of a drained lane is unsettled."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any, Final

from headrace.app.control_client import NobodyThere, call_gateway
from headrace.app.lanes_at_rest import list_at_rest
from headrace.app.settings import Settings
from headrace.core.errors import TryLater
from headrace.core.words import Address

LOOK_EVERY_S: Final = 0.5


async def until_drained(settings: Settings, lane: Address, *, timeout_s: float) -> str | None:
    """None once it is; else what is left, and why it is not waited for any longer. Progress goes to stderr."""
    shown, left = "", "nothing was heard of it yet"
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    found = await _look(settings, lane)
                except TryLater as busy:  # it is being started or stopped
                    left = busy.message
                except NobodyThere:
                    return await _at_rest(settings, lane)
                else:
                    if found["state"] == "active":
                        return f"lane 0x{lane.hex()} was resumed meanwhile"
                    if found["state"] == "drained":
                        _show("", shown)
                        return None
                    left = _left(found)
                _show(left, shown)
                shown = left
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        return f"after {timeout_s:g} s lane 0x{lane.hex()} is drained, and not empty yet: {left}"


async def _look(settings: Settings, lane: Address) -> Mapping[str, Any]:
    answer = await call_gateway(settings.control_socket, "headrace_lanes", {})
    name = f"0x{lane.hex()}"
    return next(one for one in answer["lanes"] if one["lane"] == name)


async def _at_rest(settings: Settings, lane: Address) -> str | None:
    """Without a gateway nothing changes any more."""
    for report in await list_at_rest(settings):
        account = report.account
        if account.lane == lane and account.in_flight + account.mined:
            return (
                f"lane 0x{lane.hex()} is drained, and no gateway runs that would finish what it has under way "
                f"({account.in_flight} in flight, {account.mined} mined and not final): start it, and wait again"
            )
    return None


def _left(found: Mapping[str, Any]) -> str:
    hindered = f"; {found['help_wanted']}" if found["in_flight"] and found["help_wanted"] else ""
    return f"{found['in_flight']} in flight, {found['mined']} mined and not final{hindered}"


def _show(text: str, before: str) -> None:
    if sys.stderr.isatty() and text != before:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

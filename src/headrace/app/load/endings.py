"""Asks the gateway how operations ended. Of those that left no trace on chain (a rejected task) nobody else knows.

Leaves    what *did* happen on chain to `chain_watch`; this is only the gateway's word, and the report marks it so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec

from headrace.app.load.gateway_calls import GatewayCalls

OPERATIONS_PER_REQUEST: Final = 100


@dataclass(frozen=True, slots=True)
class SaidEnding:
    """What the gateway says: `outcome` as in its API, and the decoded name of the revert where it knows one.
    The times in unix seconds of its clock; `batch` is the one that it travelled in, if any."""

    outcome: str
    revert: str | None
    batch: str | None = None
    received_at: float | None = None
    batched_at: float | None = None
    sent_at: float | None = None
    mined_at: float | None = None
    ended_at: float | None = None


class _Revert(msgspec.Struct):
    selector: str = ""
    name: str | None = None


class _Ride(msgspec.Struct):
    batch_id: str | None = None


class _Times(msgspec.Struct):
    received: float | None = None
    batched: float | None = None
    sent: float | None = None
    mined: float | None = None
    done: float | None = None


class _Operation(msgspec.Struct):
    outcome: str | None = None
    revert: _Revert | None = None
    transaction: _Ride | None = None
    times: _Times = msgspec.field(default_factory=_Times)


async def ask_endings(
    gateway: GatewayCalls,
    operation_ids: Collection[str],
    *,
    until_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    pause_s: float = 0.5,
) -> Mapping[str, SaidEnding]:
    """Endings by operation id. Asks until each has one, or until `until_s` on `clock`; the rest is left out."""
    endings: dict[str, SaidEnding] = {}
    left = list(operation_ids)
    while left:
        for start in range(0, len(left), OPERATIONS_PER_REQUEST):
            endings |= await _ask(gateway, left[start : start + OPERATIONS_PER_REQUEST])
        left = [id_ for id_ in left if id_ not in endings]
        if not left or clock() + pause_s >= until_s:
            break
        await sleep(pause_s)
    return endings


async def _ask(gateway: GatewayCalls, operation_ids: Collection[str]) -> Mapping[str, SaidEnding]:
    try:
        results = await gateway.call(
            {id_: {"operation_id": id_} for id_ in operation_ids}, "headrace_getOperation"
        )
        operations = {id_: msgspec.json.decode(raw, type=_Operation) for id_, raw in results.items()}
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError):
        return {}  # asked again until the time is up
    return {
        id_: SaidEnding(
            operation.outcome,
            _name(operation.revert),
            batch=None if operation.transaction is None else operation.transaction.batch_id,
            received_at=operation.times.received,
            batched_at=operation.times.batched,
            sent_at=operation.times.sent,
            mined_at=operation.times.mined,
            ended_at=operation.times.done,
        )
        for id_, operation in operations.items()
        if operation.outcome is not None
    }


def _name(revert: _Revert | None) -> str | None:
    return None if revert is None else revert.name or revert.selector or None

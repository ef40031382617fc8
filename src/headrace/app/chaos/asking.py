"""After the run the client asks of every operation how it ended, until each has an end."""

import asyncio
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import aiohttp
import msgspec

from headrace.app.chaos.told import ToldBook
from headrace.app.chaos.wire import RevertJson, RideJson, as_told
from headrace.app.load.gateway_calls import GatewayCalls

PER_REQUEST: Final = 100
PAUSE_S: Final = 0.5


class _Operation(msgspec.Struct):
    state: str
    outcome: str | None = None
    revert: RevertJson | None = None
    transaction: RideJson | None = None


async def ask_all(gateway: GatewayCalls, operations: Collection[str], book: ToldBook, *, within_s: float) -> int:
    """Asks of all, and again of those that have not ended. How many have none when the time is up."""
    until_s = time.monotonic() + within_s
    left = list(operations)
    while left:
        ended: set[str] = set()
        for part in _parts(left):
            ended |= await _ask(gateway, part, book)
        left = [operation for operation in left if operation not in ended]
        if left and time.monotonic() >= until_s:
            break
        if left:
            await asyncio.sleep(PAUSE_S)
    return len(left)


def _parts(operations: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(operations), PER_REQUEST):
        yield operations[start : start + PER_REQUEST]


async def _ask(gateway: GatewayCalls, operations: Sequence[str], book: ToldBook) -> set[str]:
    """Those that have ended."""
    try:
        results = await gateway.call({id_: {"operation_id": id_} for id_ in operations}, "headrace_getOperation")
        found = {id_: msgspec.json.decode(raw, type=_Operation) for id_, raw in results.items()}
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError):
        return set()  # asked again until the time is up
    for id_, operation in found.items():
        told = as_told(operation.state, operation.outcome, operation.revert, operation.transaction)
        book.hear(id_, told, how="asked")
    return {id_ for id_, operation in found.items() if operation.outcome is not None}

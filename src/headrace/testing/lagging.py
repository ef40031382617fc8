"""A node that is some blocks behind the others, as the second endpoint of many a pair is.

Owns      what such a node answers: the newest block is an older one, what is newer does not exist yet.
Leaves    other trouble to the `Faults` inside, which come first.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from headrace.testing.faults import AnswerError, AskInstead, Fault, Faults, NullIfNewer, PassOn, RpcRequest

# Where the parameters name the block that the question is about.
_BLOCK_AT: Final[Mapping[str, int]] = {
    "eth_getBlockByNumber": 0,
    "eth_getTransactionCount": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_simulateV1": 1,
}
_ABOUT_A_BLOCK: Final = frozenset({"eth_getBlockByHash", "eth_getBlockReceipts", "eth_getTransactionReceipt"})
_NEWEST: Final = frozenset({"latest", "pending", "safe", "finalized"})


class Lagging:
    """`newest` is the block it has got to, asked anew for each request; None: as far as the others."""

    def __init__(self, inside: Faults, *, newest: Callable[[], int | None]) -> None:
        self._inside = inside
        self._newest = newest

    def choose(self, request: RpcRequest) -> Fault:
        fault = self._inside.choose(request)
        newest = self._newest()
        if not isinstance(fault, PassOn) or newest is None:
            return fault
        if request.method in _ABOUT_A_BLOCK or _names_a_number(request):
            return NullIfNewer(newest)
        at = _BLOCK_AT.get(request.method)
        return fault if at is None else _as_of(request.params, at, newest)

    def keep_notification(self, notification: bytes) -> bool:
        return self._inside.keep_notification(notification)


def _names_a_number(request: RpcRequest) -> bool:
    return request.method == "eth_getBlockByNumber" and b'"0x' in request.params


def _as_of(params: bytes, at: int, newest: int) -> Fault:
    try:
        values = msgspec.json.decode(params, type=list[msgspec.Raw])
        block = msgspec.json.decode(values[at]) if len(values) > at else "latest"
    except msgspec.DecodeError:
        return PassOn()  # no parameters as we know them: the node shall say so
    if not isinstance(block, str):
        return PassOn()  # by its hash: we cannot tell how new it is
    if block in _NEWEST:
        values[at : at + 1] = [msgspec.Raw(msgspec.json.encode(hex(newest)))]
        return AskInstead(msgspec.json.encode(values))
    if block.startswith("0x") and len(block) < 66 and int(block, 16) > newest:
        return AnswerError(-32000, "header not found")
    return PassOn()

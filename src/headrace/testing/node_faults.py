"""How the fake node lies, and when.

Owns      the kinds of trouble between an engine and a node, and two ways to choose among them.
Promises  the same seed and the same questions give the same trouble.
Leaves    trouble of the chain itself (reorgs, forgotten transactions, fees) to `fake_chain`.
"""

import random
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class SendFault(Enum):
    """What becomes of offered bytes, and what we are told."""

    HONEST = "as it is"
    TAKEN_BUT_UNSURE = "in the pool, but the answer got lost"
    LOST_AND_UNSURE = "never arrived, and no answer"
    TAKEN_LATER = "in the pool before the next block, and no answer now"
    PROMISED_AND_FORGOTTEN = "the node says it has them, and has not"
    BUSY = "not taken; the node says to come again"


class ReadFault(Enum):
    """What a question is answered with."""

    HONEST = "the truth"
    TROUBLE = "no node answered"
    STALE = "the truth of some blocks ago"
    EMPTY = "nothing, as from a node that has not seen it yet"


class NodeFaults(Protocol):
    def on_send(self, raw: bytes) -> SendFault: ...

    def on_read(self, method: str) -> ReadFault:
        """`method` as in core.ports.Node."""
        ...

    def stale_by(self) -> int:
        """Blocks, for STALE."""
        ...


class NoNodeFaults:
    def on_send(self, raw: bytes) -> SendFault:
        return SendFault.HONEST

    def on_read(self, method: str) -> ReadFault:
        return ReadFault.HONEST

    def stale_by(self) -> int:
        return 1


class SeededFaults:
    """By chance, from a seed. Shares are 0 to 1; what is left is honest."""

    def __init__(
        self,
        seed: int,
        *,
        send: Mapping[SendFault, float] | None = None,
        read: Mapping[ReadFault, float] | None = None,
        stale_most: int = 3,
    ) -> None:
        self._random = random.Random(seed)
        self._send = dict(send or {})
        self._read = dict(read or {})
        self._stale_most = stale_most
        assert sum(self._send.values()) <= 1 and sum(self._read.values()) <= 1, "shares over 1"

    def on_send(self, raw: bytes) -> SendFault:
        return _draw(self._random.random(), self._send.items(), SendFault.HONEST)

    def on_read(self, method: str) -> ReadFault:
        return _draw(self._random.random(), self._read.items(), ReadFault.HONEST)

    def stale_by(self) -> int:
        return self._random.randint(1, self._stale_most)


class ScriptedFaults:
    """These, in this order, then honest. `read` per method."""

    def __init__(
        self,
        *,
        send: Iterable[SendFault] = (),
        read: Mapping[str, Iterable[ReadFault]] | None = None,
        stale_by: int = 1,
    ) -> None:
        self._send = list(send)
        self._read = {method: list(faults) for method, faults in (read or {}).items()}
        self._stale_by = stale_by

    def on_send(self, raw: bytes) -> SendFault:
        return self._send.pop(0) if self._send else SendFault.HONEST

    def on_read(self, method: str) -> ReadFault:
        left = self._read.get(method)
        return left.pop(0) if left else ReadFault.HONEST

    def stale_by(self) -> int:
        return self._stale_by


def _draw(chance: float, shares: Iterable[tuple[_T, float]], rest: _T) -> _T:
    for choice, share in shares:
        if chance < share:
            return choice
        chance -= share
    return rest

"""The seam where trouble enters the strict proxy.

Owns      what can be done to a request instead of just passing it on.
Promises  asked once for every request (each one of a batch) and every notification, in the order they come.
Leaves    when to do what to the `Faults` a test or the chaos bench hands in; trouble of the chain itself (reorgs,
          dropped transactions, base fees, a paused chain) to the controls of `anvil`.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """`params` is JSON as it came, maybe empty."""

    method: str
    params: bytes


@dataclass(frozen=True, slots=True)
class PassOn:
    """Nothing special."""


@dataclass(frozen=True, slots=True)
class LoseReply:
    """The node gets it, the client gets a closed connection."""


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer for `seconds`, then a closed connection. `reaches_node` says whether the node got it."""

    seconds: float
    reaches_node: bool = False


@dataclass(frozen=True, slots=True)
class AnswerHttp:
    """An HTTP status (429, 502, ...) instead of an answer; the node never sees it."""

    status: int
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerNull:
    """`result: null`, as from a node that lags behind; the node never sees it."""


@dataclass(frozen=True, slots=True)
class AnswerError:
    """A JSON-RPC error; the node never sees it."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class AskInstead:
    """The same method with other parameters (JSON): an older block for a stale head, for one."""

    params: bytes


@dataclass(frozen=True, slots=True)
class NullIfNewer:
    """The node's answer, unless it is about a block above `block`: then null, as from a node that lags behind."""

    block: int


Fault = PassOn | LoseReply | Hang | AnswerHttp | AnswerNull | AnswerError | AskInstead | NullIfNewer


class Faults(Protocol):
    def choose(self, request: RpcRequest) -> Fault: ...

    def keep_notification(self, notification: bytes) -> bool:
        """Whether this message of a subscription reaches the client."""
        ...


class NoFaults:
    def choose(self, request: RpcRequest) -> Fault:
        return PassOn()

    def keep_notification(self, notification: bytes) -> bool:
        return True

"""One request for a task: its form, and what each reply means for the next try.

Promises  every try carries the same bytes, and so the same operation id; a request ends by its deadline.
Leaves    sending and waiting to `gateway_calls` (asyncio) and `locust_users` (gevent): both follow this.
"""

import random
import uuid
from dataclasses import dataclass
from typing import Final

import msgspec

from headrace.app.load.journal import Accepted, Answer, Refused, Unanswered
from headrace.app.load.replies import AskAgain, Method
from headrace.app.load.task_source import TaskWish

FIRST_PAUSE_S: Final = 0.05
CONNECT_MAX_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits:
    """`give_up_s` counts from the scheduled moment; `silence_max_s` is how long one try may go without a byte;
    `pause_max_s`: pauses between tries double up to it."""

    connections_max: int = 256
    give_up_s: float = 60.0
    silence_max_s: float = 35.0
    pause_max_s: float = 2.0
    timeout_s: int = 30  # the `timeout` parameter of newt_createTask


@dataclass(frozen=True, slots=True)
class Asked:
    """How a request went: its answer, and after how many tries. `sent_at_s`: when the first one left."""

    answer: Answer
    sent_at_s: float
    answered_at_s: float | None
    attempts: int


class Tries:
    """The tries of one request. Seconds are on the clock of whoever sends."""

    def __init__(
        self, scheduled_at_s: float, *, sent_at_s: float, limits: GatewayLimits, chance: random.Random
    ) -> None:
        self.deadline_s = scheduled_at_s + limits.give_up_s
        self._sent_at_s = sent_at_s
        self._pause_max_s = limits.pause_max_s
        self._chance = chance
        self._pause_s = FIRST_PAUSE_S
        self._attempts = 0

    def judge(self, reply: Accepted | Refused | AskAgain, now_s: float) -> Asked | float:
        """Counts a try and its reply. The end of the request, or the seconds to wait before the next try."""
        self._attempts += 1
        if not isinstance(reply, AskAgain):
            return Asked(reply, self._sent_at_s, now_s, self._attempts)
        # Ever longer also where the gateway names a pause: it does not know how many of us wait.
        wait_s = max(reply.after_s or 0.0, self._pause_s * self._chance.uniform(0.5, 1.0))
        if now_s + wait_s >= self.deadline_s:
            return self.give_up(reply.reason)
        self._pause_s = min(self._pause_s * 2, self._pause_max_s)
        return wait_s

    def give_up(self, reason: str) -> Asked:
        """No answer came, and none is waited for any more."""
        return Asked(Unanswered(reason), self._sent_at_s, None, self._attempts)


def rpc_url(url: str) -> str:
    """The JSON-RPC address of a gateway: people give the one that they open in a browser."""
    base = url.rstrip("/")
    return base if base.endswith("/rpc") else base + "/rpc"


def operation_name(run_id: str, index: int) -> str:
    """The operation id of the request with this number, from 0, of a run."""
    return f"load-{run_id}-{index:07d}"


def new_run_id() -> str:
    return uuid.uuid4().hex[:12]


def request_body(wish: TaskWish, operation_id: str, method: Method, timeout_s: int) -> bytes:
    """The JSON-RPC request, for every try."""
    return msgspec.json.encode(
        {
            "jsonrpc": "2.0",
            "id": str(uuid.uuid4()),
            "method": method.value,
            "params": task_params(wish, operation_id, method, timeout_s),
        }
    )


def task_params(wish: TaskWish, operation_id: str, method: Method, timeout_s: int) -> dict[str, object]:
    """Parameters by the names of the public API; quantities as compact hex."""
    intent = wish.intent
    params: dict[str, object] = {
        "operation_id": operation_id,
        "policy_client": _hex(wish.policy_client),
        "intent": {
            "from": _hex(intent.from_),
            "to": _hex(intent.to),
            "value": hex(intent.value_wei),
            "data": _hex(intent.data),
            "chain_id": hex(intent.chain_id),
            "function_signature": _hex(intent.function_signature),
        },
        "intent_signature": _hex(wish.intent_signature),
    }
    if wish.quorum_threshold_percentage is not None:
        params["quorum_threshold_percentage"] = wish.quorum_threshold_percentage
    if method is Method.CREATE_TASK:
        params["timeout"] = timeout_s
    return params


def _hex(data: bytes) -> str:
    return "0x" + data.hex()

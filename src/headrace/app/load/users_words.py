"""What passes between a run and the process in which locust's users live: one JSON object a line.

Owns      the order that goes in, the words that come out; neither side knows anything else of the other.
Promises  a line has a bound, whatever a gateway answered.
Leaves    locust to `locust_users`, the process to `users_process`.
"""

from typing import Final

import msgspec

from headrace.app.load.profile import Users
from headrace.app.load.replies import Method
from headrace.app.load.request import GatewayLimits
from headrace.app.load.task_source import Kind, PolicyClient

LINE_BYTES_MAX: Final = 1 << 20
TEXT_MAX: Final = 2_000  # characters of a refusal or an error that are passed on
STOP: Final = b"stop\n"  # after the order: make no more requests; the end of input: end at once


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """All that the users need to know. `url` is the gateway's JSON-RPC address."""

    url: str
    method: Method
    profile: Users
    limits: GatewayLimits
    clients: list[PolicyClient]
    chain_id: int
    seed: int
    run_id: str


class Began(msgspec.Struct, frozen=True, kw_only=True, tag="began"):
    """A user makes a request. Seconds are of the monotonic clock, which all processes of a machine share."""

    operation_id: str
    kind: Kind
    policy_client: bytes
    scheduled_at_s: float


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """A request has ended. `entry` has the form of a line of a journal's file."""

    entry: dict[str, object]


class PageOpened(msgspec.Struct, frozen=True, tag="page"):
    """Locust's page answers at this address."""

    url: str


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The last word of a run that went well. `users_most`: at once. `was_busy`: the users' process used nearly all
    of a core for some seconds, so that it may have measured itself."""

    users_most: int
    was_busy: bool


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The last word of a run that did not."""

    why: str


Word = Began | Answered | PageOpened | Finished | Failed

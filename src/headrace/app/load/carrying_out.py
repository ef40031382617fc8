"""Offers a load in the way that its profile needs: an open loop in this process, users in one of locust's.

Promises  both ways ask the same gateway for the same tasks by the same rules.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from headrace.app.load.gateway_calls import GatewayCalls
from headrace.app.load.journal import Journal
from headrace.app.load.offering import offer
from headrace.app.load.profile import OpenLoop, Profile, Users
from headrace.app.load.replies import Method
from headrace.app.load.request import GatewayLimits, new_run_id, rpc_url
from headrace.app.load.stopping import Stop
from headrace.app.load.task_source import PolicyClient, TaskSource
from headrace.app.load.users_process import offer_by_users
from headrace.app.load.users_words import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What is asked for, and of whom. `url` is the gateway's."""

    url: str
    clients: Sequence[PolicyClient]
    chain_id: int
    seed: int
    method: Method
    limits: GatewayLimits

    def calls(self) -> GatewayCalls:
        return GatewayCalls(self.url, clock=time.monotonic, method=self.method, limits=self.limits)


async def carry_out(
    profile: Profile,
    asking: Asking,
    gateway: GatewayCalls,
    journal: Journal,
    *,
    stop: Stop | None,
    say: Callable[[str], None],
) -> Profile:
    """Returns when each request is in the journal. The profile as it was carried out: on locust's page a person
    may have changed how many users there are, and these are the most at once.

    `gateway` is open; `say` shows a person a line. Raises LocustMissing, UsersFailed."""
    match profile:
        case OpenLoop():
            source = TaskSource(asking.clients, chain_id=asking.chain_id, seed=asking.seed)
            await offer(profile, source, gateway, journal, clock=time.monotonic, stop=stop)
            return profile
        case Users():
            order = Order(
                url=rpc_url(asking.url),
                method=asking.method,
                profile=profile,
                limits=asking.limits,
                clients=list(asking.clients),
                chain_id=asking.chain_id,
                seed=asking.seed,
                run_id=new_run_id(),
            )
            finished = await offer_by_users(
                order, journal, stop=stop, on_page=lambda url: say(f"locust's page: {url}")
            )
            if finished.was_busy:
                say("locust's process used nearly all of a core: the load may have measured itself")
            return profile if profile.web_ui is None else replace(profile, users=finished.users_most)
        case _:
            assert_never(profile)

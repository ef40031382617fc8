"""The gateway's two nodes, both in trouble: one that fails in every way, one that fails less and lags behind.

Owns      two strict proxies before one chain, and which faults each of them deals.
Promises  what was done to answers is counted by kind; all of it begins and ends by one word.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from headrace.app.chaos.attempts import AttemptsSeen
from headrace.app.chaos.heads import HeadView
from headrace.app.demo.access import NodeAccess
from headrace.testing.dealt_faults import DealtFaults, Deck
from headrace.testing.lagging import Lagging
from headrace.testing.proxy_answers import Done
from headrace.testing.strict_proxy import StrictProxy, start_strict_proxy

REQUEST_TIMEOUT_S: Final = 1.5  # of the gateway's questions to a node
HANG_S: Final = 2.5
LAGS_BLOCKS: Final = (1, 2, 3, 4)
LAG_LASTS_REQUESTS: Final = 50

# By the name that the report has for it. Each of these must happen in a run.
KINDS: Final = {
    "reply lost after acceptance": (Done.ACCEPTED_REPLY_LOST,),
    "reply lost": (Done.REPLY_LOST,),
    "time-out, not delivered": (Done.TIMED_OUT_BEFORE,),
    "time-out after delivery": (Done.TIMED_OUT_AFTER,),
    "HTTP 429": (Done.TOO_MANY,),
    "HTTP 5xx": (Done.HTTP_ERROR,),
    "null result": (Done.NULL,),
    "stale answer of the second node": (Done.ASKED_INSTEAD, Done.HIDDEN),
    "new head not announced": (Done.NOTIFICATION_LOST,),
}


@dataclass(slots=True)
class TroubledNodes:
    attempts: AttemptsSeen
    faults: tuple[DealtFaults, ...] = ()
    proxies: tuple[StrictProxy, ...] = ()

    def trouble(self, *, on: bool) -> None:
        for one in self.faults:
            one.calm = not on

    def counts(self) -> dict[str, int]:
        done: Counter[Done] = Counter()
        for proxy in self.proxies:
            done.update(proxy.faults_done)
        return {name: sum(done[kind] for kind in kinds) for name, kinds in KINDS.items()}


@asynccontextmanager
async def open_troubled_nodes(
    upstream_http: str, upstream_ws: str, heads: HeadView, nodes: TroubledNodes, *, seed: int
) -> AsyncIterator[NodeAccess]:
    """Fills in `nodes`. No trouble before the load begins: contracts and gateway are set up in peace."""
    failing = DealtFaults(f"{seed} first", hang_s=HANG_S, undisturbed_sends=32, undisturbed_others=90)
    milder = DealtFaults(f"{seed} second", hang_s=HANG_S, undisturbed_sends=64, undisturbed_others=200)
    lag = _Lag(heads, milder, seed)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            start_strict_proxy(upstream_http, upstream_ws, faults=nodes.attempts.noting(failing))
        )
        second = await stack.enter_async_context(
            start_strict_proxy(
                upstream_http,
                upstream_ws,
                faults=nodes.attempts.noting(Lagging(milder, newest=lag.newest)),
            )
        )
        nodes.faults, nodes.proxies = (failing, milder), (first, second)
        nodes.trouble(on=False)
        yield NodeAccess(http=(first.http_url, second.http_url), ws=first.ws_url)


class _Lag:
    """How far the second node is behind: another number of blocks every so many requests."""

    def __init__(self, heads: HeadView, faults: DealtFaults, seed: int) -> None:
        self._heads, self._faults = heads, faults
        self._deck = Deck(LAGS_BLOCKS, random.Random(f"{seed} lag"))  # noqa: S311 - repeatable on purpose
        self._blocks, self._left = 0, 0

    def newest(self) -> int | None:
        if self._faults.calm:
            return None
        if not self._left:
            self._blocks, self._left = self._deck.deal(), LAG_LASTS_REQUESTS
        self._left -= 1
        return max(self._heads.height - self._blocks, 0)

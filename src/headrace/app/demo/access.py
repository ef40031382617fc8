"""What lies between the gateway of a demo and its chain: the nodes, as the gateway sees them.

Leaves    trouble on the way to whoever opens another access (`app.chaos`).
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from headrace.testing.anvil import Anvil
from headrace.testing.strict_proxy import start_strict_proxy_process


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAccess:
    """Endpoints in the order in which the gateway shall prefer them. `pids`: processes of its own, if any."""

    http: tuple[str, ...]
    ws: str
    pids: tuple[int, ...] = ()


OpenAccess = Callable[[Anvil], AbstractAsyncContextManager[NodeAccess]]


@asynccontextmanager
async def through_strict_proxy(chain: Anvil) -> AsyncIterator[NodeAccess]:
    """One endpoint that refuses what a real node refuses, in a process of its own."""
    async with start_strict_proxy_process(chain.http_url) as proxy:
        yield NodeAccess(http=(proxy.http_url,), ws=proxy.ws_url, pids=(proxy.pid,))

"""Asks a gateway's `/v1` over HTTP.

Promises  either the answer, or in words why there is none: nobody there, not now, refused (with the problem).
"""

import json
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final, cast

import aiohttp

from headrace.app.settings import Settings
from headrace.core.errors import HeadraceError, NeedsOperator

ANSWER_S: Final = 60.0

Query = Sequence[tuple[str, str]]


class Refused(HeadraceError):
    """The gateway answered with a problem. `status` is of HTTP."""

    rpc_code = -32602

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP status {status}"))
        self.status, self.problem = status, problem


async def ask(url: str, method: str, path: str, *, body: object = None, query: Query = ()) -> Any:
    """`url` is the gateway's address. The answer's JSON. Raises Refused; NeedsOperator where nobody answers, or
    something else than a gateway does."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(
                method,
                url.rstrip("/") + path,
                params=list(query),
                json=body,
                allow_redirects=False,
            ) as reply,
        ):
            answer = await _json(reply)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        why = str(error) or type(error).__name__
        raise NeedsOperator(f"no gateway answers at {url}: {why}; name another with --url") from None
    if reply.status >= 400:
        raise Refused(reply.status, cast(Mapping[str, Any], answer) if isinstance(answer, dict) else {})
    return answer


def url_of(settings: Settings) -> str:
    """Where the gateway of these settings listens, seen from this machine. Raises NeedsOperator."""
    host, port = settings.gateway.host, settings.gateway.port
    if port == 0:
        raise NeedsOperator(
            "gateway.port is 0: the system chose the port when the gateway started, and it said so then; name it "
            "with --url"
        )
    return f"http://{_reachable(host)}:{port}"


def _reachable(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:  # it listens everywhere, so here too
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return host if address.version == 4 else f"[{host}]"


async def _json(reply: aiohttp.ClientResponse) -> Any:
    kind = reply.headers.get("content-type", "")
    if "json" not in kind:
        raise ValueError(f"it answered {reply.status} with {kind or 'no content-type'}, not JSON")
    return json.loads(await reply.read())

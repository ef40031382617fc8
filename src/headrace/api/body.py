"""Reads a request's body within bounds, before anything is decoded.

Owns      the bytes of all bodies that are in the house at the same time.
Promises  no body is read past its bound, none is waited for without end, none nests deeper than the bound.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from headrace.api.origin import header
from headrace.api.patience import Patience
from headrace.api.services import Limits

_DISCARDED_BY_SERVER_MAX: Final = 16 << 20
# Everything but the brackets outside of strings. An unfinished string reaches to the end: each byte is looked at
# once, whatever the quotes and backslashes in it. Possessive (`*+`), so there is nothing to try again.
_NO_BRACKET: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[^"{}\[\]]++', re.DOTALL)


@dataclass(frozen=True, slots=True)
class NotRead(Exception):
    """`status`: of HTTP. `hang_up`: what is still on its way is not worth waiting for."""

    status: int
    message: str
    hang_up: bool = False


class Bodies:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._patience = Patience(limits.body_read_s)
        self.held_bytes = 0

    @asynccontextmanager
    async def body_of(self, request: Request) -> AsyncIterator[bytes]:
        """Held until left. Raises NotRead; ClientDisconnect where the client is gone."""
        body = await self.take(request.scope, request.receive)
        try:
            yield body
        finally:
            self.let_go(body)

    async def take(self, scope: Scope, receive: Receive) -> bytes:
        """Held until `let_go`. Raises NotRead; ClientDisconnect where the client is gone."""
        self._refuse_announced(scope)
        body = bytearray()
        reading = self._patience.begin()
        try:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk = message.get("body", b"")
                self.held_bytes += len(chunk)
                body += chunk
                self._refuse_grown(body)
                more = message.get("more_body", False)
        except BaseException as error:
            self.let_go(body)
            if self._patience.end(reading) and isinstance(error, asyncio.CancelledError):
                late = f"the body did not arrive within {self._limits.body_read_s:g} s"
                raise NotRead(408, late, hang_up=True) from None
            raise
        self._patience.end(reading)
        return bytes(body)

    def let_go(self, body: bytes | bytearray) -> None:
        self.held_bytes -= len(body)

    def _refuse_announced(self, scope: Scope) -> None:
        announced = header(scope, b"content-length") or ""
        if announced.isdecimal() and int(announced) > self._limits.body_bytes_max:
            raise NotRead(
                413,
                f"the body has {announced} bytes, at most {self._limits.body_bytes_max} are read",
                hang_up=int(announced) > _DISCARDED_BY_SERVER_MAX,
            )

    def _refuse_grown(self, body: bytearray) -> None:
        if len(body) > self._limits.body_bytes_max:
            raise NotRead(413, f"the body has more than {self._limits.body_bytes_max} bytes", hang_up=True)
        if self.held_bytes > self._limits.bodies_bytes_max:
            raise NotRead(503, "too many large requests at the same time", hang_up=True)


def nests_deeper(body: bytes, depth_max: int) -> bool:
    """Whether objects and arrays nest deeper than that. Says nothing about whether it is JSON otherwise."""
    # To look for one is quick, to count is not, and most requests have no list.
    if body.count(b"{") + (body.count(b"[") if b"[" in body else 0) <= depth_max:
        return False
    depth = 0
    for bracket in _NO_BRACKET.sub(b"", body):
        if bracket in b"{[":
            depth += 1
            if depth > depth_max:
                return True
        else:
            depth -= 1
    return False

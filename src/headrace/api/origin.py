"""Keeps web pages of others out.

A browser lets any page POST to 127.0.0.1 and open a WebSocket there. It says in `Origin` which page that is;
programs send no such header. There is no page of ours that would call from elsewhere.
"""

from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class SameOrigin:
    """ASGI middleware: 403 (a WebSocket is refused with 1008) where `Origin` is not the host that was asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not from_elsewhere(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "another origin"})
        else:
            refusal = PlainTextResponse("requests of pages from elsewhere are not taken\n", status_code=403)
            await refusal(scope, receive, send)


def from_elsewhere(scope: Scope) -> bool:
    """Whether a page says that it asks, which does not come from the host that it asks."""
    origin = header(scope, b"origin")
    return origin is not None and urlsplit(origin).netloc != header(scope, b"host")


def header(scope: Scope, name: bytes) -> str | None:
    """The first of that name (in lower case). Not by Starlette's Headers: making one costs more than ten looks."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")  # type: ignore[no-any-return]
    return None

"""The HTTP server under the gateway: uvicorn with httptools, within limits.

Owns      the server's settings, and what uvicorn leaves open for us: cutting a WebSocket that does not read.
Leaves    signals and the event loop (uvloop) to the app.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from headrace.api.ws import ABORT, MESSAGE_BYTES_MAX

# Longer than clients keep idle connections: who closes first must be the one that may still send.
KEEP_ALIVE_S: Final = 75


class _WebSocket(WebSocketsSansIOProtocol):
    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            # A transport that is closed first sends what it holds, which a client that never reads prevents.
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[ABORT] = self.transport.abort


class GatewayServer(uvicorn.Server):
    """`await server.serve(sockets=[...])` returns after `stop`; requests under way have `grace_s` to end."""

    def __init__(self, app: ASGIApp, *, grace_s: int = 10) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws=_WebSocket,
                ws_max_size=MESSAGE_BYTES_MAX,
                ws_per_message_deflate=False,
                ws_ping_interval=20.0,
                ws_ping_timeout=20.0,
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=grace_s,
            )
        )

    def stop(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the app decides what a signal means

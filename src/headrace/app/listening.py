"""A port, and an HTTP server on it that leaves signals to whoever composes the process."""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from headrace.core.errors import NeedsOperator

BACKLOG = 2048


class HttpServer(uvicorn.Server):
    """`stop` lets requests under way end, within `grace_s`."""

    def __init__(self, app: ASGIApp, *, grace_s: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                loop="uvloop",
                http="httptools",
                ws="none",
                proxy_headers=False,  # nothing looks at who asks
                timeout_graceful_shutdown=grace_s,
            )
        )

    def stop(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bound_socket(host: str, port: int) -> socket.socket:
    """Port 0: one that is free. Raises NeedsOperator where the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise NeedsOperator(
            f"cannot listen on {host}:{port}: {error.strerror}; is another process there? choose another port"
        ) from None
    listener.listen(BACKLOG)
    return listener


def say_listening(host: str, listener: socket.socket) -> None:
    """One line of JSON on stdout, for whoever started us."""
    shown = f"[{host}]" if ":" in host else host
    sys.stdout.write(json.dumps({"listening": f"http://{shown}:{listener.getsockname()[1]}"}) + "\n")
    sys.stdout.flush()

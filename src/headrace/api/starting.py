"""What the gateway's port answers while the gateway is not there (yet, or any more): why, and to come back.

Owns      the answers before the chain was reached and the lanes were taken up, and while the gateway stops.
Leaves    everything else to `api.gateway_app`, which takes its place.
"""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from headrace.api.rest.problems import Kind, Problem, answer_problem

RETRY_AFTER_S = 2.0


class Front:
    """The ASGI application of the port: the real one, while it is there."""

    def __init__(self, reason: Callable[[], str]) -> None:
        self._app: ASGIApp = _closed_because(reason)

    def open(self, app: ASGIApp) -> None:
        self._app = app

    def close(self) -> None:
        """From now on again nobody is let in; calls that are in go on."""
        self._app = _closed_because(lambda: "the gateway is stopping")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _closed_because(reason: Callable[[], str]) -> Starlette:
    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        return JSONResponse({"ready": False, "reasons": [reason()]}, status_code=503)

    async def rpc(request: Request) -> Response:
        error = {
            "code": -32005,
            "message": f"not now: {reason()}",
            "data": {"retry_after_s": RETRY_AFTER_S},
        }
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status_code=503)

    async def rest(request: Request) -> Response:
        said = f"not now: {reason()}"
        return answer_problem(Problem(Kind.TRY_LATER, said, {"retry_after_s": RETRY_AFTER_S}))

    return Starlette(
        routes=[
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
            Route("/rpc", rpc, methods=["POST"]),
            Route("/v1/{rest:path}", rest, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]
    )

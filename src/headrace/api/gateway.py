"""The gateway's doors on one application: JSON-RPC, WebSocket, REST, health."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from headrace.api.health import Health, own_version
from headrace.api.origin import SameOrigin, from_elsewhere
from headrace.api.rest.routes import rest_routes
from headrace.api.rpc import Rpc, public_methods
from headrace.api.services import Services
from headrace.api.ws import Sockets


class _GatewayApp(Starlette):
    """Calls go to `rpc` on the shortest way; whatever else comes goes Starlette's way, refusals included."""

    rpc: Rpc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/rpc" and not from_elsewhere(scope):
            await self.rpc(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def gateway_app(services: Services) -> Starlette:
    """For `api.server.GatewayServer`. Starts nothing of its own; what it works with is opened and closed by who
    hands it in."""
    health = Health(services.readiness, services.unknown_reverts)
    rpc, sockets = Rpc(public_methods(services), services.limits), Sockets(services)
    app = _GatewayApp(
        routes=[
            Route("/rpc", rpc),
            WebSocketRoute("/ws", sockets.endpoint),
            Route("/healthz", health.healthz, methods=["GET"]),
            Route("/readyz", health.readyz, methods=["GET"]),
            Route("/", health.front, methods=["GET"]),
            *rest_routes(services.jobs, clock=services.clock, limits=services.limits, version=own_version()),
        ],
        middleware=[Middleware(SameOrigin)],
    )
    app.rpc = rpc
    app.state.rpc, app.state.sockets = rpc, sockets  # for those who count
    return app

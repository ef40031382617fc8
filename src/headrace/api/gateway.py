"""The gateway's doors on one application: JSON-RPC, WebSocket, REST, health."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from headrace.api.health import Health, own_version
from headrace.api.origin import SameOrigin
from headrace.api.rest.routes import rest_routes
from headrace.api.rpc import Rpc, public_methods
from headrace.api.services import Services
from headrace.api.ws import Sockets


def gateway_app(services: Services) -> Starlette:
    """For `api.server.GatewayServer`. Starts nothing of its own; what it works with is opened and closed by who
    hands it in."""
    health = Health(services.readiness, services.unknown_reverts)
    rpc, sockets = Rpc(public_methods(services), services.limits), Sockets(services)
    app = Starlette(
        routes=[
            Route("/rpc", rpc.endpoint, methods=["POST", "GET", "PUT", "PATCH", "DELETE"]),
            WebSocketRoute("/ws", sockets.endpoint),
            Route("/healthz", health.healthz, methods=["GET"]),
            Route("/readyz", health.readyz, methods=["GET"]),
            Route("/", health.front, methods=["GET"]),
            *rest_routes(services.jobs, clock=services.clock, limits=services.limits, version=own_version()),
        ],
        middleware=[Middleware(SameOrigin)],
    )
    app.state.rpc, app.state.sockets = rpc, sockets  # for those who count
    return app

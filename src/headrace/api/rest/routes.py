"""The routes of `/v1`, its OpenAPI document and its page, made from the table of endpoints.

Promises  what is not there is a problem in words, too: an unknown path, and a gateway without settlement.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from headrace.api.rest.door import METHODS, Desk, Door
from headrace.api.rest.endpoint import Endpoint
from headrace.api.rest.openapi import openapi_document
from headrace.api.rest.page import CONTENT_SECURITY_POLICY, docs_page
from headrace.api.rest.problems import Kind, Problem, answer_problem
from headrace.api.rest.services import JobServices
from headrace.api.rest.table import endpoints
from headrace.api.services import Limits
from headrace.api.wire import shown
from headrace.core.ports import Clock

NO_SETTLEMENT: Final = (
    "this gateway has no settlement: no jobs are started, run or paid for here. Its operator adds it with an "
    "escrow in the deployment and a section [settlement] in the settings (docs/configuration.md)"
)


def rest_routes(services: JobServices | None, *, clock: Clock, limits: Limits, version: str | None) -> list[Route]:
    """`services` None: every path answers that there is no settlement here."""
    if services is None:
        return _refusing()
    table = endpoints(services, clock)
    desk = Desk(limits)
    routes = [
        Route(path, Door(of_path, desk).endpoint, methods=list(METHODS)) for path, of_path in _by_path(table)
    ]
    document = openapi_document(table, version=version or "unknown")
    return [*routes, *_documentation(document), _everything_else("/v1/{rest:path}", _unknown)]


def _by_path(table: Sequence[Endpoint]) -> list[tuple[str, list[Endpoint]]]:
    paths: dict[str, list[Endpoint]] = {}
    for endpoint in table:
        paths.setdefault(endpoint.path, []).append(endpoint)
    return list(paths.items())


def _documentation(document: object) -> list[Route]:
    assert isinstance(document, dict)
    encoded, page = msgspec.json.encode(document), docs_page(document)

    async def openapi(_: Request) -> Response:
        return Response(encoded, media_type="application/json")

    async def docs(_: Request) -> Response:
        return HTMLResponse(page, headers={"content-security-policy": CONTENT_SECURITY_POLICY})

    return [Route("/openapi.json", openapi, methods=["GET"]), Route("/docs", docs, methods=["GET"])]


def _refusing() -> list[Route]:
    async def refuse(_: Request) -> Response:
        return answer_problem(Problem(Kind.NO_SETTLEMENT, NO_SETTLEMENT))

    return [_everything_else(path, refuse) for path in ("/v1/{rest:path}", "/openapi.json", "/docs")]


async def _unknown(request: Request) -> Response:
    detail = f"there is nothing at {shown(request.url.path)}; /docs lists what there is"
    return answer_problem(Problem(Kind.UNKNOWN, detail))


def _everything_else(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
    return Route(path, endpoint, methods=list(METHODS))

"""One path of `/v1` over HTTP: from a request to an endpoint, from what it answers to a response.

Owns      how many requests are worked on at once, and what an exception is to whoever asked.
Promises  every answer but a download is JSON, every refusal a problem; a bug is told by an incident's number, its
          traceback stands in the log only; who hangs up frees what it held.
Leaves    bodies' bounds to `api.body`, forms to `api.rest.reading`, statuses to `api.rest.problems`.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import uuid4

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from headrace.api.body import Bodies, NotRead
from headrace.api.rest.endpoint import Answered, Asked, Download, Endpoint
from headrace.api.rest.problems import Kind, Problem, answer_problem, problem_of
from headrace.api.rest.reading import read_json, read_query
from headrace.api.services import Limits
from headrace.api.wire import shown
from headrace.core.errors import HeadraceError

log = logging.getLogger(__name__)

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HUNG_UP: Final = 499  # nobody reads it
_JSON: Final = "application/json"
_NOT_READ: Final = {408: Kind.SLOW_BODY, 413: Kind.TOO_LARGE, 503: Kind.TRY_LATER}


class Desk:
    """What all paths share."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.bodies = Bodies(limits)
        self.working = 0  # requests


class Door:
    """`endpoints` are all of one path."""

    def __init__(self, endpoints: Sequence[Endpoint], desk: Desk) -> None:
        self.by_method: Mapping[str, Endpoint] = {each.method: each for each in endpoints}
        self._desk = desk

    async def endpoint(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = self.by_method.get(method)
        if endpoint is None:
            allowed = ", ".join(self.by_method)
            detail = f"{request.method} is not answered at {shown(request.url.path)}; there are {allowed}"
            return answer_problem(Problem(Kind.METHOD, detail, headers={"allow": allowed}))
        limits = self._desk.limits
        if self._desk.working >= limits.calls_max:
            busy = f"{limits.calls_max} requests are being worked on, that is the most"
            return answer_problem(Problem(Kind.TRY_LATER, busy))
        self._desk.working += 1
        try:
            return await self._work(endpoint, request)
        except HeadraceError as error:
            return answer_problem(problem_of(error))
        except NotRead as turned_away:
            headers = {"connection": "close"} if turned_away.hang_up else {}
            return answer_problem(Problem(_NOT_READ[turned_away.status], turned_away.message, headers=headers))
        except ClientDisconnect:
            return Response(status_code=_HUNG_UP)
        except Exception:  # a bug of ours: this request alone fails, and the log has all of it
            incident = uuid4().hex
            log.exception("incident %s in %s", incident, endpoint.name)
            detail = f"internal error; the operator of this service finds it in the log as incident {incident}"
            return answer_problem(Problem(Kind.BUG, detail, {"incident": incident}))
        finally:
            self._desk.working -= 1

    async def _work(self, endpoint: Endpoint, request: Request) -> Response:
        query = read_query(request.query_params.multi_items(), endpoint.query)
        path = {name: str(value) for name, value in request.path_params.items()}
        if endpoint.body is None:
            return _answer(await endpoint.work(Asked(path=path, query=query, body=None)))
        async with self._desk.bodies.body_of(request) as raw:
            if raw and (refusal := _against_media_type(request)) is not None:
                return refusal
            body = read_json(raw, endpoint.body, depth_max=self._desk.limits.depth_max)
            return _answer(await endpoint.work(Asked(path=path, query=query, body=body)))


def _against_media_type(request: Request) -> Response | None:
    said = request.headers.get("content-type", "")
    if said.partition(";")[0].strip().lower() == _JSON:
        return None
    named = shown(said) if said else "absent"
    return answer_problem(Problem(Kind.MEDIA_TYPE, f"content-type: {named}; only {_JSON} is read here"))


def _answer(answered: Answered | Download) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if isinstance(answered, Download):
        return FileResponse(
            answered.file, filename=answered.filename, media_type="application/octet-stream", headers=headers
        )
    if answered.location is not None:
        headers["location"] = answered.location
    return Response(msgspec.json.encode(answered.form), answered.status, headers, media_type=_JSON)

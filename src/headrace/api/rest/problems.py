"""What went wrong, as RFC 9457 problem details: the one place where an error becomes a status of HTTP.

Owns      the kinds of problems, their statuses and what to do about each.
Promises  `status` says who must act: 4xx whoever asked, 503 nobody yet (it comes with `retry-after`) or the
          operator of this service (without), 500 whoever wrote this.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from headrace.api.wire import jsonable
from headrace.core.errors import FixTheRequest, HeadraceError, NeedsOperator, OtherContent, TryLater

MEDIA_TYPE: Final = "application/problem+json"


class Malformed(FixTheRequest):
    """It cannot be read as what is asked for here."""


class Unknown(FixTheRequest):
    """There is no such thing."""


class Kind(Enum):
    """The fragment of a problem's `type`, which is its place in `/docs`."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    NO_SETTLEMENT = "no-settlement"
    METHOD = "method"
    SLOW_BODY = "slow-body"
    OTHER_CONTENT = "other-content"
    TOO_LARGE = "too-large"
    MEDIA_TYPE = "media-type"
    FIX_THE_REQUEST = "fix-the-request"
    BUG = "bug"
    TRY_LATER = "try-later"
    NEEDS_OPERATOR = "needs-operator"

    @property
    def status(self) -> int:
        return _ABOUT[self][0]

    @property
    def title(self) -> str:
        return _ABOUT[self][1]

    @property
    def advice(self) -> str:
        return _ABOUT[self][2]


_ABOUT: Final[Mapping[Kind, tuple[int, str, str]]] = {
    Kind.MALFORMED: (
        400,
        "The request cannot be read",
        "Correct its form: `field` names the place. The same request fails again.",
    ),
    Kind.UNKNOWN: (404, "There is no such thing", "Check the id, or the path."),
    Kind.NO_SETTLEMENT: (
        404,
        "This gateway has no settlement",
        "Ask a gateway that has; its operator gives it a deployment with an escrow and a section [settlement].",
    ),
    Kind.METHOD: (405, "Not with this method", "`allow` names the methods that there are."),
    Kind.SLOW_BODY: (408, "The body did not arrive in time", "Send it faster, or smaller."),
    Kind.OTHER_CONTENT: (
        409,
        "This id belongs to something else",
        "Nothing was changed. Take another id, or send what the id belongs to.",
    ),
    Kind.TOO_LARGE: (413, "The body is too large", "Send less."),
    Kind.MEDIA_TYPE: (415, "The body is no JSON by its own word", "Send it with content-type: application/json."),
    Kind.FIX_THE_REQUEST: (
        422,
        "What is asked for cannot be",
        "Correct it: `field` names the place, where it is one. Nothing was stored. The same request fails again.",
    ),
    Kind.BUG: (
        500,
        "An error of ours",
        "Tell the operator of this service: the log has it under `incident`. The same request with the same id is "
        "safe.",
    ),
    Kind.TRY_LATER: (
        503,
        "Not now",
        "Nothing is wrong with the request: send it again, with the same id, after `retry-after` seconds.",
    ),
    Kind.NEEDS_OPERATOR: (
        503,
        "The operator of this service must act",
        "Tell them. It does not pass by itself, so there is no `retry-after`.",
    ),
}


class ProblemForm(Struct, kw_only=True, frozen=True):
    """Problem details (RFC 9457)."""

    type: Annotated[str, Meta(description="Where in /docs this kind of problem is explained.")]
    title: str
    status: int
    detail: Annotated[str, Meta(description="What is wrong, with the value, and what to do.")]
    field: Annotated[str | None, Meta(description="The place in the request, as in payment.token.")] = None
    retry_after_s: float | None = None
    incident: str | None = None
    more: Annotated[dict[str, Any], Meta(description="What else is known, by its name.")] = {}


@dataclass(frozen=True, slots=True)
class Problem:
    kind: Kind
    detail: str
    data: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_of(error: HeadraceError) -> Problem:
    """By who must act."""
    match error:
        case Malformed():
            kind = Kind.MALFORMED
        case Unknown():
            kind = Kind.UNKNOWN
        case OtherContent():
            kind = Kind.OTHER_CONTENT
        case TryLater():
            kind = Kind.TRY_LATER
        case NeedsOperator():
            kind = Kind.NEEDS_OPERATOR
        case _:
            kind = Kind.FIX_THE_REQUEST
    return Problem(kind, error.message, error.data)


def answer_problem(problem: Problem) -> Response:
    data = dict(problem.data)
    headers = {**problem.headers, "cache-control": "no-store"}
    retry_after_s = data.pop("retry_after_s", None)
    if problem.kind is Kind.TRY_LATER:
        seconds = retry_after_s if isinstance(retry_after_s, int | float) else 1.0
        headers["retry-after"] = str(max(1, -(-seconds // 1))).removesuffix(".0")
        data["retry_after_s"] = seconds
    form: dict[str, object] = {
        "type": f"/docs#{problem.kind.value}",
        "title": problem.kind.title,
        "status": problem.kind.status,
        "detail": problem.detail,
    }
    own = ("field", "retry_after_s", "incident")
    form |= {name: data.pop(name) for name in own if data.get(name) is not None}
    if data:
        form["more"] = jsonable(data)
    return Response(msgspec.json.encode(form), problem.kind.status, headers, media_type=MEDIA_TYPE)

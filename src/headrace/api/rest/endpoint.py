"""One thing that can be asked of `/v1`: where, with what, what is answered.

Owns      the words from which routes, checks and OpenAPI are all made.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from msgspec import Struct

from headrace.api.rest.problems import Kind
from headrace.api.rest.request_forms import NoQuery

Query = TypeVar("Query", bound=Struct)
Body = TypeVar("Body", bound=Struct | None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[Query, Body]):
    """`path` are the values of the path's parameters by their names."""

    path: Mapping[str, str]
    query: Query
    body: Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    form: Struct
    status: int = 200
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """A file's bytes, under the name that a client may save them as."""

    file: Path
    filename: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one status of success means. `form` None: bytes."""

    means: str
    form: type[Struct] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`name` is OpenAPI's operationId. `body` None: this method has none. `problems` beside those that every
    endpoint has."""

    name: str
    method: str
    path: str
    summary: str
    work: Callable[[Asked[Any, Any]], Awaitable[Answered | Download]]
    answers: Mapping[int, Answer]
    query: type[Struct] = NoQuery
    body: type[Struct] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)  # of the path, with what they are
    problems: tuple[Kind, ...] = ()

    @property
    def all_problems(self) -> tuple[Kind, ...]:
        of_all = (Kind.MALFORMED, Kind.TRY_LATER, Kind.NEEDS_OPERATOR, Kind.BUG)
        of_bodies = (Kind.SLOW_BODY, Kind.TOO_LARGE, Kind.MEDIA_TYPE) if self.body is not None else ()
        return (*of_all, *of_bodies, *self.problems)

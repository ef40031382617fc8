"""`/healthz`: the process answers. `/readyz`: it can do its work, or why not. `/`: where everything is."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from headrace.api.wire import hexed
from headrace.core.words import Selector


class Health:
    """`/readyz` also shows how often each revert came that no known ABI has, by selector, since the start: no
    reason to be unready, and worth a look. It has that member only when there were any."""

    def __init__(
        self,
        readiness: Callable[[], Sequence[str]],
        unknown_reverts: Callable[[], Mapping[Selector, int]] = dict,
    ) -> None:
        self._readiness, self._unknown_reverts = readiness, unknown_reverts

    async def healthz(self, _: Request) -> Response:
        return _json({"status": "alive"})

    async def readyz(self, _: Request) -> Response:
        reasons = list(self._readiness())
        content: dict[str, object] = {"ready": not reasons, "reasons": reasons}
        if unknown := self._unknown_reverts():
            content["unknown_reverts"] = {hexed(selector): count for selector, count in unknown.items()}
        return _json(content, status=503 if reasons else 200)

    async def front(self, _: Request) -> Response:
        return _json(
            {
                "service": "headrace",
                "version": own_version(),
                "rpc": "POST /rpc",
                "websocket": "/ws",
                "rest": "/v1",
                "health": ["/healthz", "/readyz"],
                "documentation": [
                    "/docs",
                    "docs/json-rpc.md",
                    "docs/rest.md",
                    "docs/configuration.md",
                    "docs/architecture.md",
                ],
            }
        )


def own_version() -> str | None:
    try:
        return version("headrace")
    except PackageNotFoundError:  # run from a source folder that nobody installed
        return None


def _json(content: object, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")

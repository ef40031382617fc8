"""`/healthz`: the process answers. `/readyz`: it can do its work, or why not. `/`: where everything is."""

from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

import msgspec
from starlette.requests import Request
from starlette.responses import Response


class Health:
    def __init__(self, readiness: Callable[[], Sequence[str]]) -> None:
        self._readiness = readiness

    async def healthz(self, _: Request) -> Response:
        return _json({"status": "alive"})

    async def readyz(self, _: Request) -> Response:
        reasons = list(self._readiness())
        return _json({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)

    async def front(self, _: Request) -> Response:
        return _json(
            {
                "service": "headrace",
                "version": _version(),
                "rpc": "POST /rpc",
                "websocket": "/ws",
                "health": ["/healthz", "/readyz"],
                "documentation": ["docs/json-rpc.md", "docs/configuration.md", "docs/architecture.md"],
            }
        )


def _version() -> str | None:
    try:
        return version("headrace")
    except PackageNotFoundError:  # run from a source folder that nobody installed
        return None


def _json(content: object, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")

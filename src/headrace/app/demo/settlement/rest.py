"""The gateway's `/v1`, as any client speaks to it: JSON over HTTP, nothing of ours on this side.

Promises  what asks to be tried again later is, with the same id; what is refused is Refused, with the gateway's
          own words.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

Json = dict[str, Any]

_PAGE: Final = 500
_TIMEOUT_S: Final = 60.0
_PAUSE_MAX_S: Final = 2.0
_PATIENCE_S: Final = 60.0
_LATER: Final = 503


class Refused(Exception):
    """The gateway says no. `problem` is what it answered (RFC 9457)."""

    def __init__(self, what: str, status: int, problem: Json) -> None:
        super().__init__(f"{what}: HTTP {status}: {problem.get('detail', problem)}")
        self.status, self.problem = status, problem


class JobsClient:
    def __init__(self, url: str, *, at_once: int = 16, patience_s: float = _PATIENCE_S) -> None:
        self._url, self._patience_s = url, patience_s
        self._room = asyncio.Semaphore(at_once)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def start(self, job: Mapping[str, Any]) -> Json:
        """It must have an id: only then it can be asked for again."""
        assert "id" in job, job
        return await self._ask("POST", "/v1/jobs", body=job)

    async def jobs(self) -> dict[str, Json]:
        """All there are, by id."""
        found: dict[str, Json] = {}
        cursor: str | None = None
        while True:
            query = {"limit": str(_PAGE)} | ({} if cursor is None else {"cursor": cursor})
            page = await self._ask("GET", "/v1/jobs", query=query)
            found |= {job["id"]: job for job in page["jobs"]}
            cursor = page["cursor"]
            if cursor is None:
                return found

    async def settlement(self, job: str) -> Json:
        return await self._ask("GET", f"/v1/jobs/{job}/settlement")

    async def report(self, job: str, status: int, *, at: float, **more: Any) -> Json:
        return await self._ask("POST", f"/v1/jobs/{job}/events", body={"status": status, "at": at, **more})

    async def stop(self, job: str) -> Json:
        return await self._ask("POST", f"/v1/jobs/{job}/stop", body={})

    async def claim_now(self) -> Json:
        return await self._ask("POST", "/v1/settlement/runs", body={})

    async def claim_runs(self) -> list[Json]:
        """Newest first."""
        return list((await self._ask("GET", "/v1/settlement/runs"))["runs"])

    async def _ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None
    ) -> Json:
        assert self._session is not None, "use as `async with`"
        give_up_at = time.monotonic() + self._patience_s
        while True:
            try:
                async with (
                    self._room,
                    self._session.request(method, self._url + path, params=query, json=body) as answer,
                ):
                    said = _read(await answer.read())
                    if answer.status < 400:
                        return said
                    wait_s = float(answer.headers.get("retry-after", "0"))
                    refused = Refused(f"{method} {path}", answer.status, said)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                # Gone, or not up again yet: the same request with the same id harms nothing.
                wait_s, refused = 0.5, Refused(f"{method} {path}", 0, {"detail": f"{type(error).__name__}"})
            if not wait_s or time.monotonic() > give_up_at:
                raise refused
            await asyncio.sleep(min(wait_s, _PAUSE_MAX_S))


def _read(body: bytes) -> Json:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {"detail": body[:200].decode(errors="replace")}

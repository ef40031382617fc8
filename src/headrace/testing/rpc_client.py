"""The smallest JSON-RPC client: for what a test asks of a chain beside the code under test.

Owns      one HTTP session.
Promises  the node's own error, code and words, as RpcRefused.
Leaves    everything a real client must do (fail-over, retries, reading replies) to `headrace.chain`.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import aiohttp
import msgspec

_TIMEOUT_S: Final = 60.0


class RpcRefused(Exception):
    """The node answered with an error."""

    def __init__(self, method: str, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.method = method
        self.code = code
        self.message = message
        self.data = data


class RpcClient:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def ask(self, method: str, *params: object) -> Any:
        """The `result` as JSON. Raises RpcRefused, and aiohttp.ClientError if there is no answer."""
        answer = await self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        return _result(method, answer)

    async def ask_all(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """One batch request; results in the order of the calls. Raises RpcRefused for the first that failed."""
        body = [{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(calls)]
        answers = {answer["id"]: answer for answer in await self._post(body)}
        return [_result(method, answers[i]) for i, (method, _) in enumerate(calls)]

    async def _post(self, body: object) -> Any:
        headers = {"content-type": "application/json"}
        async with self._session.post(self.url, data=msgspec.json.encode(body), headers=headers) as response:
            content = await response.read()
            response.raise_for_status()
            return msgspec.json.decode(content)


def _result(method: str, answer: Any) -> Any:
    if "error" in answer:
        error = answer["error"]
        raise RpcRefused(method, error["code"], error["message"], error.get("data"))
    return answer["result"]


@contextlib.asynccontextmanager
async def open_rpc(url: str) -> AsyncIterator[RpcClient]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as session:
        yield RpcClient(session, url)

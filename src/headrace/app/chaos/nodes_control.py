"""A hand on the troubled nodes, which run in a process of their own.

Owns      starting that process, and asking its control port.
Promises  it ends with the block, or when we die.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from headrace.app.demo.access import NodeAccess
from headrace.app.demo.processes import DidNotStart
from headrace.testing.anvil import Anvil
from headrace.testing.child_process import start_child

START_S: Final = 30.0
ASK_S: Final = 10.0


class NodesControl:
    def __init__(self, session: aiohttp.ClientSession, url: str, access: NodeAccess) -> None:
        self._session, self._url = session, url
        self.access = access

    async def trouble(self, on: bool) -> None:
        await self._ask("POST", "/trouble", {"on": on})

    async def counts(self) -> dict[str, int]:
        counts: dict[str, int] = await self._ask("GET", "/counts")
        return counts

    async def others(self, raw: bytes) -> list[bytes]:
        """Attempts at the same nonce with other bytes."""
        found = await self._ask("POST", "/others", {"raw": "0x" + raw.hex()})
        return [bytes.fromhex(text[2:]) for text in found]

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        async with self._session.request(method, self._url + path, json=body) as answer:
            answer.raise_for_status()
            return await answer.json()


@asynccontextmanager
async def start_troubled_nodes(chain: Anvil, *, seed: int) -> AsyncIterator[NodesControl]:
    """Raises DidNotStart with its last words."""
    command = [sys.executable, "-m", "headrace.app.chaos.nodes_process"]
    command += ["--upstream", chain.http_url, "--ws", chain.ws_url, "--seed", str(seed)]
    async with start_child(command) as process:
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
        if not line.startswith(b"{"):
            rest = line + await process.stdout.read()
            raise DidNotStart(f"the troubled nodes did not start: {rest.decode(errors='replace')[-2000:]}")
        said = json.loads(line)
        access = NodeAccess(http=tuple(said["http"]), ws=said["ws"], pids=(process.pid,))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_S)) as session:
            yield NodesControl(session, said["control"], access)

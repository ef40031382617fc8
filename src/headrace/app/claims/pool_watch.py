"""What a lane offers to the chain, seen in the node's pool: each transaction, and when it was there first.

Promises  it asks the node and nobody else; a transaction that came and was mined between two looks is not seen
          here, but it is in its block, which is later.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

from headrace.testing.anvil import Anvil

_LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Offered:
    """`at` in unix seconds. `data` is its calldata."""

    at: float
    data: bytes


@dataclass(slots=True)
class PoolWatch:
    chain: Anvil
    account: bytes
    offered: dict[bytes, Offered] = field(default_factory=dict)  # by transaction hash

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        content: dict[str, dict[str, Any]] = await self.chain.rpc.ask("txpool_content")
        now = time.time()
        for kind in ("pending", "queued"):
            for account, by_nonce in content[kind].items():
                if bytes.fromhex(account[2:]) != self.account:
                    continue
                for one in by_nonce.values():
                    hash_ = bytes.fromhex(one["hash"][2:])
                    self.offered.setdefault(hash_, Offered(now, bytes.fromhex(one["input"][2:])))

"""What happens to the chain itself: reorgs, dropped transactions, base-fee spikes, a pause.

Owns      the loops, one for each kind, so that they overlap as they like; their seeded schedule.
Promises  no block is replaced that ever had `confirmations` blocks (itself counted): what the gateway calls final
          stays; a kind that could not be done is tried again, and counted only when done.
Leaves    the controls to `testing.anvil`.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final

import aiohttp

from headrace.app.chaos.attempts import AttemptsSeen
from headrace.app.chaos.heads import HeadView
from headrace.testing.anvil import Anvil
from headrace.testing.dealt_faults import Deck
from headrace.testing.rpc_client import RpcRefused

GWEI: Final = 10**9
DEPTHS: Final = (1, 2, 3, 4, 5)
POOL_LOOK_S: Final = 0.1
TRY_AGAIN_S: Final = 0.1
PAUSE_S: Final = (1.5, 4.0)
SPIKE_GWEI: Final = (20, 250)
SPIKE_BLOCKS: Final = (2, 4)
CALM_FEE_WEI: Final = GWEI

DROPPED: Final = "transaction dropped from the pool"
SPIKE: Final = "base-fee spike"
PAUSED: Final = "chain paused"
ROLLED_BACK: Final = "chain rolled back"
REVIVED: Final = "old attempt brought back"

# Mean seconds between two of a kind in a full run.
EVERY_S: Final = {"reorg": 4.0, "drop": 3.0, "spike": 16.0, "pause": 18.0}


def reorg_of(depth: int) -> str:
    return f"reorg of depth {depth}"


# Each of these must happen in a run. That an old attempt is brought back is luck: there must be one.
KINDS: Final = (*map(reorg_of, DEPTHS), ROLLED_BACK, DROPPED, SPIKE, PAUSED)


class _Manner(Enum):
    """What stands in the blocks that replace the old ones."""

    EMPTY = "nothing: all of them must be sent again"
    SHIFTED = "the same transactions, a block later; another attempt at the same nonce where there was one"
    ROLLED_BACK = "there are none: the chain is shorter"


class ChainTroubles:
    """`seconds`: how long they will go on; a short run has them closer together. `counts` by kind."""

    def __init__(
        self,
        chain: Anvil,
        heads: HeadView,
        attempts: AttemptsSeen,
        *,
        block_time_s: int,
        confirmations: int,
        seconds: float,
        seed: int,
    ) -> None:
        self._chain, self._heads, self._attempts = chain, heads, attempts
        self._block_time_s, self._confirmations, self._seed = block_time_s, confirmations, seed
        self._every_s = {kind: min(every_s, seconds * every_s / 60) for kind, every_s in EVERY_S.items()}
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Until cancelled; then the chain runs on in peace."""
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._again("reorg", self._reorgs()), name="reorgs")
                loops.create_task(self._again("drop", self._drop), name="drops")
                loops.create_task(self._again("spike", self._spike), name="spikes")
                loops.create_task(self._again("pause", self._pause), name="pauses")
        finally:
            await self._chain.resume(self._block_time_s)
            await self._chain.set_next_base_fee(CALM_FEE_WEI)

    async def _again(self, kind: str, trouble: Callable[[], Awaitable[bool]]) -> None:
        chance = self._chance(f"when to {kind}")
        while True:
            await asyncio.sleep(self._every_s[kind] * chance.uniform(0.5, 1.5))
            while not await _tried(trouble):  # noqa: ASYNC110 - the chain tells nobody when it is possible
                await asyncio.sleep(TRY_AGAIN_S)

    # ---- Reorgs

    def _reorgs(self) -> Callable[[], Awaitable[bool]]:
        chance = self._chance("reorg")
        depths, manners = Deck(DEPTHS, chance), Deck(tuple(_Manner), chance)
        planned: list[tuple[int, _Manner]] = []

        async def reorg() -> bool:
            if not planned:
                planned.append((depths.deal(), manners.deal()))
            depth, manner = planned[0]
            height = await self._heads.look()
            if height - depth <= self._heads.highest - self._confirmations:
                return False  # after a rollback the chain must grow first
            await self._replace(depth, manner, height, chance)
            planned.pop()
            self.counts[reorg_of(depth)] += 1
            return True

        return reorg

    async def _replace(self, depth: int, manner: _Manner, height: int, chance: random.Random) -> None:
        match manner:
            case _Manner.EMPTY:
                await self._chain.reorg(depth)
            case _Manner.SHIFTED:
                carried, revived = await self._carried(depth, height, chance)
                await self._chain.reorg(depth, carried)
                self.counts[REVIVED] += revived
            case _Manner.ROLLED_BACK:
                await self._chain.roll_back(depth)
                self.counts[ROLLED_BACK] += 1

    async def _carried(
        self, depth: int, height: int, chance: random.Random
    ) -> tuple[list[tuple[bytes, int]], int]:
        """What the new blocks hold, by their index, and how many of it are attempts that had lost before."""
        carried: list[tuple[bytes, int]] = []
        revived = 0
        for index in range(depth):
            block = await self._chain.rpc.ask("eth_getBlockByNumber", hex(height - depth + 1 + index), False)
            for hash_ in block["transactions"] if block is not None else ():
                raw = bytes.fromhex((await self._chain.rpc.ask("eth_getRawTransactionByHash", hash_))[2:])
                others = self._attempts.others(raw)
                if others:
                    raw = chance.choice(others)
                    revived += 1
                carried.append((raw, min(index + 1, depth - 1)))
        return carried, revived

    # ---- The rest

    async def _drop(self) -> bool:
        """One of those that wait in the pool."""
        pool = await self._chain.rpc.ask("txpool_content")
        waiting = [tx["hash"] for part in pool.values() for by_nonce in part.values() for tx in by_nonce.values()]
        if not waiting:
            return False
        hash_ = self._chance(f"drop {self.counts[DROPPED]}").choice(sorted(waiting))
        gone = await self._chain.rpc.ask("anvil_dropTransaction", hash_) is not None
        self.counts[DROPPED] += gone
        return gone

    async def _spike(self) -> bool:
        chance = self._chance(f"spike {self.counts[SPIKE]}")
        await self._chain.set_next_base_fee(chance.randint(*SPIKE_GWEI) * GWEI)
        until = self._heads.highest + chance.randint(*SPIKE_BLOCKS)
        while self._heads.highest < until:  # noqa: ASYNC110 - the chain sets the pace
            await asyncio.sleep(POOL_LOOK_S)
        await self._chain.set_next_base_fee(CALM_FEE_WEI)
        self.counts[SPIKE] += 1
        return True

    async def _pause(self) -> bool:
        chance = self._chance(f"pause {self.counts[PAUSED]}")
        await self._chain.pause()
        try:
            await asyncio.sleep(chance.uniform(*PAUSE_S))
        finally:
            await self._chain.resume(self._block_time_s)
        self.counts[PAUSED] += 1
        return True

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{self._seed} {what}")  # noqa: S311 - repeatable on purpose


async def _tried(trouble: Callable[[], Awaitable[bool]]) -> bool:
    """False where it could not be done now: the chain moved on between look and deed."""
    try:
        return await trouble()
    except (RpcRefused, aiohttp.ClientError, TimeoutError):
        return False

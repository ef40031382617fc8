"""What happens to the chain itself: reorgs, dropped transactions, base-fee spikes, a pause.

Owns      the loops, one for each kind, so that they overlap as they like; their seeded schedule.
Promises  no block is replaced that ever had `confirmations` blocks (itself counted): what the gateway calls final
          stays; a kind that could not be done is tried again, and counted only when done; each that was done is a
          line in a file.
Leaves    the controls to `testing.anvil`.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final, TextIO

import aiohttp

from headrace.app.chaos.heads import HeadView, check_links
from headrace.testing.anvil import Anvil
from headrace.testing.dealt_faults import Deck
from headrace.testing.rpc_client import RpcRefused

GWEI: Final = 10**9
DEPTHS: Final = (1, 2, 3, 4, 5)
TRY_AGAIN_S: Final = 0.1
STILL_S: Final = 0.1
PAUSE_S: Final = (1.5, 3.5)
SPIKE_GWEI: Final = (20, 120)  # under the ceiling of 300, with room for replacements
SPIKE_BLOCKS: Final = (2, 4)

DROPPED: Final = "transaction dropped from the pool"
SPIKE: Final = "base-fee spike"
PAUSED: Final = "chain paused"
ROLLED_BACK: Final = "chain rolled back"
REVIVED: Final = "old attempt brought back"

# Mean seconds between two of a kind in a run of a minute or more; in a shorter one they are closer together.
FULL_S: Final = 60.0
CLOSEST: Final = 0.35
EVERY_S: Final = {"reorg": 7.0, "drop": 3.0, "spike": 20.0, "pause": 22.0}


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
    """`others` knows the other attempts at a transaction's nonce. `seconds`: how long the troubles will go on; in
    a short run they are closer together. `counts` by kind."""

    def __init__(
        self,
        chain: Anvil,
        heads: HeadView,
        others: Callable[[bytes], Awaitable[list[bytes]]],
        *,
        block_time_s: int,
        confirmations: int,
        seconds: float,
        seed: int,
        log: TextIO,
    ) -> None:
        self._chain, self._heads, self._others = chain, heads, others
        self._block_time_s, self._confirmations, self._seed = block_time_s, confirmations, seed
        closer = min(max(seconds / FULL_S, CLOSEST), 1.0)
        self._every_s = {kind: every_s * closer for kind, every_s in EVERY_S.items()}
        self.counts: Counter[str] = Counter()
        self._log = log
        self._spiking = False
        self._fee_before_wei: int | None = None  # before the last spike
        self._mining = asyncio.Lock()  # whoever has it says whether anvil mines by itself

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
            await self._end_spike()

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
            async with self._mining:
                height = await self._heads.look()
                if height - depth <= self._heads.highest - self._confirmations:
                    return False  # after a rollback the chain must grow first
                await self._chain.pause()
                try:
                    height = await self._stand_still()
                    await self._replace(depth, manner, height, chance)
                    await check_links(self._chain, height - 2 * depth)
                    await self._end_spike()
                finally:
                    await self._chain.resume(self._block_time_s)
            planned.pop()
            self._done(reorg_of(depth), manner=manner.name.lower(), height=height)
            return True

        return reorg

    async def _stand_still(self) -> int:
        """The height of a chain that nothing is added to.

        A rollback while a block is being made loses blocks: the new one is put on top of those just taken away
        (anvil 1.7.1). A pause does not wait for a block that is being made; one that we ask for comes after it."""
        height = -1
        while height != self._heads.height:
            await self._chain.mine()
            height = await self._heads.look()
            await asyncio.sleep(STILL_S)
            await self._heads.look()
        return height

    async def _replace(self, depth: int, manner: _Manner, height: int, chance: random.Random) -> None:
        match manner:
            case _Manner.EMPTY:
                await self._chain.reorg(depth)
            case _Manner.SHIFTED:
                carried, revived = await self._carried(depth, height, chance)
                await self._chain.reorg(depth, carried)
                if revived:
                    self._done(REVIVED, transactions=revived)
            case _Manner.ROLLED_BACK:
                await self._chain.roll_back(depth)
                self._done(ROLLED_BACK, depth=depth)

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
                others = await self._others(raw)
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
        if gone:
            self._done(DROPPED, hash=hash_)
        return gone

    async def _spike(self) -> bool:
        chance = self._chance(f"spike {self.counts[SPIKE]}")
        gwei, blocks = chance.randint(*SPIKE_GWEI), chance.randint(*SPIKE_BLOCKS)
        self._fee_before_wei = await self._base_fee_wei()
        await self._chain.set_next_base_fee(gwei * GWEI)
        self._spiking = True
        try:
            await asyncio.sleep(blocks * self._block_time_s)
        finally:
            self._spiking = False
        await self._end_spike()
        self._done(SPIKE, gwei=gwei, blocks=blocks)
        return True

    async def _end_spike(self) -> None:
        """Unless one is on. Called after each reorg, too: the new blocks may stand on one of a spike, and as a
        base fee falls by an eighth a block, a spike of two blocks would become one of forty."""
        before_wei = self._fee_before_wei
        if not self._spiking and before_wei is not None and await self._base_fee_wei() > 2 * before_wei:
            await self._chain.set_next_base_fee(before_wei)

    async def _base_fee_wei(self) -> int:
        block = await self._chain.rpc.ask("eth_getBlockByNumber", "latest", False)
        return int(block["baseFeePerGas"], 16)

    async def _pause(self) -> bool:
        chance = self._chance(f"pause {self.counts[PAUSED]}")
        seconds = chance.uniform(*PAUSE_S)
        async with self._mining:
            await self._chain.pause()
            try:
                await asyncio.sleep(seconds)
            finally:
                await self._chain.resume(self._block_time_s)
        self._done(PAUSED, seconds=round(seconds, 1))
        return True

    def _done(self, kind: str, **details: object) -> None:
        self.counts[kind] += 1
        self._log.write(json.dumps({"at": round(time.time(), 3), "trouble": kind, **details}) + "\n")
        self._log.flush()

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{self._seed} {what}")  # noqa: S311 - repeatable on purpose


async def _tried(trouble: Callable[[], Awaitable[bool]]) -> bool:
    """False where it could not be done now: the chain moved on between look and deed."""
    try:
        return await trouble()
    except (RpcRefused, aiohttp.ClientError, TimeoutError):
        return False

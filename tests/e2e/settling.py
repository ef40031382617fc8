"""A settlement on a chain that stands still until the story moves it, before a node that fails, with a gateway
that is killed: what a story needs for that, and what the chain shows in the end.

The chain's own books are read by `chain_watch`, which shares no code with the gateway.
"""

import asyncio
import math
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from headrace.app.chain_watch.escrow_read import read_escrow
from headrace.app.chain_watch.escrow_record import EscrowRecord, LockSeen
from headrace.app.chaos.attempts import AttemptsSeen
from headrace.app.claims.stage import ClaimStage, StageOptions, open_claim_stage
from headrace.app.demo.access import NodeAccess
from headrace.app.demo.processes import Listening
from headrace.app.demo.run import CHAIN_ID, start_gateway
from headrace.app.demo.settlement.cast import MIN_DURATION_S, OUTSIDE, PRICES
from headrace.app.demo.settlement.contracts import UNIT
from headrace.app.demo.settlement.rest import JobsClient, Json
from headrace.chain.hexes import address_text
from headrace.testing.anvil import Anvil
from headrace.testing.dealt_faults import SENDS, DealtFaults, Deck
from headrace.testing.faults import AnswerHttp, Fault, Hang, LoseReply, PassOn, RpcRequest
from headrace.testing.strict_proxy import StrictProxy, start_strict_proxy

CONFIRMATIONS = 6
REQUEST_TIMEOUT_S = 1.0
PATIENCE_S = 60.0
LOOK_S = 0.2
SEND_S = 1.5  # a head is answered by sends at once
PAUSE_S = 1.0
# Room for about fifteen claims: a claim run takes several transactions, and some get lost while others land.
BLOCK_GAS = 1_000_000
LAG_S = 400  # of the chain at first: longer than a lock lives, so that those made then have expired when it ends
SELECTORS = {
    "lock": keccak(text="createLocks(uint256[],address[],address[],uint256[],uint256[])")[:4],
    "claim": keccak(text="claimLocks(uint256[],address[],address[],uint256[],bytes[])")[:4],
}
SETTLED = frozenset({"claimed", "released", "canceled", "no_lock"})


class End(Enum):
    """What must become of a job's lock."""

    CLAIMED = "claimed"
    RELEASED = "released"
    CANCELED = "canceled"


@dataclass(frozen=True)
class PaidJob:
    id: str
    payer: bytes
    cpus: int
    ran_s: float
    end: End

    @property
    def number(self) -> int:
        return int.from_bytes(sha256(self.id.encode()).digest())

    @property
    def owed(self) -> int:
        """Begun minutes, of no less than the least; in the token's smallest unit."""
        if self.end is not End.CLAIMED:
            return 0
        minutes = math.ceil(max(self.ran_s, MIN_DURATION_S) / 60)
        return math.ceil(Fraction(PRICES["cpu"]) * self.cpus * minutes * UNIT)

    def body(self, token: bytes) -> Mapping[str, Any]:
        return {
            "id": self.id,
            "owner": address_text(self.payer),
            "environment": OUTSIDE,
            "algorithm": {"image": "example.org/algorithms/mean:3"},
            "max_duration_s": 5 if self.end is End.CANCELED else 120,
            "payment": {
                "chain_id": CHAIN_ID,
                "token": address_text(token),
                "resources": {"cpu": str(self.cpus)},
            },
        }


class LossySends:
    """Sends that are told a lie more often than not; of other questions, one in thirty. All of it by seed."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        hang_s = 2 * REQUEST_TIMEOUT_S
        lies: list[Fault] = [LoseReply(), LoseReply(), Hang(hang_s, reaches_node=True), Hang(hang_s)]
        self._sends = Deck([*lies, AnswerHttp(502), PassOn(), PassOn()], chance)
        self._others = DealtFaults(seed, hang_s=hang_s, undisturbed_others=200)
        self.calm = self._others.calm = True

    def trouble(self, *, on: bool) -> None:
        self.calm = self._others.calm = not on

    def choose(self, request: RpcRequest) -> Fault:
        if not self.calm and request.method in SENDS:
            return self._sends.deal()
        return self._others.choose(request)

    def keep_notification(self, notification: bytes) -> bool:
        return self._others.keep_notification(notification)


@dataclass
class Story:
    """`stage` is real in all its parts; its gateway is whichever process is alive."""

    stage: ClaimStage
    client: JobsClient
    faults: LossySends
    proxy: StrictProxy
    attempts: AttemptsSeen
    lives: AsyncExitStack
    gateway: Listening
    kills: int = 0
    reorgs: list[tuple[str, int]] = field(default_factory=list)

    @property
    def chain(self) -> Anvil:
        return self.stage.chain

    # ---- The chain

    async def until(
        self, happened: Callable[[], Awaitable[bool]], what: str, *, block_every_s: float = LOOK_S
    ) -> None:
        """Looks again and again, with a new block now and then: a gateway that could not send waits for one."""
        begun_at = mined_at = time.monotonic()
        while not await happened():
            now = time.monotonic()
            assert now - begun_at < PATIENCE_S, f"{what}: not within {PATIENCE_S:g} s"
            if now - mined_at >= block_every_s:
                await self.chain.mine()
                mined_at = now
            await asyncio.sleep(LOOK_S)

    async def until_sent(self, what: str) -> None:
        """Until such a transaction waits in the pool, or was sent so late that the block took it."""

        async def sent() -> bool:
            return await self.in_pool(what) > 0 or bool(await self.in_blocks(what, 1))

        await self.until(sent, f"a {what} in the pool", block_every_s=SEND_S)

    async def in_pool(self, what: str) -> int:
        """Transactions of the lane that call so, and could be mined now."""
        content = await self.chain.rpc.ask("txpool_content")
        lane, selector = address_text(self.stage.payee).lower(), "0x" + SELECTORS[what].hex()
        of_lane = {sender.lower(): txs for sender, txs in content["pending"].items()}.get(lane, {})
        return sum(tx["input"].startswith(selector) for tx in of_lane.values())

    async def in_blocks(self, what: str, newest: int) -> list[int]:
        """Of the newest blocks, those that hold such transactions, as depths: 1 is the newest."""
        head, selector = await self.chain.height(), "0x" + SELECTORS[what].hex()
        asked = [("eth_getBlockByNumber", (hex(head - depth), True)) for depth in range(newest)]
        blocks = await self.chain.rpc.ask_all(asked)
        return [
            depth
            for depth, block in enumerate(blocks, start=1)
            if any(tx["input"].startswith(selector) for tx in block["transactions"])
        ]

    async def until_mined(self, what: str) -> None:
        """Until such a transaction is in the newest block."""

        async def mined() -> bool:
            return bool(await self.in_blocks(what, 1))

        await self.until(mined, f"a {what} in a block")

    async def reorg(self, depth: int, *, taking: str, carried: bool = False) -> None:
        """Replaces blocks that hold at least one such transaction. `carried`: the new ones hold them as well, a
        block later where there is one, and by another attempt where there was one; else they are empty."""
        assert depth < CONFIRMATIONS
        assert await self.in_blocks(taking, depth), f"no {taking} in the newest {depth} blocks"
        again: list[tuple[bytes, int]] = []
        if carried:
            head = await self.chain.height()
            for index in range(depth):
                block = await self.chain.rpc.ask("eth_getBlockByNumber", hex(head - depth + 1 + index), False)
                for hash_ in block["transactions"]:
                    raw = bytes.fromhex((await self.chain.rpc.ask("eth_getRawTransactionByHash", hash_))[2:])
                    lost = self.attempts.others(raw)
                    again.append((lost[0] if lost else raw, min(index + 1, depth - 1)))
        await self.chain.reorg(depth, again)
        self.reorgs.append((taking, depth))

    # ---- The gateway

    async def kill(self) -> None:
        os.kill(self.gateway.pid, signal.SIGKILL)
        await self.gateway.ended()
        self.kills += 1

    async def start_again(self) -> None:
        """On the same store, before the same failing node. It is ready when its transactions are mined: whoever
        asks it something before asks again."""
        self.gateway = await self.lives.enter_async_context(start_gateway(self.stage.scene, self.chain))

    # ---- The jobs

    async def ask_for(self, jobs: Sequence[PaidJob]) -> None:
        token = self.stage.contracts.token.address
        await asyncio.gather(*(self.client.start(job.body(token)) for job in jobs))

    async def all_are(self, jobs: Iterable[PaidJob], states: frozenset[str]) -> bool:
        told = await self.client.jobs()
        return all(told[job.id]["settlement"] in states for job in jobs)

    async def run(self, jobs: Iterable[PaidJob]) -> None:
        """What an engine elsewhere reports of them, from their beginning to their end."""
        await asyncio.gather(*(self._run_one(job) for job in jobs))

    async def _run_one(self, job: PaidJob) -> None:
        began = time.time() - 30
        await self.client.report(job.id, 20, at=began)
        if job.end is End.RELEASED:
            await self.client.report(job.id, 22, at=began, detail="no such image")
            return
        for status in (30, 40):
            await self.client.report(job.id, status, at=began)
        await self.client.report(job.id, 60, at=began + job.ran_s)
        await self.client.report(job.id, 71, at=began + job.ran_s, exit_code=0)

    async def settle_all(self, jobs: Sequence[PaidJob]) -> None:
        """Asks for a run whenever something is due, as an operator in a hurry would."""
        asked_at = -PAUSE_S

        async def settled() -> bool:
            nonlocal asked_at
            told = await self.client.jobs()
            states = {told[job.id]["settlement"] for job in jobs}
            if "due" in states and time.monotonic() - asked_at >= PAUSE_S:
                await self.client.claim_now()
                asked_at = time.monotonic()
            return states <= SETTLED

        await self.until(settled, "settlement of all")

    async def told(self, jobs: Iterable[PaidJob]) -> dict[str, tuple[Json, Json]]:
        """Each job and its settlement, by id."""
        found = await self.client.jobs()
        return {job.id: (found[job.id], await self.client.settlement(job.id)) for job in jobs}


@asynccontextmanager
async def open_story(base: Path, *, payers: int, seed: int) -> AsyncIterator[Story]:
    faults, attempts, proxies = LossySends(seed), AttemptsSeen(), []

    @asynccontextmanager
    async def access(chain: Anvil) -> AsyncIterator[NodeAccess]:
        async with start_strict_proxy(chain.http_url, chain.ws_url, faults=attempts.noting(faults)) as proxy:
            proxies.append(proxy)
            yield NodeAccess(http=(proxy.http_url,), ws=proxy.ws_url)

    options = StageOptions(
        payers=payers,
        confirmations=CONFIRMATIONS,
        lag_s=LAG_S,
        singles=0,
        tuning={
            "chains.local": {"request_timeout_s": REQUEST_TIMEOUT_S, "poll_interval_s": 0.2},
            # Whoever waits for a block is asked to pay more soon: several attempts of one nonce are the rule.
            "batch_submitter": {"receipt_timeout_s": 2, "flush": "interval", "batch_interval_ms": 100},
        },
    )
    async with (
        open_claim_stage(options, base=base, say=lambda text: None, now=time.time(), open_access=access) as stage,
        JobsClient(stage.gateway.url) as client,
        AsyncExitStack() as lives,
    ):
        await stage.chain.pause()
        await stage.chain.set_block_gas_limit(BLOCK_GAS)
        await stage.chain.mine(CONFIRMATIONS)
        story = Story(stage, client, faults, proxies[0], attempts, lives, stage.gateway)
        try:
            yield story
        except BaseException:
            # What the gateway said is what one wants to know of a failed run.
            os.write(2, stage.scene.log("gateway").read_bytes()[-20_000:])
            raise


async def record_of(stage: ClaimStage) -> EscrowRecord:
    return await read_escrow(
        stage.chain.http_url,
        stage.escrow.address,
        tokens=[stage.contracts.token.address],
        collector=stage.contracts.collector,
        from_block=stage.escrow.block,
    )


def locks_of(record: EscrowRecord, job: PaidJob, *, payee: bytes) -> list[LockSeen]:
    """All that the chain ever had of it."""
    return [lock for lock in record.locks if (lock.payee, lock.payer, lock.job) == (payee, job.payer, job.number)]

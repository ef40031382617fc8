"""The world of one run: a chain with its node, a gateway that lives and dies in it, clients, a witness.

Owns      what one run consists of, and the rules by which time passes and blocks come.
Promises  deterministic: the same profile and the same steps give the same world, to the last byte.
Leaves    what happens to the steps, what must hold to the invariants.
"""

import asyncio
import sqlite3
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from engine.tapped import Crashed
from headrace.chain.signing import LocalSigner
from headrace.core.errors import FixTheRequest, OtherContent, TryLater
from headrace.core.operation import Operation
from headrace.core.ports import BatchNews, News, OperationNews
from headrace.core.words import BatchId, Fees, Nonce
from headrace.store.connection import connect
from headrace.testing.builders import fake_task_chain
from headrace.testing.clock import HandClock, settle
from headrace.testing.fake_node import FakeNode
from headrace.testing.keys import keys_from_seed
from headrace.testing.node_faults import NoNodeFaults
from headrace.testing.raw_transaction import read_transaction
from sim.contracts import BURNER, give_moods
from sim.heads import HeadLine
from sim.holding import Moment, hold
from sim.process import Process
from sim.profile import GWEI, Profile
from sim.wishes import Wish, Wishes
from sim.witness import Violation, Witness

BLOCK_S: Final = 12.0
RICH_WEI: Final = 10**24
KEYS: Final = keys_from_seed(11, 4)
STRANGER_KEY: Final = KEYS[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """`other`: it was asked with other content. `known`: it had been acknowledged before. `told`: in a word."""

    wish: Wish
    other: bool
    known: bool
    told: str


@dataclass(slots=True)
class Weather:
    """What the next blocks are like. `price_wei` holds for `pricey` blocks; `censored` ones take nothing of
    ours."""

    pricey: int = 0
    price_wei: int = 0
    censored: int = 0
    full: int = 0

    @property
    def fair(self) -> bool:
        return not (self.pricey or self.censored or self.full)


class World:
    def __init__(self, profile: Profile, folder: Path, *, seed: int, only: str | None = None) -> None:
        """`only`: the one invariant that is looked at (all, if None)."""
        self.profile, self.path = profile, folder / "store.db"
        self._only = only
        self.clock = HandClock()
        self.signers = [LocalSigner(key.secret) for key in KEYS[: profile.lanes]]
        self.stranger = LocalSigner(STRANGER_KEY.secret)
        self.lanes = tuple(signer.address for signer in self.signers)
        self.contracts = fake_task_chain(self.lanes, now=self.clock.now)
        self.moods = give_moods(self.contracts, profile.windows)
        self.chain = self.contracts.chain
        self.contracts.registry.generators.add(self.stranger.address)
        self.chain.set_balance(self.stranger.address, RICH_WEI)
        self.node = FakeNode(self.chain, remembers_uncled=profile.remembers_uncled)
        self.heads = HeadLine(self.chain)
        self.witness = Witness(self.chain, self.lanes, profile.confirmations)
        self.wishes = Wishes(seed, profile.windows)
        self.weather = Weather()
        self.process: Process | None = None
        self.violations: list[Violation] = []
        self.trace: list[str] = []
        self.poor: set[bytes] = set()
        self.stuck_blocks: dict[bytes, int] = {}
        self._highest: list[tuple[float, int]] = []  # when the chain first was so high
        self.deaths = 0
        self.longest_block_s, self._newest_at = 2 * BLOCK_S, self.clock.now()
        self._db: sqlite3.Connection | None = None
        self._made_batches = 0
        for _ in range(3):
            self.clock.advance(BLOCK_S)
            self.mine()

    # ---- The process

    async def begin(self) -> None:
        assert self.process is None
        self.process = Process(
            self.profile,
            path=self.path,
            clock=self.clock,
            node=self.node,
            heads=self.heads.follow(),
            signers=self.signers,
            seen_by_node=self._seen_by_node,
            settling=lambda final: self._hold("settling", final),
            announce=self._heard,
        )
        await settle()

    async def die(self) -> None:
        """As by SIGKILL."""
        if self.process is not None:
            await self.process.kill()
            self.process = None
            self.deaths += 1
            self.witness.mined_told.clear()  # who listened has lost its connection

    async def close(self) -> None:
        await self.die()
        if self._db is not None:
            self._db.close()

    def next_batch(self) -> BatchId:
        self._made_batches += 1
        return BatchId(f"batch{self._made_batches:06d}")

    @property
    def db(self) -> sqlite3.Connection:
        """A reader beside the gateway: sees what is committed."""
        if self._db is None:
            self._db = connect(self.path, read_only=True)
        return self._db

    # ---- Time and blocks

    async def pass_time(self, seconds: float) -> None:
        await self.clock.run(seconds)

    async def block(self, after_s: float = BLOCK_S) -> None:
        """The coming block, at its time."""
        await self.clock.run(after_s)
        self.mine()
        await settle()

    def mine(self) -> None:
        """One block, as the weather is. Not a moment passes."""
        weather = self.weather
        if weather.pricey:
            weather.pricey -= 1
            self.chain.set_next_base_fee(weather.price_wei)
        self.node.deliver()
        include = []
        if weather.full:
            weather.full -= 1
            include = [self._filler()]
        fair = self._is_fair()
        spent = {lane: self.chain.world.nonce(lane) for lane in self.lanes}
        self.chain.mine(include=include, from_pool=not weather.censored)
        weather.censored = max(0, weather.censored - 1)
        self._changed()
        if fair:
            self._count_stuck(spent)

    def reorg(self, depth: int, **how: Any) -> None:
        self.witness.undo(depth, {wish.subject for wish in self.wishes.all})
        self.chain.reorg(depth, **how)
        self._changed()

    def include(self, *raws: bytes) -> bool:
        """A block that begins with these. False where they cannot be mined now."""
        try:
            self.chain.mine(include=raws)
        except ValueError:
            return False
        self._changed()
        return True

    def _changed(self) -> None:
        self.witness.saw_block()
        number, now = self.chain.head.number, self.clock.now()
        self.longest_block_s = max(self.longest_block_s, now - self._newest_at)
        self._newest_at = now
        if not self._highest or number > self._highest[-1][1]:
            self._highest.append((self.clock.now(), number))

    def highest_at(self, moment: float) -> int:
        """The highest block that the chain had had by then."""
        return max((number for at, number in self._highest if at <= moment), default=0)

    def _is_fair(self) -> bool:
        """Whether a gateway that does its work would get its next transaction into the coming block."""
        process, head = self.process, self.chain.head
        return (
            process is not None
            and process.up
            and not process.dead
            and isinstance(self.node.faults, NoNodeFaults)
            and self.heads.deaf_for == 0
            and self.weather.fair
            and head.base_fee_wei <= 2 * GWEI
            and all(self.chain.world.balance(lane) > GWEI * 10**12 for lane in self.lanes)
        )

    def _count_stuck(self, spent: dict[Any, Nonce]) -> None:
        for lane, nonce in spent.items():
            waits = self.db.execute(
                "SELECT 1 FROM transactions WHERE lane = ? AND nonce >= ? AND state = 'in_flight' LIMIT 1",
                (lane, nonce),
            ).fetchone()
            moved = self.chain.world.nonce(lane) > nonce
            self.stuck_blocks[lane] = 0 if moved or waits is None else self.stuck_blocks.get(lane, 0) + 1

    def _filler(self) -> bytes:
        return self.stranger.sign(
            chain=self.chain.id,
            nonce=self.chain.world.nonce(self.stranger.address),
            to=BURNER,
            data=b"",
            gas_limit=self.chain.gas_limit - 30_000,
            fees=Fees(max_fee_wei=10**13, tip_wei=1),
        ).raw

    def strange(self, to: Any, data: bytes) -> bytes:
        """A stranger's own transaction."""
        return self.stranger.sign(
            chain=self.chain.id,
            nonce=self.chain.world.nonce(self.stranger.address),
            to=to,
            data=data,
            gas_limit=2_000_000,
            fees=Fees(max_fee_wei=10**13, tip_wei=GWEI),
        ).raw

    def foreign(self, lane: LocalSigner, nonce: Nonce, chance: Random) -> bytes:
        """Somebody else has our key, and does nothing with it."""
        fees = Fees(max_fee_wei=10**12 + chance.randrange(1000), tip_wei=2 * GWEI)
        return lane.sign_no_op(chain=self.chain.id, nonce=nonce, fees=fees).raw

    # ---- Clients

    async def ask(self, wish: Wish, operation: Operation | None = None) -> str:
        """Offers it to the gateway. What the client is told, in a word."""
        process = self.process
        if process is None or not process.up:
            return "nobody there"
        other = operation is not None
        known = wish.acknowledged
        answer = process.do(process.intake.admit(operation or wish.operation))
        await settle()
        error = answer.exception() if answer.done() else Crashed()
        if isinstance(error, Crashed):
            return "no answer"
        if error is not None and not isinstance(error, OtherContent | TryLater | FixTheRequest):
            raise error
        told = answer.result().name if error is None else type(error).__name__
        self._hold("answered", Answered(wish=wish, other=other, known=known, told=told))
        if error is None and not other:
            wish.acknowledged = True
        return str(told)

    async def cancel(self, wish: Wish) -> None:
        process = self.process
        if process is None or not process.up:
            return
        wish.cancelled = True  # whether it was in time, the client may never hear
        answer = process.do(process.store.cancel(wish.id, now=self.clock.now()))
        await settle()
        if not process.dead and answer.done() and answer.exception() is None:
            for ending in answer.result():
                self._ended(ending.operation, ending.outcome.value)

    async def by_hand(self, what: Coroutine[Any, Any, Any]) -> None:
        """What a person does with a lane; refusals are answers too."""
        assert self.process is not None
        answer = self.process.do(what)
        await settle()
        error = answer.exception() if answer.done() else None
        if error is not None and not isinstance(error, FixTheRequest | TryLater | Crashed):
            raise error

    async def resume_lanes(self) -> None:
        if self.process is not None and self.process.up:
            for lane in self.process.engine.lanes:
                await self.by_hand(lane.by_hand.resume())

    # ---- What must hold

    def _hold(self, moment: Moment, about: Any) -> None:
        self.violations += hold(moment, self, about, only=self._only)

    async def look(self) -> None:
        """After each step. Raises Violation."""
        if self.process is not None and self.process.dead:
            await self.die()
        self._hold("step", None)
        if self.violations:
            raise self.violations[0]

    def look_at_the_end(self) -> None:
        self._hold("end", None)
        if self.violations:
            raise self.violations[0]

    def _seen_by_node(self, raw: bytes) -> None:
        transaction = read_transaction(raw)
        self._hold("sent", transaction)
        of_nonce = self.witness.seen.setdefault((transaction.sender, transaction.nonce), [])
        if all(transaction.hash != other.hash for other in of_nonce):
            of_nonce.append(transaction)

    def _heard(self, news: News) -> None:
        match news:
            case OperationNews(operation=id, what="done", outcome=outcome):
                assert outcome is not None
                self._ended(id, outcome.value)
                self.trace.append(f"{id} {outcome.value}: {news.reason}")
            case OperationNews(operation=id, reason=reason):
                self.trace.append(f"{id} returns: {reason}")
            case BatchNews(what=what, batch=batch, nonce=nonce):
                self.trace.append(f"lane {self.lanes.index(news.lane)} nonce {nonce} {what} in {news.block}")
                if what == "mined":
                    assert news.block is not None
                    self.witness.mined_told[batch] = (news.transaction, news.block)
                elif what in ("retracted", "settled"):
                    self.witness.mined_told.pop(batch, None)
            case _:
                pass

    def _ended(self, id: str, outcome: str) -> None:
        wish = self.wishes.by_id(id)
        assert wish is not None, id
        wish.outcomes.append(outcome)

    # ---- The calm at the end

    async def calm_down(self) -> None:
        """Faults stop. What is broken by people stays broken only where it is an operation's own fault."""
        self.node.faults = NoNodeFaults()
        self.heads.deaf_for = 0
        self.weather = Weather()
        self.contracts.batch.callers = frozenset(self.lanes)
        for lane in self.lanes:
            self.chain.set_balance(lane, RICH_WEI)
        self.poor.clear()
        if self.process is not None:
            self.process.doors.clear()
        else:
            await self.begin()
        if self.chain.head.base_fee_wei > 2 * GWEI:
            self.chain.set_next_base_fee(GWEI)

    def unfinished(self) -> list[str]:
        """But for those whose task a reorg deeper than final touched: they may wait until their own deadline."""
        return [id for id, subject in self._open() if subject not in self.witness.undone]

    def waiting_for_what_is_undone(self) -> bool:
        return any(subject in self.witness.undone for _, subject in self._open())

    def _open(self) -> list[tuple[str, bytes]]:
        rows = self.db.execute("SELECT id, subject FROM operations WHERE outcome IS NULL")
        return [(row["id"], row["subject"]) for row in rows]

    @property
    def idle(self) -> bool:
        process = self.process
        if process is None or not process.up or self.unfinished():
            return False
        return not any(lane.runner.unsettled() for lane in process.engine.lanes)

    def count_tasks(self) -> int:
        return len(asyncio.all_tasks())

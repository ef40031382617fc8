"""A settlement service on a real chain: anvil, the compiled contracts, the real engine and store; no doors.

Chain and clock run together, several times faster than life: a block for each second of the clock, until a test
holds them, or jumps.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.app.engine_room import EngineRoom, build_engine
from headrace.app.settings import Settings
from headrace.app.settlement_part import SettlementPart, open_settlement
from headrace.chain.artifacts import load
from headrace.chain.deploying import Deployer
from headrace.chain.deployments import Deployed, Deployment
from headrace.chain.endpoints import Endpoints
from headrace.chain.heads import Heads
from headrace.chain.hexes import address_text
from headrace.chain.node import RpcNode
from headrace.chain.reverts import Errors
from headrace.chain.signing import LocalSigner
from headrace.core.job import Job, JobId, JobStatus
from headrace.core.ports import Announce
from headrace.core.ports.compute import Report
from headrace.core.ports.settling import JobWish, PaymentWish
from headrace.core.settlement import Claimed, SettlementState
from headrace.core.words import Address, ChainId, OperationId, Outcome
from headrace.engine.intake import Intake
from headrace.jobs.life import JobLife
from headrace.jobs.service import SettlementService
from headrace.store import SqliteStore, open_store
from headrace.testing.anvil import Anvil, start_anvil
from headrace.workloads.escrow import calldata
from headrace.workloads.escrow.lock_state import LiveLock, live_locks

SPEED = 10
UNIT = 10**6
CONFIRMATIONS = 3
FEE = 10**15  # of 1e18: 0.1 %
COLLECTOR = Address(b"\xcc" * 20)


class FastClock:
    """Implements core.ports.Clock: `SPEED` times faster than life; jumps when it is told to."""

    def __init__(self) -> None:
        self._start = time.time()
        self._at = time.monotonic()
        self._jumped = 0.0

    def now(self) -> float:
        return self._start + (time.monotonic() - self._at) * SPEED + self._jumped

    def jump(self, seconds: float) -> None:
        self._jumped += seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0) / SPEED)


@dataclass
class Running:
    """One life of the service: from its start until it is stopped, or killed."""

    store: SqliteStore
    service: SettlementService
    life: JobLife
    engine: EngineRoom
    node: RpcNode


@dataclass
class World:
    anvil: Anvil
    clock: FastClock
    token: Address
    escrow: Deployed
    router: Address
    lane: LocalSigner
    path: Path
    mining: asyncio.Event = field(default_factory=asyncio.Event)
    settings: dict[str, Any] = field(default_factory=dict)

    # ---- Chain

    async def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            latest = await self.anvil.rpc.ask("eth_getBlockByNumber", "latest", False)
            at = max(int(self.clock.now()), int(latest["timestamp"], 16) + 1)
            await self.anvil.set_next_timestamp(at)
            await self.anvil.rpc.ask("evm_mine")

    async def keep_mining(self) -> None:
        while True:
            await self.mining.wait()
            latest = await self.anvil.rpc.ask("eth_getBlockByNumber", "latest", False)
            if int(self.clock.now()) > int(latest["timestamp"], 16):
                await self.mine()
            await asyncio.sleep(0.5 / SPEED)

    async def send_as(self, who: Address, to: Address, data: bytes) -> dict[str, Any]:
        """From an account that has no key here. Mined when it returns."""
        hash = await self.anvil.rpc.ask(
            "eth_sendTransaction",
            {"from": "0x" + who.hex(), "to": "0x" + to.hex(), "data": "0x" + data.hex(), "gas": hex(3_000_000)},
        )
        if not self.mining.is_set():
            await self.mine()
        receipt: dict[str, Any] | None = None
        while receipt is None:
            receipt = await self.anvil.rpc.ask("eth_getTransactionReceipt", hash)
            await asyncio.sleep(0.01)
        return receipt

    async def as_escrow(self, who: Address, function: str, *args: object) -> None:
        data = load("IEscrow").abi.function(function).encode(*args)
        assert (await self.send_as(who, self.escrow.address, data))["status"] == "0x1", function

    async def payer(self, number: int, *, funds: int = 1000 * UNIT, locks: int = 1000) -> Address:
        """Has deposited and authorised the lane."""
        address = Address(number.to_bytes(20, "big"))
        await self.anvil.set_balance(address, 10**18)
        token = load("TestToken").abi
        mint = token.function("mint").encode(address_text(address), funds)
        await self.send_as(address, self.token, mint)
        approve = token.function("approve").encode(address_text(self.escrow.address), funds)
        await self.send_as(address, self.token, approve)
        await self.as_escrow(address, "deposit", address_text(self.token), funds)
        await self.as_escrow(
            address,
            "authorize",
            address_text(self.token),
            address_text(self.lane.address),
            funds,
            10**6,
            locks,
        )
        return address

    async def funds(self, who: Address) -> tuple[int, int]:
        """Available, locked."""
        data = calldata.get_user_funds(who, self.token)
        answer = await self.anvil.rpc.ask(
            "eth_call", {"to": "0x" + self.escrow.address.hex(), "data": "0x" + data.hex()}, "latest"
        )
        return int(answer[2:66], 16), int(answer[66:130], 16)

    async def balance(self, who: Address) -> int:
        data = load("TestToken").abi.function("balanceOf").encode(address_text(who))
        answer = await self.anvil.rpc.ask(
            "eth_call", {"to": "0x" + self.token.hex(), "data": "0x" + data.hex()}, "latest"
        )
        return int(answer, 16)

    async def locks(self) -> list[LiveLock]:
        data = calldata.get_locks_of(self.lane.address)
        answer = await self.anvil.rpc.ask(
            "eth_call", {"to": "0x" + self.escrow.address.hex(), "data": "0x" + data.hex()}, "latest"
        )
        return live_locks(bytes.fromhex(answer[2:]), payee=self.lane.address)

    def node(self) -> RpcNode:
        """To be closed by who asks for it."""
        return RpcNode(Endpoints([self.anvil.http_url], clock=self.clock, timeout_s=5))

    async def final(self) -> None:
        """What is on chain now is final when this returns."""
        wanted = await self.anvil.height() + CONFIRMATIONS
        while await self.anvil.height() < wanted:
            if not self.mining.is_set():
                await self.mine()
            await asyncio.sleep(0.05 / SPEED)

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """The node takes connections and does not answer."""
        self.mining.clear()
        os.kill(self.anvil.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.anvil.pid, signal.SIGCONT)
            self.mining.set()

    async def own_deposit(self, amount: int) -> None:
        """The payee's own money, before any life of the service: its nonces are the service's own then."""
        lane, token = self.lane.address, load("TestToken").abi
        await self.send_as(lane, self.token, token.function("mint").encode(address_text(lane), amount))
        approve = token.function("approve").encode(address_text(self.escrow.address), amount)
        await self.send_as(lane, self.token, approve)
        await self.as_escrow(lane, "deposit", address_text(self.token), amount)

    # ---- The service

    @asynccontextmanager
    async def running(self, *, tolerant: bool = False, **settlement: Any) -> AsyncIterator[Running]:
        """Leaving it is as a kill to the store: nothing is tidied up that a crash would leave. `tolerant`: its
        loops may have died."""
        settings = self._settings(self.anvil.http_url, settlement)
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(open_store(self.path / "headrace.db", clock=self.clock))
            node = RpcNode(Endpoints(settings.chain.http, clock=self.clock, timeout_s=3))
            stack.push_async_callback(node.close)
            part = await self._part(settings, node)
            heads = Heads(node, clock=self.clock, poll_every_s=0.5, quiet_s=60, websocket=None)
            stack.push_async_callback(heads.close)
            listeners: list[Announce] = []
            engine = build_engine(
                settings,
                store=store,
                node=node,
                heads=aiter(heads),
                signers=[self.lane],
                workloads=[part.workload],
                clock=self.clock,
                announce=lambda news: [listener(news) for listener in listeners] and None,
            )
            intake = Intake(
                store=store, noticed=engine.noticed, backlog=engine.backlog, waiting_max=1000, backlog_max=10_000
            )
            service, doors = part.open(store=store, intake=intake, room=engine, clock=self.clock)
            listeners.append(service.hear)
            await service.take_up()
            await engine.restart()
            loops = [
                intake.run(),
                engine.watcher.run(),
                service.run(),
                *(lane.packer.run() for lane in engine.lanes),
            ]
            tasks = [asyncio.create_task(loop) for loop in loops]
            life = doors.book
            assert isinstance(life, JobLife)
            try:
                yield Running(store, service, life, engine, node)
                for task in tasks:
                    assert tolerant or not task.done(), task.exception()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _part(self, settings: Settings, node: RpcNode) -> SettlementPart:
        deployment = Deployment(chain=ChainId(31337), env="test", contracts={"Escrow": self.escrow})
        read_revert = Errors.of().decode
        return await open_settlement(settings, deployment, node=node, signers=[self.lane], read_revert=read_revert)

    def _settings(self, http: str, settlement: dict[str, Any]) -> Settings:
        environment = {
            "id": "small",
            "min_duration_s": 60,
            "max_duration_s": 600,
            "queue_max_wait_s": 60,
            "free_max_duration_s": 60,
            "resources": {"cpu": "4"},
            "prices": [{"token": "0x" + self.token.hex(), "per_minute": {"cpu": "1"}}],
        }
        return Settings.model_validate(
            {
                "chains": {
                    "local": {
                        "chain_id": 31337,
                        "http": [http],
                        "deployment": "none.json",
                        "confirmations": CONFIRMATIONS,
                        "poll_interval_s": 0.5,
                    }
                },
                "lanes": [{"chain": "local", "key_env": "NOT_READ"}],
                "batch_submitter": {"receipt_timeout_s": 20},
                "settlement": {"payment_claim_initial_delay_s": 3000, "environments": [environment]} | settlement,
            }
        )


@asynccontextmanager
async def a_world(path: Path, *, contract: str = "Escrow", fee: int = FEE) -> AsyncIterator[World]:
    async with start_anvil(block_time_s=0) as anvil:
        clock = FastClock()
        node = RpcNode(Endpoints([anvil.http_url], clock=clock))
        owner = LocalSigner(anvil.keys[0].secret)
        deployer = Deployer(node, owner, chain=anvil.chain, clock=clock, poll_every_s=0.1)
        token = await deployer.deploy(load("TestToken"), "Dollar", "USD", 6)
        router = await deployer.deploy(load("TestFeeRouter"), fee, address_text(COLLECTOR))
        escrow = await deployer.deploy(load(contract), address_text(router.address), address_text(COLLECTOR))
        await node.close()
        await anvil.rpc.ask("anvil_autoImpersonateAccount", True)
        lane = LocalSigner(anvil.keys[1].secret)
        await anvil.pause()
        world = World(anvil, clock, token.address, escrow, router.address, lane, path)
        await world.mine(CONFIRMATIONS)
        world.mining.set()
        mining = asyncio.create_task(world.keep_mining())
        try:
            yield world
            assert not mining.done(), mining.exception()
        finally:
            mining.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await mining


# ---- What tests do with it


def wish(world: World, payer: Address, id: str, **more: Any) -> JobWish:
    payment = PaymentWish(chain=ChainId(31337), token=world.token, resources={"cpu": "1"})
    fields: dict[str, Any] = {"id": JobId(id), "max_duration_s": 120, "payment": payment}
    return JobWish(owner=payer, environment="small", algorithm=b"x", **(fields | more))


async def until(what: str, holds: Callable[[], Awaitable[Any]], *, within_s: float = 12.0) -> Any:
    """Real seconds."""
    try:
        async with asyncio.timeout(within_s):
            while not (found := await holds()):  # noqa: ASYNC110 - the chain tells nobody
                await asyncio.sleep(0.02)
            return found
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None


async def in_state(running: Running, state: SettlementState, *ids: str, within_s: float = 12.0) -> list[Job]:
    async def all_there() -> list[Job] | None:
        jobs = [await running.store.job(JobId(id)) for id in ids]
        return [j for j in jobs if j] if all(j is not None and j.settlement.state is state for j in jobs) else None

    found: list[Job] = await until(f"{ids} are {state.value}", all_there, within_s=within_s)
    return found


async def locked(running: Running, world: World, payer: Address, *ids: str, **more: Any) -> list[Job]:
    for id in ids:
        await running.service.start(wish(world, payer, id, **more))
    return await in_state(running, SettlementState.UNSETTLED, *ids)


async def ran(running: Running, world: World, *ids: str, seconds: float = 61, end: int = 71) -> None:
    """Each job has run for so long; then it is due."""
    now = world.clock.now()
    for id in ids:
        for status, at in ((20, now), (30, now), (40, now)):
            await running.life.report(Report(job=JobId(id), status=JobStatus(status), at=at), now=now + seconds)
        ways = (41,) if end == 41 else (60, end)
        for status in ways:
            await running.life.report(
                Report(job=JobId(id), status=JobStatus(status), at=now + seconds), now=now + seconds
            )


def withdrawal_of(world: World, job: Job) -> str:
    assert isinstance(job.settlement, Claimed)
    return f"withdraw/{job.settlement.proof.transaction.hex()}/{world.token.hex()}"


async def outcome(running: Running, operation: str) -> Outcome | None:
    account = await running.store.account(OperationId(operation))
    return None if account is None else account.outcome

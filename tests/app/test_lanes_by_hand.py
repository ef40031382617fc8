"""Two lanes of a real engine over a real store and a fake chain, handled through the operator's socket."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.gateway import open_gateway, until
from headrace.api.control import control_app
from headrace.api.rpc import Rpc
from headrace.api.server import GatewayServer
from headrace.api.services import Limits
from headrace.api.topics import Topics
from headrace.app.control_client import call_gateway
from headrace.app.control_socket import control_listener
from headrace.app.drain_wait import until_drained
from headrace.app.engine_room import EngineRoom, build_engine
from headrace.app.held import Held
from headrace.app.lane_office import LaneOffice
from headrace.app.lanes_at_rest import lanes_at_rest
from headrace.app.settings import Settings, load_settings
from headrace.chain.artifacts import load
from headrace.chain.reverts import Errors
from headrace.chain.signing import LocalSigner
from headrace.core.errors import FixTheRequest, NeedsOperator
from headrace.core.words import ChainId, Nonce
from headrace.engine.intake import Intake
from headrace.store import SqliteStore, open_store
from headrace.testing.builders import BATCH_TASK_MANAGER, CHAIN, TASK_MANAGER, Builder, TaskChain, fake_task_chain
from headrace.testing.clock import HandClock
from headrace.testing.fake_node import FakeNode
from headrace.testing.keys import keys_from_seed
from headrace.workloads.tasks.workload import TaskContracts, Tasks
from store.made import in_flight

KEYS = keys_from_seed(11, 2)
ONE, OTHER = (f"0x{key.address.hex()}" for key in KEYS)
SETTINGS = """
[chains.local]
chain_id = %d
http = ["http://127.0.0.1:1"]
deployment = "x.json"
confirmations = 2
[[lanes]]
chain = "local"
key_env = "A"
[[lanes]]
chain = "local"
key_env = "B"
"""


@dataclass
class House:
    settings: Settings
    engine: EngineRoom
    store: SqliteStore
    contracts: TaskChain
    clock: HandClock

    async def call(self, method: str, **params: object) -> Mapping[str, Any]:
        return await call_gateway(self.settings.control_socket, method, params)

    async def lane(self, name: str) -> Mapping[str, Any]:
        return next(lane for lane in (await self.call("headrace_lanes"))["lanes"] if lane["lane"] == name)

    def hindrances(self) -> list[str]:
        """But for those of the watcher's loop, which does not run here."""
        return [reason for reason in self.engine.hindrances() if reason != self.engine.watcher.trouble]

    async def mine(self) -> None:
        self.clock.advance(12)
        self.contracts.chain.mine()
        await self.engine.watcher.saw(self.contracts.chain.head)

    async def under_way(self) -> None:
        """A batch in flight, on the first lane."""
        await self.store.add_operations([Builder(1).operation()])
        await self.engine.lanes[0].packer.recount()
        await self.engine.lanes[0].packer._flush()
        assert self.engine.lanes[0].runner.unsettled() == 1


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    file = tmp_path / "headrace.toml"
    file.write_text(SETTINGS % CHAIN)
    settings, clock = load_settings(file, {}), HandClock()
    contracts = fake_task_chain([key.address for key in KEYS], now=clock.now, block_time_s=12)
    for _ in range(3):
        clock.advance(12)
        contracts.chain.mine()
    node = FakeNode(contracts.chain)
    errors = Errors.of(load("TaskManager").abi, load("BatchTaskManager").abi)
    targets = TaskContracts(task_manager=TASK_MANAGER, batch=BATCH_TASK_MANAGER, item_gas=450_000)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.store.path, clock=clock))
        engine = build_engine(
            settings,
            store=store,
            node=node,
            heads=node.heads(),
            signers=[LocalSigner(key.secret) for key in KEYS],
            workloads=[Tasks(targets, read_revert=errors.decode)],
            clock=clock,
            announce=lambda news: None,
        )
        await engine.restart()
        await engine.watcher.saw(contracts.chain.head)
        office = LaneOffice(engine=engine, reader=store, chain=CHAIN)
        intake = Intake(
            store=store, noticed=engine.noticed, backlog=engine.backlog, waiting_max=10, backlog_max=10
        )
        rpc = Rpc({}, Limits())
        held = Held(engine=engine, intake=intake, topics=Topics(), rpc=rpc, desk=None, tasks=None)
        listener = stack.enter_context(control_listener(settings.control_socket))
        server = GatewayServer(control_app(office, Limits(), held=held), grace_s=1)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started or serving.done())
            yield House(settings, engine, store, contracts, clock)
        finally:
            server.stop()
            await serving


async def test_what_a_gateway_holds_is_counted_by_part_and_is_nothing_when_all_is_final(house: House) -> None:
    assert set((await house.call("headrace_memory"))["under_way"].values()) == {0}
    await house.under_way()
    held = await house.call("headrace_memory")
    assert {name: count for name, count in held["under_way"].items() if count} == {
        "lanes transactions": 1,
        "lanes attempts": 1,
        "lanes operations": 1,
    }
    assert held["process"]["memory_blocks"] > 0
    blocks_before = held["kept"]["blocks"]
    for _ in range(4):
        await house.mine()
    held = await house.call("headrace_memory")
    assert set(held["under_way"].values()) == {0}
    assert held["kept"]["blocks"] == blocks_before + 4


async def test_every_lane_is_listed_from_the_start_with_what_the_chain_has_of_it(house: House) -> None:
    await house.under_way()
    one, other = await house.lane(ONE), await house.lane(OTHER)
    assert (one["state"], one["next_nonce"], one["in_flight"]) == ("active", 1, 1)
    assert (one["chain_latest_nonce"], one["chain_pending_nonce"]) == (0, 1)
    assert (other["state"], other["next_nonce"], other["drained_at"]) == ("active", 0, None)
    assert int(other["balance_wei"]) > 0


async def test_a_drained_lane_leaves_queue_and_block_to_the_others_and_hinders_only_when_it_is_the_last(
    house: House,
) -> None:
    first, second = house.engine.lanes
    assert (await house.call("headrace_drainLane", lane=ONE))["changed"] is True
    assert (await house.call("headrace_drainLane", lane=ONE))["changed"] is False
    assert "was drained by the operator" in (await house.lane(ONE))["help_wanted"]
    assert house.hindrances() == []
    assert second.room.free_gas() == int(house.contracts.chain.head.gas_limit * house.settings.chain.block_share)

    await house.store.add_operations([Builder(1).operation()])
    for lane in (first, second):
        await lane.packer.recount()
        await lane.packer._flush()
    assert (first.runner.unsettled(), second.runner.unsettled()) == (0, 1)

    await house.call("headrace_drainLane", lane=OTHER)
    assert [ONE in reason or OTHER in reason for reason in house.hindrances()] == [True, True]
    assert (await house.lane(OTHER))["state"] == "draining"
    await house.call("headrace_resumeLane", lane=ONE)
    assert house.hindrances() == []


async def test_a_lane_that_was_drained_before_a_start_leaves_its_share_from_the_start(house: House) -> None:
    first, second = house.engine.lanes
    await house.store.drain(chain=CHAIN, lane=KEYS[0].address, now=house.clock.now())
    await house.engine.restart()
    assert "was drained by the operator" in (first.packer.hindrance or "")
    assert second.packer.hindrance is None
    assert second.room.free_gas() == int(house.contracts.chain.head.gas_limit * house.settings.chain.block_share)


async def test_waiting_for_a_drain_ends_when_nothing_is_under_way_and_tells_what_is_left(house: House) -> None:
    await house.under_way()
    lane = KEYS[0].address
    await house.call("headrace_drainLane", lane=ONE)
    left = await until_drained(house.settings, lane, timeout_s=0.05)
    assert left is not None and "1 in flight, 0 mined and not final" in left
    waiting = asyncio.create_task(until_drained(house.settings, lane, timeout_s=60))
    for _ in range(3):
        await house.mine()
    assert await waiting is None
    await house.call("headrace_resumeLane", lane=ONE)
    assert "was resumed meanwhile" in (await until_drained(house.settings, lane, timeout_s=60) or "")


async def test_a_transaction_is_cancelled_by_its_nonce_or_by_any_of_its_hashes(house: House) -> None:
    await house.under_way()
    entry = await house.store.ledger_entry(lane=KEYS[0].address, nonce=0)  # type: ignore[arg-type]
    assert entry is not None
    attempt = entry.transaction.attempts[0]  # type: ignore[union-attr]
    first = await house.call("headrace_cancelTransaction", transaction=f"0x{attempt.hash.hex()}")
    assert (first["lane"], first["nonce"], first["operations"], first["then"]) == (ONE, 0, 1, "return")
    again = await house.call("headrace_cancelTransaction", lane=ONE, nonce="0x0", end=True)
    assert (again["no_op"], again["then"]) == (first["no_op"], "end")


async def test_a_hash_of_another_chain_does_not_cancel_what_has_its_nonce_here(house: House) -> None:
    await house.under_way()
    elsewhere = in_flight(0, batch=None)
    await house.store.seal(
        elsewhere, chain=ChainId(CHAIN + 1), lane=KEYS[0].address, workload="tasks", form="", operations=()
    )
    with pytest.raises(FixTheRequest, match=f"is of chain {CHAIN + 1}, and this gateway's is {CHAIN}"):
        await house.call("headrace_cancelTransaction", transaction=f"0x{elsewhere.attempts[0].hash.hex()}")
    trip = house.engine.lanes[0].runner.trip_at(Nonce(0))
    assert trip is not None
    assert trip.in_flight.cancelled is None


@pytest.mark.parametrize(
    ("method", "params", "says"),
    [
        ("headrace_drainLane", {}, "lane: is missing"),
        ("headrace_drainLane", {"lane": "0x12"}, "is not a 20-byte address"),
        ("headrace_drainLane", {"lane": ONE, "x": 1}, "x: is no field here"),
        ("headrace_resumeLane", {"lane": "0x" + "22" * 20}, f"is no lane here; there are {ONE}, {OTHER}"),
        ("headrace_adoptLane", {"lane": ONE}, "nonce: is missing"),
        ("headrace_adoptLane", {"lane": ONE, "nonce": -1}, "is not within 0"),
        ("headrace_adoptLane", {"lane": ONE, "nonce": 2**63}, "is not within 0"),
        ("headrace_adoptLane", {"lane": ONE, "nonce": 0, "fill_gap": 1}, "is neither true nor false"),
        ("headrace_cancelTransaction", {"lane": ONE}, "nonce: is missing"),
        ("headrace_cancelTransaction", {"transaction": "0x11"}, "has 1 bytes, not 32"),
        (
            "headrace_cancelTransaction",
            {"transaction": "0x" + "11" * 32, "nonce": 1},
            "name either it, or",
        ),
    ],
)
async def test_what_is_asked_for_wrongly_is_told_by_field(
    house: House, method: str, params: Mapping[str, object], says: str
) -> None:
    with pytest.raises(FixTheRequest, match=says.replace("(", r"\(")) as refused:
        await house.call(method, **params)
    assert "field" in refused.value.data


async def test_clients_have_none_of_it(tmp_path: Path) -> None:
    async with open_gateway(tmp_path) as gateway:
        for what in ("drainLane", "resumeLane", "cancelTransaction", "adoptLane"):
            error = await gateway.error(f"headrace_{what}", {"lane": ONE})
            assert "is unknown; there are newt_createTask" in error["message"]


async def test_while_somebody_holds_the_store_nothing_is_done_to_it_from_the_side(house: House) -> None:
    with pytest.raises(NeedsOperator, match=r"is in use by process \d+, and no gateway answers at"):
        async with lanes_at_rest(house.settings):
            pass

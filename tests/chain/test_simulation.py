"""Several calls in one question: on a real node, and the answers of nodes that anvil never gives."""

from collections.abc import Sequence

import pytest

from chain.conftest import BURNS_GAS, INVALID, REVERTS_EMPTY, REVERTS_WITH_BLOCK, TELLS_BLOCK, Anvil, RealClock
from chain.misbehaving import Misbehaving, Plan
from chain.test_receipts import BLOCK
from headrace.chain import simulation
from headrace.chain.endpoints import Endpoints
from headrace.chain.hexes import Malformed
from headrace.chain.node import RpcNode
from headrace.core.ports import Call, Ran, Returned, Reverted
from headrace.core.words import Address, BlockNumber
from headrace.testing.clock import HandClock
from headrace.testing.strict_proxy import start_strict_proxy

SENDER = Address(b"\x11" * 20)
COUNTER = Address(b"\xcc" * 20)
MISSING: Plan = {"error": {"code": -32601, "message": "the method does not exist/is not available"}}
BUSY: Plan = {"error": {"code": -38026, "message": "too many blocks"}}
HEAD = {**BLOCK, "number": "0x9", "timestamp": "0x64"}
PASSED = [{"returnData": f"0x{n:064x}", "gasUsed": "0x5208", "status": "0x1", "logs": []} for n in (0, 10)]


async def in_turn(node: RpcNode, to: Sequence[Address]) -> Sequence[Ran] | None:
    head = await node.head()
    return await node.run_in_turn(
        [Call(address, b"") for address in to],
        sender=SENDER,
        gas=1_000_000,
        in_block=BlockNumber(head.number + 1),
        timestamp=head.timestamp + 12,
    )


# ---- On a real node


async def test_each_call_is_told_apart_in_the_block_that_is_aimed_at(node: RpcNode) -> None:
    head = await node.head()
    words = (head.number + 1).to_bytes(32) + (head.timestamp + 12).to_bytes(32)
    ran = await in_turn(node, [TELLS_BLOCK, REVERTS_WITH_BLOCK, INVALID, REVERTS_EMPTY, BURNS_GAS, TELLS_BLOCK])
    assert ran is not None
    results = [run.result for run in ran]
    assert results == [
        Returned(words),
        Reverted(words),
        Reverted(b""),
        Reverted(b""),
        Reverted(b""),
        Returned(words),
    ]
    gas = [run.gas_used for run in ran]
    assert gas[2] == gas[4] == 1_000_000, "what halts has burned all it was given"
    assert 21_000 < gas[0] == gas[5] < 22_000


async def test_a_call_sees_what_those_before_it_did_and_the_chain_sees_nothing(
    node: RpcNode, endpoints: Endpoints
) -> None:
    counts = "6000546001018060005560005260206000f3"  # adds one to slot 0 and returns it
    await endpoints.ask("anvil_setCode", "0x" + COUNTER.hex(), "0x" + counts)
    for _ in range(2):
        ran = await in_turn(node, [COUNTER, REVERTS_EMPTY, COUNTER])
        assert ran is not None
        assert [r.result for r in ran] == [Returned((1).to_bytes(32)), Reverted(b""), Returned((2).to_bytes(32))]


async def test_the_strict_proxy_lets_it_through(anvil: Anvil, endpoints: Endpoints) -> None:
    async with start_strict_proxy(anvil.http, anvil.ws) as proxy:
        through = Endpoints([proxy.http_url], clock=RealClock())
        ran = await in_turn(RpcNode(through), [REVERTS_WITH_BLOCK])
        await through.close()
    assert ran is not None
    assert isinstance(ran[0].result, Reverted)
    assert len(ran[0].result.data) == 64


# ---- Answers of other nodes


def answer(*calls: object) -> list[object]:
    return [{"number": "0xa", "calls": list(calls)}]


def test_geths_form_has_the_revert_data_beside_its_error() -> None:
    reverted = {
        "returnData": "0x",
        "logs": [],
        "gasUsed": "0x5300",
        "status": "0x0",
        "error": {"code": 3, "message": "execution reverted", "data": "0x2e98c533"},
    }
    died = {**reverted, "error": {"code": -32015, "message": "out of gas"}}
    assert simulation.read_answer(answer(reverted, died), count=2) == [
        Ran(Reverted(bytes.fromhex("2e98c533")), 0x5300),
        Ran(Reverted(b""), 0x5300),
    ]


GOOD = {"returnData": "0x01", "gasUsed": "0x5208", "status": "0x1"}


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        [],
        [*answer(GOOD), *answer(GOOD)],
        [7],
        [{"calls": None}],
        answer(),
        answer(GOOD, GOOD),
        answer(None),
        answer("0x01"),
        answer({**GOOD, "status": "0x2"}),
        answer({**GOOD, "status": None}),
        answer({**GOOD, "gasUsed": -1}),
        answer({**GOOD, "returnData": "01"}),
        answer({**GOOD, "returnData": None}),
        answer({**GOOD, "status": "0x0", "error": {"data": {}}}),
        answer({**GOOD, "status": "0x0", "error": "no"}),
    ],
)
def test_what_is_not_exactly_an_answer_is_not_half_read(given: object) -> None:
    with pytest.raises(Malformed):
        simulation.read_answer(given, count=1)


def on(*servers: Misbehaving) -> tuple[RpcNode, Endpoints]:
    endpoints = Endpoints([server.url for server in servers], clock=HandClock(), timeout_s=5)
    return RpcNode(endpoints), endpoints


async def test_a_node_without_it_is_asked_once() -> None:
    async with Misbehaving({"result": HEAD}, MISSING, {"result": HEAD}) as server:
        node, endpoints = on(server)
        assert await in_turn_at(node) is None
        assert await in_turn_at(node) is None
        assert server.asked.count("eth_simulateV1") == 1
        await endpoints.close()


async def test_a_node_that_does_not_run_them_on_top_of_each_other_is_not_used() -> None:
    alone = [PASSED[0], PASSED[0]]
    async with Misbehaving({"result": HEAD}, {"result": answer(*alone)}) as server:
        node, endpoints = on(server)
        assert await node.can_run_in_turn() is False
        await endpoints.close()


async def test_one_that_cannot_this_time_is_asked_again_the_next_time() -> None:
    probed: Plan = {"result": answer(*PASSED)}
    async with Misbehaving({"result": HEAD}, probed, BUSY, {"result": answer(GOOD)}) as server:
        node, endpoints = on(server)
        assert await in_turn_at(node) is None
        assert await in_turn_at(node) == [Ran(Returned(b"\x01"), 21_000)]
        await endpoints.close()


@pytest.mark.parametrize("later", [MISSING, {"result": [{"calls": []}]}])
async def test_one_that_loses_it_later_is_not_asked_again(later: Plan) -> None:
    async with Misbehaving({"result": HEAD}, {"result": answer(*PASSED)}, later) as server:
        node, endpoints = on(server)
        assert await in_turn_at(node) is None
        assert await in_turn_at(node) is None
        assert server.asked.count("eth_simulateV1") == 2, "the probe, and the one that showed it"
        await endpoints.close()


async def test_where_only_the_second_endpoint_has_it_that_one_is_asked() -> None:
    probed: Plan = {"result": answer(*PASSED)}
    lacking = Misbehaving({"result": HEAD}, MISSING)
    async with lacking as first, Misbehaving(probed, {"result": answer(GOOD)}) as second:
        node, endpoints = on(first, second)
        for _ in range(2):
            assert await in_turn_at(node) == [Ran(Returned(b"\x01"), 21_000)]
        assert first.asked.count("eth_simulateV1") == 1, "an endpoint's lack is remembered"
        await endpoints.close()


async def in_turn_at(node: RpcNode) -> Sequence[Ran] | None:
    return await node.run_in_turn(
        [Call(COUNTER, b"")], sender=SENDER, gas=100_000, in_block=BlockNumber(10), timestamp=112
    )

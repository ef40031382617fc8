import time

from app.load.gateway import Answer, stand_in
from headrace.app.load.endings import SaidEnding, ask_endings
from headrace.app.load.gateway_calls import GatewayCalls
from headrace.testing.clock import HandClock


async def test_endings_are_asked_for_in_batches_until_all_are_known_or_time_is_up() -> None:
    clock = HandClock(0.0)

    def answer(operation_id: str, attempt: int) -> Answer:
        number = int(operation_id[3:])
        if number == 0 and clock.now() < 1.0:
            return {"result": {"operation_id": operation_id, "state": "queued", "outcome": None, "revert": None}}
        if number == 1:
            return {"result": {"operation_id": operation_id, "state": "sent", "outcome": None, "revert": None}}
        if number == 2:
            return {"error": {"code": -32602, "message": "unknown operation_id"}}
        revert = {"selector": "0x2c7ca6d7", "name": "InterfaceNotSupported", "args": {}}
        return {"result": {"operation_id": operation_id, "outcome": "rejected", "revert": revert}}

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)

    ids = [f"op-{n}" for n in range(250)]
    async with stand_in(answer) as gateway, GatewayCalls(gateway.url, clock=clock.now) as client:
        endings = await ask_endings(client, ids, until_s=5.0, clock=clock.now, sleep=sleep)
    assert set(ids) - set(endings) == {"op-1", "op-2"}
    assert endings["op-0"] == SaidEnding("rejected", "InterfaceNotSupported")
    assert clock.now() <= 5.0


async def test_an_ending_says_in_which_batch_it_travelled_and_when_it_did_what() -> None:
    def answer(operation_id: str, attempt: int) -> Answer:
        times = {"received": 1.0, "batched": 2.5, "sent": 2.6, "mined": 4.0, "done": 8.0}
        ride = {"hash": "0x01", "batch_id": "b-1", "index": 0}
        return {"result": {"outcome": "landed", "revert": None, "transaction": ride, "times": times}}

    async with stand_in(answer) as gateway, GatewayCalls(gateway.url, clock=time.monotonic) as client:
        endings = await ask_endings(client, ["op-1"], until_s=0.0, clock=time.monotonic)
    told = {"received_at": 1.0, "batched_at": 2.5, "sent_at": 2.6, "mined_at": 4.0, "ended_at": 8.0}
    assert endings == {"op-1": SaidEnding("landed", None, batch="b-1", **told)}


async def test_a_gateway_that_is_gone_leaves_them_unknown() -> None:
    async with GatewayCalls("http://127.0.0.1:1/rpc", clock=time.monotonic) as client:
        assert await ask_endings(client, ["op-1"], until_s=0.0, clock=time.monotonic) == {}

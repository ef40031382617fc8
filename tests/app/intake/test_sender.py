"""The sender against a real gateway on a socket: what it calls acknowledged is stored, what is refused is told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.gateway import CHAIN, Gateway, open_gateway, serve
from headrace.app.intake.kept import kept_of, payload_bytes
from headrace.app.intake.sender import Order, send
from headrace.app.intake.submissions import OWN_BYTES


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with open_gateway(tmp_path) as opened:
        yield opened


def order(address: tuple[str, int], **changes: object) -> Order:
    values = {
        "url": f"http://{address[0]}:{address[1]}",
        "chain": CHAIN,
        "client": b"\x07" * 20,
        "block": 100,
        "kind": "create",
        "own_bytes": OWN_BYTES,
        "run": 4,
        "seed": 0,
        "connections": 3,
        "seconds": 0.2,
    }
    return Order(**(values | changes))  # type: ignore[arg-type]


async def test_in_a_closed_loop_each_connection_asks_again_when_it_is_answered(gateway: Gateway) -> None:
    async with serve(gateway.app) as address:
        sent = await send(order(address))
    assert sent.operations == sent.acknowledged == len(sent.latencies_s) >= 3
    assert sent.refusals == [] and sent.hung_up == 0
    kept = kept_of(gateway.file, [(4, sent)])
    assert (kept.stored, kept.lost, kept.unasked) == (sent.operations, 0, 0)
    assert abs(payload_bytes(gateway.file) - 1024) < 32, "1 KB, as the bench says"


async def test_in_an_open_loop_as_many_are_asked_for_as_the_rate_says(gateway: Gateway) -> None:
    async with serve(gateway.app) as address:
        sent = await send(order(address, rate_per_s=100.0))
    assert sent.operations == sent.acknowledged == 20
    assert gateway.stored() == (0, 20)


async def test_a_batch_counts_for_all_its_calls(gateway: Gateway) -> None:
    async with serve(gateway.app) as address:
        sent = await send(order(address, together=7, connections=1))
    assert sent.operations == sent.acknowledged == 7 * len(sent.latencies_s)


async def test_a_refusal_is_no_acknowledgement(tmp_path: Path) -> None:
    async with open_gateway(tmp_path) as gateway:
        gateway.full = True
        async with serve(gateway.app) as address:
            sent = await send(order(address))
        assert sent.acknowledged == 0 and sent.acknowledged_in_time == 0
        assert "wait to be batched" in sent.refusals[0]
        assert kept_of(gateway.file, [(4, sent)]).stored == 0


async def test_what_was_asked_for_twice_is_no_second_operation(gateway: Gateway) -> None:
    async with serve(gateway.app) as address:
        first = await send(order(address, rate_per_s=100.0))
        again = await send(order(address, rate_per_s=100.0))
    kept = kept_of(gateway.file, [(4, first), (4, again)])
    assert kept.stored == kept.acknowledged == 20
    assert kept_of(gateway.file, []).unasked == 20

"""Four operators behind real HTTP services, one aggregator: what the gateway does for every task."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from headrace.operators.aggregator import Aggregator, Certificate, NoQuorum, Refusal
from headrace.operators.http_client import HttpOperator
from headrace.operators.service import operator_app
from headrace.testing.clock import HandClock
from operators.builders import (
    CHAIN,
    FORBIDDEN,
    TASK_MANAGER,
    address_of,
    make_member,
    make_operator,
    make_task,
    serve,
)

DEADLINE_S = 30.0


@pytest.fixture
async def aggregator() -> AsyncIterator[Aggregator]:
    async with AsyncExitStack() as stack:
        members = []
        for index in range(4):
            url = await stack.enter_async_context(serve(operator_app(make_operator(index))))
            client = HttpOperator(url, chain=CHAIN, task_manager=TASK_MANAGER)
            members.append(make_member(index, await stack.enter_async_context(client)))
        aggregator = Aggregator(members, chain=CHAIN, task_manager=TASK_MANAGER, clock=HandClock(), slots_max=500)
        stack.callback(aggregator.close)
        yield aggregator
        assert aggregator.slots_in_use == 0


async def collect(aggregator: Aggregator, number: int, **changes: object) -> Certificate | Refusal:
    deadline = aggregator._clock.now() + DEADLINE_S
    return await aggregator.collect(make_task(number, **changes), deadline=deadline)  # type: ignore[arg-type]


async def test_hundreds_of_tasks_at_once_each_get_their_own_end(aggregator: Aggregator) -> None:
    numbers = range(1, 201)
    ends = await asyncio.gather(
        *(collect(aggregator, n, **({"to": FORBIDDEN} if n % 10 == 0 else {})) for n in numbers)
    )
    for number, end in zip(numbers, ends, strict=True):
        if number % 10 == 0:
            assert isinstance(end, Refusal)
        else:
            assert isinstance(end, Certificate)
            assert end.response.task_id == number.to_bytes(32, "big")
    assert aggregator.offences == {}


async def test_one_operator_down_costs_nothing_and_two_cost_the_quorum(aggregator: Aggregator) -> None:
    clients = [member.client for member in aggregator.members]
    assert all(isinstance(client, HttpOperator) for client in clients)
    await clients[3].aclose()  # type: ignore[attr-defined]
    certificate = await collect(aggregator, 1)
    assert isinstance(certificate, Certificate)
    assert certificate.non_signers == (address_of(3),)
    await clients[2].aclose()  # type: ignore[attr-defined]
    with pytest.raises(NoQuorum) as none:
        await collect(aggregator, 2)
    assert {error.operator: error.retryable for error in none.value.operator_errors} == {
        address_of(2): True,
        address_of(3): True,
    }

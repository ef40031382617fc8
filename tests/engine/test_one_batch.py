"""The way of a batch when nothing goes wrong."""

from pathlib import Path
from typing import Any

from engine.world import LANE, Settings, open_world
from headrace.core.words import Outcome


async def test_a_batch_is_simulated_sealed_sent_mined_and_settled_with_what_landed(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        operations = [world.made.operation() for _ in range(5)]
        await world.add(*operations)
        await world.flush()
        assert await world.stage(operations[0]) == "sealed"
        assert len(world.chain.pool) == 1

        await world.mine()
        assert (await world.account(operations[0])).state.value == "mined"
        assert await world.outcomes(operations) == {None}
        await world.mine(2)

        assert await world.outcomes(operations) == {Outcome.LANDED}
        assert world.gateway.lane.unsettled() == 0
        assert world.sent_nonces() == [0]
        assert [len(world.told(what)) for what in ("batched", "sent", "mined", "settled")] == [1, 1, 1, 1]
        assert {n.operation for n in world.told("done")} == {o.id for o in operations}


async def test_an_attempt_is_saved_before_a_node_sees_it_and_outcomes_with_the_final_state(tmp_path: Path) -> None:
    journal: list[str] = []

    def listen(when: str, what: str, args: tuple[Any, ...]) -> None:
        if (when, what) in (("after", "seal"), ("before", "send"), ("after", "record"), ("after", "settle")):
            journal.append(what)

    async with open_world(tmp_path, tap=listen) as world:
        await world.add(world.made.operation())
        await world.flush()
        await world.mine(3)
    assert journal == ["seal", "send", "record", "record", "settle"]  # sent, mined, final


async def test_several_transactions_are_in_flight_at_once_with_nonces_in_order(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=Settings(most=2, in_flight_max=3)) as world:
        operations = [world.made.operation() for _ in range(8)]
        await world.add(*operations)
        await world.flush()
        assert world.gateway.lane.free_transactions() == 0
        assert await world.stage(operations[7]) == "queued"
        assert [t.nonce for t in world.chain.pool] == [0, 1, 2]

        await world.finish()
        assert world.sent_nonces() == [0, 1, 2, 3]
        assert await world.outcomes(operations) == {Outcome.LANDED}


async def test_the_lane_learns_what_its_batches_cost(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.add(*(world.made.operation() for _ in range(3)))
        await world.finish()
        book = world.gateway.gas_book.of(world.gateway.workload, "create_and_respond")
        assert len(book.samples) == 1
        assert world.chain.world.nonce(LANE) == 1

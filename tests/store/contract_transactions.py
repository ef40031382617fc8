"""The ledger of a lane: sealed, recorded, settled, and nothing forgotten."""

from dataclasses import replace

import pytest

from headrace.core.ports import NonceUsed, NotClaimed, Note
from headrace.core.transaction import Settled, Taken, Void
from headrace.core.words import Address, BlockNumber, ChainId, Nonce, OperationId, Outcome, Purpose
from store.made import (
    CHAIN,
    LANE,
    NOW,
    OTHER_LANE,
    Store,
    account,
    an_operation,
    claim,
    ended,
    in_flight,
    landed,
    mined,
    record,
    replaced,
    returned,
    seal,
    sealed,
    settle,
    stages,
)


class TransactionsContract:
    async def test_nonces_come_from_the_ledger(self, store: Store) -> None:
        assert await store.next_nonce(chain=CHAIN, lane=LANE) == 0
        await sealed(store, 0, "a")
        await sealed(store, 1, "b")
        assert await store.next_nonce(chain=CHAIN, lane=LANE) == 2
        assert await store.next_nonce(chain=CHAIN, lane=OTHER_LANE) == 0
        assert await store.next_nonce(chain=ChainId(1), lane=LANE) == 0

    async def test_an_adopted_start_only_ever_rises(self, store: Store) -> None:
        for start, following in ((7, 7), (3, 7), (9, 9)):
            await store.adopt(chain=CHAIN, lane=LANE, start=Nonce(start), now=NOW)
            assert await store.next_nonce(chain=CHAIN, lane=LANE) == following
        await sealed(store, 9, "a")
        await store.adopt(chain=CHAIN, lane=LANE, start=Nonce(10), now=NOW)
        assert await store.next_nonce(chain=CHAIN, lane=LANE) == 10

    async def test_a_sealed_batch_keeps_its_order(self, store: Store) -> None:
        await store.add_operations([an_operation(id) for id in "abc"])
        await claim(store)
        await seal(store, in_flight(0), ["c", "a", "b"])
        [voyage] = await store.unsettled(chain=CHAIN, lane=LANE)
        assert voyage.transaction == in_flight(0)
        assert (voyage.workload, voyage.form) == ("tasks", "create")
        assert [operation.id for operation in voyage.operations] == ["c", "a", "b"]
        assert voyage.operations[1] == an_operation("a")
        for index, id in enumerate("cab"):
            ride = (await account(store, id)).ride
            assert ride is not None and (ride.index, ride.batch, ride.nonce) == (index, "batch-0", 0)

    async def test_a_nonce_has_one_owner(self, store: Store) -> None:
        await sealed(store, 0, "a")
        await store.add_operations([an_operation("b")])
        await claim(store)
        with pytest.raises(NonceUsed, match="nonce 0"):
            await seal(store, in_flight(0, batch="other"), ["b"])
        assert await stages(store, "b") == ["claimed"]
        await seal(store, in_flight(1), ["b"])

    @pytest.mark.parametrize("thief", ["queued", "other lane", "sealed", "done", "unknown"])
    async def test_only_what_this_lane_claimed_is_sealed(self, store: Store, thief: str) -> None:
        await store.add_operations([an_operation(id) for id in ("mine", "other lane", "sealed", "done", "queued")])
        await claim(store, 1)
        await claim(store, 1, lane=OTHER_LANE)
        assert await claim(store, 2) == ["sealed", "done"]
        await seal(store, in_flight(0), ["sealed"])
        await store.judge([ended("done", Outcome.REJECTED)], [], now=NOW)
        with pytest.raises(NotClaimed):
            await seal(store, in_flight(1), ["mine", thief], notes=[Note(subject="mine", text="lost")])
        assert await store.next_nonce(chain=CHAIN, lane=LANE) == 1
        assert await stages(store, "mine") == ["claimed"]
        assert await store.lines("mine") == []
        await seal(store, in_flight(1), ["mine"])

    async def test_the_same_operation_twice_is_not_sealed(self, store: Store) -> None:
        await store.add_operations([an_operation("a")])
        await claim(store)
        with pytest.raises(NotClaimed):
            await seal(store, in_flight(0), ["a", "a"])

    async def test_a_no_op_carries_nothing(self, store: Store) -> None:
        filler = in_flight(0, batch=None)
        await seal(store, filler, [])
        [voyage] = await store.unsettled(chain=CHAIN, lane=LANE)
        assert voyage.transaction == filler and list(voyage.operations) == []
        await record(store, mined(filler))
        await settle(store, Settled(mined=mined(filler)))
        assert await store.unsettled(chain=CHAIN, lane=LANE) == []

    async def test_no_attempt_is_ever_forgotten(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        thrice = replaced(replaced(replace(first, sent_at=NOW + 1)), purpose=Purpose.NO_OP)
        await record(store, thrice)
        [voyage] = await store.unsettled(chain=CHAIN, lane=LANE)
        assert voyage.transaction == thrice
        with pytest.raises(AssertionError):
            await record(store, first)
        [voyage] = await store.unsettled(chain=CHAIN, lane=LANE)
        assert voyage.transaction == thrice

    async def test_what_was_sealed_never_changes(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        for other in (
            replace(first, batch=None),
            replace(first, gas_limit=5),
            replace(first, sealed_at=first.sealed_at + 1),
            replace(first, attempts=in_flight(1).attempts),
        ):
            with pytest.raises(AssertionError):
                await record(store, other)

    async def test_every_state_that_is_not_final_comes_back_lowest_nonce_first(self, store: Store) -> None:
        flying = await sealed(store, 0, "a")
        on_chain = mined(await sealed(store, 1, "b", "c"))
        stolen = Taken(in_flight=await sealed(store, 2, "d"), since=BlockNumber(5))
        await record(store, stolen)
        await record(store, on_chain)
        voyages = await store.unsettled(chain=CHAIN, lane=LANE)
        assert [voyage.transaction for voyage in voyages] == [flying, on_chain, stolen]
        assert [[o.id for o in voyage.operations] for voyage in voyages] == [["a"], ["b", "c"], ["d"]]
        assert await store.unsettled(chain=CHAIN, lane=OTHER_LANE) == []

    async def test_settled_and_void_are_final(self, store: Store) -> None:
        first, second = await sealed(store, 0, "a"), await sealed(store, 1, "b")
        await settle(store, Settled(mined=mined(first)), endings=landed("a"))
        await settle(store, Void(in_flight=second), returns=[returned("b")])
        assert await store.unsettled(chain=CHAIN, lane=LANE) == []
        for transaction in (first, second, mined(first)):
            with pytest.raises(AssertionError, match="final"):
                await record(store, transaction)
        assert await store.next_nonce(chain=CHAIN, lane=LANE) == 2

    async def test_settling_twice_writes_once(self, store: Store) -> None:
        final = Settled(mined=mined(await sealed(store, 0, "a")))
        assert await settle(store, final, endings=landed("a")) == landed("a")
        assert await settle(store, final, endings=landed("a")) == []
        with pytest.raises(AssertionError, match="final"):
            await settle(store, Void(in_flight=final.mined.in_flight), returns=[returned("a")])

    async def test_only_settling_makes_final(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        for final in (Settled(mined=mined(first)), Void(in_flight=first)):
            with pytest.raises(AssertionError, match="final"):
                await record(store, final)

    async def test_no_operation_is_left_behind_in_a_final_transaction(self, store: Store) -> None:
        final = Settled(mined=mined(await sealed(store, 0, "a", "b")))
        with pytest.raises(AssertionError, match="'b'"):
            await settle(store, final, endings=landed("a"))
        assert await stages(store, "a", "b") == ["sealed", "sealed"]
        assert len(await store.unsettled(chain=CHAIN, lane=LANE)) == 1

    async def test_an_unknown_nonce_is_named(self, store: Store) -> None:
        with pytest.raises(KeyError, match="nonce 5"):
            await record(store, in_flight(5))

    async def test_a_returned_operation_rides_again(self, store: Store) -> None:
        first = await sealed(store, 0, "a", "b")
        await settle(store, Void(in_flight=first), returns=[returned("b"), returned("a")])
        assert await claim(store) == ["a", "b"]
        await seal(store, in_flight(1), ["b"])
        ride = (await account(store, "b")).ride
        assert ride is not None and (ride.batch, ride.index) == ("batch-1", 0)
        entry = await store.ledger_entry(lane=LANE, nonce=Nonce(0))
        assert entry is not None and list(entry.operations) == ["a", "b"]  # what was sealed stays written

    async def test_an_operation_may_end_while_it_rides(self, store: Store) -> None:
        first = await sealed(store, 0, "a", "b")
        await store.judge([ended("a", Outcome.ALREADY_DONE)], [], now=NOW)
        [voyage] = await store.unsettled(chain=CHAIN, lane=LANE)
        assert [operation.id for operation in voyage.operations] == ["a", "b"]
        assert await settle(store, Settled(mined=mined(first)), endings=landed("a", "b")) == landed("b")

    async def test_a_batch_returns_only_what_still_rides_in_it(self, store: Store) -> None:
        first = await sealed(store, 0, "a", "b")
        # The one exception of the rules: the target refuses a repeat, so it may travel again at once.
        await store.judge([], [returned("a")], now=NOW)
        assert await claim(store) == ["a"]
        await seal(store, in_flight(1), ["a"])
        await settle(store, Void(in_flight=first), returns=[returned("a"), returned("b")])
        assert await stages(store, "a", "b") == ["sealed", "queued"]

    async def test_a_batch_that_landed_ends_even_what_rides_elsewhere_by_now(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        await store.judge([], [returned("a")], now=NOW)
        await claim(store)
        second = in_flight(1)
        await seal(store, second, ["a"])
        assert await settle(store, Settled(mined=mined(first)), endings=landed("a")) == landed("a")
        assert await settle(store, Settled(mined=mined(second)), endings=[ended("a", Outcome.ALREADY_DONE)]) == []

    async def test_notes_are_saved_with_every_step(self, store: Store) -> None:
        await store.add_operations([an_operation("a")])
        await claim(store)
        first = in_flight(0, sealed_at=NOW + 1)
        story = "0x01/0"
        await seal(
            store, first, ["a"], notes=[Note(subject=story, text="sealed"), Note(subject="a", text="rides")]
        )
        await record(store, mined(first), notes=[Note(subject=story, text="mined")])
        await settle(
            store, Settled(mined=mined(first)), endings=landed("a"), notes=[Note(subject=story, text="end")]
        )
        assert [line.text for line in await store.lines(story)] == ["sealed", "mined", "end"]
        assert [line.at for line in await store.lines(story)] == [NOW + 1, NOW, NOW]
        assert [line.text for line in await store.lines("a")] == ["rides"]

    async def test_claims_of_a_sealed_batch_are_not_released(self, store: Store) -> None:
        await sealed(store, 0, "a")
        assert await store.release_claims(chain=CHAIN, lane=LANE) == 0
        await store.release([OperationId("a")])
        assert await stages(store, "a") == ["sealed"]

    async def test_lanes_that_nobody_serves_any_more_are_found_by_their_work(self, store: Store) -> None:
        assert await store.foreign_lanes(chain=CHAIN, lanes=[LANE]) == []
        first = await sealed(store, 0, "a")
        await store.add_operations([an_operation("b"), an_operation("c", chain=ChainId(1))])
        assert await claim(store, lane=OTHER_LANE) == ["b"]
        await store.claim_ready(chain=ChainId(1), lane=LANE, workload="tasks", most=1, now=NOW)
        claiming = [(CHAIN, OTHER_LANE, 0, 0), (ChainId(1), LANE, 0, 0)]
        riding = (CHAIN, LANE, 1, 0)
        assert await foreign(store, LANE, OTHER_LANE) == claiming[1:]
        assert await foreign(store, LANE) == sorted(claiming)
        assert await foreign(store) == sorted([*claiming, riding])
        await record(store, mined(first))
        assert (CHAIN, LANE, 0, 1) in await foreign(store, OTHER_LANE)
        await settle(store, Settled(mined=mined(first)), endings=landed("a"))
        assert await foreign(store) == sorted(claiming)
        await store.adopt(chain=CHAIN, lane=Address(b"\x03" * 20), start=Nonce(7), now=NOW)
        assert await foreign(store) == sorted(claiming)  # that one has nothing to do

    async def test_claims_of_lanes_that_nobody_serves_go_back_to_the_queue(self, store: Store) -> None:
        await sealed(store, 0, "sealed")
        await store.add_operations([an_operation(id) for id in "abc"])
        await store.add_operations([an_operation("d", chain=ChainId(1)), an_operation("e")])
        assert await claim(store, 1) == ["a"]
        assert await claim(store, 2, lane=OTHER_LANE) == ["b", "c"]
        await store.claim_ready(chain=ChainId(1), lane=LANE, workload="tasks", most=1, now=NOW)
        await store.judge(landed("c"), [], now=NOW)
        assert await store.release_foreign_claims(chain=CHAIN, lanes=[LANE]) == 2
        assert await stages(store, "sealed", "a", "b", "c", "d", "e") == [
            "sealed",
            "claimed",
            "queued",
            "done",
            "queued",
            "queued",
        ]
        assert await store.release_foreign_claims(chain=CHAIN, lanes=[LANE]) == 0
        assert await store.release_foreign_claims(chain=CHAIN, lanes=[]) == 1
        assert await claim(store) == ["a", "b", "e"]


async def foreign(store: Store, *lanes: Address) -> list[tuple[int, bytes, int, int]]:
    """Chain and lane of each, with what is in flight and mined."""
    found = await store.foreign_lanes(chain=CHAIN, lanes=lanes)
    return sorted((each.chain, each.lane, each.in_flight, each.mined) for each in found)

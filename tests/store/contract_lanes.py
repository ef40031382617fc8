"""What a person says about a lane holds, and is told."""

from dataclasses import replace

import pytest

from headrace.core.lanes import LaneRecord, LaneState
from headrace.core.ports import LaneDrained, NonceUsed, Note
from headrace.core.transaction import Cancel, InFlight, Settled, Void
from headrace.core.words import ChainId, Nonce
from store.made import (
    CHAIN,
    LANE,
    NOW,
    OTHER_LANE,
    Store,
    an_operation,
    claim,
    in_flight,
    landed,
    mined,
    record,
    returned,
    seal,
    sealed,
    settle,
    stages,
)


async def drain(store: Store, at: float = NOW, **more: object) -> bool:
    return await store.drain(chain=CHAIN, lane=LANE, now=at, **more)  # type: ignore[arg-type]


async def record_of(store: Store) -> LaneRecord:
    return await store.lane_record(chain=CHAIN, lane=LANE)


class LanesContract:
    async def test_a_lane_that_nothing_is_known_of_works_from_zero(self, store: Store) -> None:
        assert await record_of(store) == LaneRecord(
            next_nonce=Nonce(0), highest=None, highest_final=None, unsettled=[], drained_at=None
        )

    async def test_a_drained_lane_seals_no_batch_and_what_it_claimed_stays_claimed(self, store: Store) -> None:
        await store.add_operations([an_operation("a")])
        await claim(store)
        assert await drain(store)
        with pytest.raises(LaneDrained, match="is drained"):
            await seal(store, in_flight(0), ["a"], notes=[Note(subject="a", text="lost")])
        assert await store.next_nonce(chain=CHAIN, lane=LANE) == 0
        assert await stages(store, "a") == ["claimed"]
        assert await store.lines("a") == []
        assert await store.resume(chain=CHAIN, lane=LANE, now=NOW)
        await seal(store, in_flight(0), ["a"])

    async def test_a_drained_lane_still_fills_a_gap(self, store: Store) -> None:
        await drain(store)
        await seal(store, in_flight(0, batch=None), [])
        assert (await record_of(store)).unsettled == [0]

    async def test_other_lanes_and_chains_are_not_drained_with_it(self, store: Store) -> None:
        await drain(store)
        await store.add_operations([an_operation("a")])
        await claim(store, lane=OTHER_LANE)
        await seal(store, in_flight(0), ["a"], lane=OTHER_LANE)
        assert (await store.lane_record(chain=ChainId(1), lane=LANE)).drained_at is None

    async def test_draining_and_resuming_twice_is_once_and_told_once(self, store: Store) -> None:
        notes = [Note(subject="lane", text="said so")]
        assert await drain(store, NOW, notes=notes)
        assert not await drain(store, NOW + 5, notes=notes)
        assert (await record_of(store)).drained_at == NOW
        assert await store.resume(chain=CHAIN, lane=LANE, now=NOW + 6, notes=notes)
        assert not await store.resume(chain=CHAIN, lane=LANE, now=NOW + 7, notes=notes)
        assert not await store.resume(chain=CHAIN, lane=OTHER_LANE, now=NOW, notes=notes)
        assert [line.at for line in await store.lines("lane")] == [NOW, NOW + 6]

    async def test_what_is_under_way_goes_on_and_then_it_is_drained(self, store: Store) -> None:
        first = await sealed(store, 0, "a")
        await drain(store)
        [lane] = await store.lanes()
        assert (lane.state, lane.drained_at) == (LaneState.DRAINING, NOW)
        await record(store, mined(first))
        [lane] = await store.lanes()
        assert lane.state is LaneState.DRAINING
        await settle(store, Settled(mined=mined(first)), endings=landed("a"))
        [lane] = await store.lanes()
        assert lane.state is LaneState.DRAINED

    async def test_the_record_of_a_lane_tells_what_its_ledger_has(self, store: Store) -> None:
        transactions = [await sealed(store, nonce, id) for nonce, id in enumerate("abcd")]
        await settle(store, Settled(mined=mined(transactions[0])), endings=landed("a"))
        await settle(store, Void(in_flight=transactions[2]), returns=[returned("c")])
        await record(store, mined(transactions[1]))
        assert await record_of(store) == LaneRecord(
            next_nonce=Nonce(4),
            highest=Nonce(3),
            highest_final=Nonce(2),
            unsettled=[Nonce(1), Nonce(3)],
            drained_at=None,
        )

    async def test_a_lane_begins_where_a_person_says_also_lower_than_before(self, store: Store) -> None:
        await sealed(store, 0, "a")
        await store.adopt(chain=CHAIN, lane=LANE, start=Nonce(9), now=NOW)
        for start in (12, 5, 1):
            note = Note(subject="lane", text=f"from {start}")
            await store.begin_at(chain=CHAIN, lane=LANE, start=Nonce(start), now=NOW, notes=[note])
            assert await store.next_nonce(chain=CHAIN, lane=LANE) == start
        assert [line.text for line in await store.lines("lane")] == ["from 12", "from 5", "from 1"]

    async def test_a_lane_never_begins_at_or_below_what_its_ledger_has(self, store: Store) -> None:
        await sealed(store, 3, "a")
        for start in (0, 3):
            with pytest.raises(NonceUsed, match=f"nonce {start}"):
                note = Note(subject="lane", text="never")
                await store.begin_at(chain=CHAIN, lane=LANE, start=Nonce(start), now=NOW, notes=[note])
        assert await store.next_nonce(chain=CHAIN, lane=LANE) == 4
        assert await store.lines("lane") == []

    @pytest.mark.parametrize("what", Cancel)
    async def test_a_cancel_is_remembered_to_the_end(self, store: Store, what: Cancel) -> None:
        cancelled: InFlight = replace(await sealed(store, 0, "a"), cancelled=what)
        await record(store, cancelled)
        [voyage] = await store.unsettled(chain=CHAIN, lane=LANE)
        assert voyage.transaction == cancelled
        final = Void(in_flight=cancelled)
        await settle(store, final, returns=[returned("a")])
        entry = await store.ledger_entry(lane=LANE, nonce=Nonce(0))
        assert entry is not None
        assert entry.transaction == final

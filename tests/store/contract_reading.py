"""What people ask: every operation's account, every transaction, every lane, every line."""

from dataclasses import replace

import pytest

from headrace.core.errors import FixTheRequest
from headrace.core.operation import Stage, State
from headrace.core.transaction import Settled, Taken, Void
from headrace.core.words import BatchId, BlockNumber, Nonce, OperationId, Outcome, Revert, TxHash
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
)


class ReadingContract:
    async def test_an_operations_state_is_told_by_its_transaction(self, store: Store) -> None:
        await store.add_operations([an_operation("a")])
        assert (await account(store, "a")).state is State.QUEUED
        await claim(store)
        assert (await account(store, "a")).state is State.QUEUED
        first = in_flight(0, sealed_at=NOW + 1)
        await seal(store, first, ["a"])
        batched = await account(store, "a")
        assert (batched.state, batched.batched_at, batched.sent_at) == (State.BATCHED, NOW + 1, None)
        first = replace(first, sent_at=NOW + 2)
        await record(store, first)
        sent = await account(store, "a")
        assert (sent.state, sent.sent_at, sent.mined_at) == (State.SENT, NOW + 2, None)
        await record(store, Taken(in_flight=first, since=BlockNumber(1)))
        assert (await account(store, "a")).state is State.SENT
        await record(store, mined(first, mined_at=NOW + 3))
        on_chain = await account(store, "a")
        assert (on_chain.state, on_chain.mined_at, on_chain.done_at) == (State.MINED, NOW + 3, None)
        await settle(store, Settled(mined=mined(first, mined_at=NOW + 3)), endings=landed("a"))
        done = await account(store, "a")
        assert (done.stage, done.state, done.outcome) == (Stage.DONE, State.DONE, Outcome.LANDED)
        assert (done.batched_at, done.sent_at, done.mined_at, done.done_at) == (NOW + 1, NOW + 2, NOW + 3, NOW)

    async def test_a_ride_names_the_newest_attempt_then_the_mined_one(self, store: Store) -> None:
        first = replaced(await sealed(store, 0, "a"))
        await record(store, first)
        ride = (await account(store, "a")).ride
        assert ride is not None
        assert (ride.hash, ride.attempts, ride.lane) == (first.attempts[1].hash, 2, LANE)
        assert (ride.block, ride.block_hash, ride.gas_share, ride.cost_share_wei) == (None, None, 0, 0)
        older = mined(first, winner=0)
        await record(store, older)
        ride = (await account(store, "a")).ride
        assert ride is not None
        assert (ride.hash, ride.block, ride.block_hash) == (first.attempts[0].hash, older.block, older.block_hash)

    async def test_shares_of_a_batch_add_up(self, store: Store) -> None:
        first = await sealed(store, 0, "a", "b", "c")
        price = 10**15  # the whole cost is beyond 64 bits
        await record(store, mined(first, gas_used=100_001, gas_price_wei=price))
        rides = [(await account(store, id)).ride for id in "abc"]
        assert [ride.gas_share for ride in rides if ride] == [33335, 33333, 33333]
        assert sum(ride.cost_share_wei for ride in rides if ride) == 100_001 * price
        assert rides[0] is not None and rides[0].cost_share_wei - 100_001 * price // 3 in (0, 1, 2)

    async def test_what_was_never_signed_has_no_ride(self, store: Store) -> None:
        await store.add_operations([an_operation("a")])
        await store.judge([ended("a", Outcome.REJECTED)], [], now=NOW)
        done = await account(store, "a")
        assert (done.ride, done.batched_at, done.sent_at, done.mined_at) == (None, None, None, None)
        assert await store.account(OperationId("unknown")) is None

    async def test_all_operations_about_a_subject_are_found(self, store: Store) -> None:
        subject = b"\x05" * 32
        await store.add_operations([an_operation("a", subject=subject)])
        await store.judge([ended("a", Outcome.REJECTED)], [], now=NOW)
        await store.add_operations(
            [
                an_operation("b", subject=subject),
                an_operation("c", subject=subject, kind="respond"),
                an_operation("d"),
            ]
        )
        assert [a.operation.id for a in await store.accounts_about(subject)] == ["a", "b", "c"]
        assert await store.accounts_about(b"nothing") == []

    async def test_pages_go_from_the_newest_to_the_oldest(self, store: Store) -> None:
        await store.add_operations([an_operation(f"{i}") for i in range(5)])
        seen, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            page, cursor = await store.list_accounts(limit=2, cursor=cursor)
            seen += [a.operation.id for a in page]
            pages += 1
            await store.add_operations([an_operation(f"newer {pages}")])  # later arrivals shift no page
        assert (seen, pages) == (["4", "3", "2", "1", "0"], 3)
        page, cursor = await store.list_accounts(limit=8)
        assert (len(page), cursor) == (8, None)

    async def test_lists_are_filtered_by_workload_stage_and_outcome(self, store: Store) -> None:
        await store.add_operations(
            [an_operation(id) for id in ("landed", "bad", "claimed")]
            + [an_operation("bad escrow", workload="escrow"), an_operation("queued"), an_operation("queued 2")]
        )
        await store.judge(
            [*landed("landed"), ended("bad", Outcome.REJECTED), ended("bad escrow", Outcome.REJECTED)], [], now=NOW
        )
        await claim(store, 1)

        async def listed(**filters: object) -> list[str]:
            page, _ = await store.list_accounts(limit=10, **filters)  # type: ignore[arg-type]
            return [a.operation.id for a in page]

        assert await listed(workload="escrow") == ["bad escrow"]
        assert await listed(stage=Stage.QUEUED) == ["queued 2", "queued"]
        assert await listed(stage=Stage.QUEUED, workload="escrow") == []
        assert await listed(stage=Stage.DONE) == ["bad escrow", "bad", "landed"]
        assert await listed(outcome=Outcome.REJECTED) == ["bad escrow", "bad"]
        assert await listed(outcome=Outcome.REJECTED, workload="tasks", stage=Stage.DONE) == ["bad"]
        assert await listed(outcome=Outcome.LANDED) == ["landed"]
        assert await listed(outcome=Outcome.LANDED, stage=Stage.QUEUED) == []
        page, cursor = await store.list_accounts(limit=1, outcome=Outcome.REJECTED)
        page, cursor = await store.list_accounts(limit=1, outcome=Outcome.REJECTED, cursor=cursor)
        assert ([a.operation.id for a in page], cursor) == (["bad"], None)
        page, cursor = await store.list_accounts(limit=1, stage=Stage.QUEUED)
        page, cursor = await store.list_accounts(limit=1, stage=Stage.QUEUED, cursor=cursor)
        assert ([a.operation.id for a in page], cursor) == (["queued"], None)

    async def test_a_transaction_is_found_by_batch_by_any_attempt_and_by_nonce(self, store: Store) -> None:
        first = replaced(await sealed(store, 0, "a", "b"))
        await record(store, first)
        by_batch = await store.ledger_entry(batch=BatchId("batch-0"))
        assert by_batch is not None
        assert (by_batch.transaction, by_batch.chain, by_batch.lane) == (first, CHAIN, LANE)
        assert (by_batch.workload, by_batch.form, list(by_batch.operations)) == ("tasks", "create", ["a", "b"])
        for attempt in first.attempts:
            assert await store.ledger_entry(hash=attempt.hash) == by_batch
        assert await store.ledger_entry(nonce=Nonce(0)) == by_batch
        assert await store.ledger_entry(nonce=Nonce(0), lane=LANE) == by_batch
        assert await store.ledger_entry(nonce=Nonce(0), lane=OTHER_LANE) is None
        assert await store.ledger_entry(nonce=Nonce(1)) is None
        assert await store.ledger_entry(hash=TxHash(bytes(32))) is None
        assert await store.ledger_entry(batch=BatchId("nothing")) is None

    async def test_a_nonce_that_several_lanes_have_needs_a_lane(self, store: Store) -> None:
        await sealed(store, 0, "a")
        await store.add_operations([an_operation("b")])
        await claim(store, lane=OTHER_LANE)
        second = in_flight(0, batch="b2", attempts=in_flight(99).attempts)
        await seal(store, second, ["b"], lane=OTHER_LANE)
        with pytest.raises(FixTheRequest, match="nonce 0 belongs to several lanes"):
            await store.ledger_entry(nonce=Nonce(0))
        entry = await store.ledger_entry(nonce=Nonce(0), lane=OTHER_LANE)
        assert entry is not None and entry.transaction == second

    async def test_final_transactions_are_read_as_they_ended(self, store: Store) -> None:
        settled = Settled(mined=mined(await sealed(store, 0, "a")))
        void = Void(in_flight=await sealed(store, 1, "b"))
        await settle(store, settled, endings=landed("a"))
        await settle(store, void, returns=[returned("b")])
        for nonce, transaction in enumerate((settled, void)):
            entry = await store.ledger_entry(nonce=Nonce(nonce))
            assert entry is not None and entry.transaction == transaction

    async def test_counts_name_every_stage_and_outcome(self, store: Store) -> None:
        counts = await store.counts()
        assert set(counts) == {stage.value for stage in Stage} | {outcome.value for outcome in Outcome}
        assert set(counts.values()) == {0}
        first = await sealed(store, 0, "a", "b", "c")
        await store.add_operations([an_operation("d"), an_operation("e"), an_operation("f")])
        await claim(store, 1)
        await settle(
            store,
            Settled(mined=mined(first)),
            endings=[*landed("a", "b"), ended("c", Outcome.REJECTED)],
        )
        counts = await store.counts()
        assert {name: count for name, count in counts.items() if count} == {
            "queued": 2,
            "claimed": 1,
            "done": 3,
            "landed": 2,
            "rejected": 1,
        }

    async def test_reverts_that_nobody_could_read_are_counted_by_selector(self, store: Store) -> None:
        assert await store.unknown_reverts(limit=9) == []
        await store.add_operations([an_operation(id) for id in "abcdefg"])
        await claim(store)
        dead, cafe = Revert(bytes.fromhex("deadbeef01")), Revert(bytes.fromhex("cafebabe"))
        await store.judge(
            [ended("a", Outcome.REJECTED, revert=dead), ended("b", Outcome.REJECTED, revert=cafe)],
            [
                returned("c", revert=Revert(bytes.fromhex("deadbeef02"))),
                returned("d", revert=Revert(b"\x01")),
                returned("e", revert=Revert(b"")),  # out of gas, most likely: nothing to be read
                returned("f", revert=Revert(bytes.fromhex("2e98c533"), "TaskAlreadyExists", {})),
            ],
            now=NOW,
        )
        found = [(r.selector.hex(), r.operations, r.example) for r in await store.unknown_reverts(limit=9)]
        assert found == [("deadbeef", 2, "c"), ("", 1, "d"), ("cafebabe", 1, "b")]
        assert len(await store.unknown_reverts(limit=1)) == 1

    async def test_every_lane_has_its_account(self, store: Store) -> None:
        assert await store.lanes() == []
        await store.adopt(chain=CHAIN, lane=OTHER_LANE, start=Nonce(40), now=NOW)
        transactions = [await sealed(store, nonce, f"{nonce}") for nonce in range(5)]
        await record(store, mined(transactions[1]))
        await record(store, Taken(in_flight=transactions[2], since=BlockNumber(2)))
        await settle(store, Settled(mined=mined(transactions[3])), endings=landed("3"))
        await settle(store, Void(in_flight=transactions[4]), returns=[returned("4")])
        lanes = {lane.lane: lane for lane in await store.lanes()}
        ours, other = lanes[LANE], lanes[OTHER_LANE]
        assert (ours.chain, ours.next_nonce, ours.in_flight, ours.mined, ours.settled) == (CHAIN, 5, 2, 1, 2)
        assert (other.next_nonce, other.in_flight, other.mined, other.settled) == (40, 0, 0, 0)

    async def test_nothing_was_noted_about_strangers(self, store: Store) -> None:
        assert await store.lines("nobody") == []
